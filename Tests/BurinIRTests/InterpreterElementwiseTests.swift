import Testing

@testable import BurinIR

@Suite("Leaves and operations element by element, against values computed by hand")
struct InterpreterElementwiseTests {
  @Test func leaves() throws {
    try expect(
      .constant(Literal(TensorType(.f32, [2]), [0.1, 2])), gives: [2], [Double(Float(0.1)), 2])
    try expect(.constant(Literal(TensorType(.i32, [3]), [7])), gives: [3], [7, 7, 7], .i32)
    let seq = Dim(Symbol("seq", maximum: 8))
    try expect(
      .iota(TensorType(.i32, [2, seq]), axis: 1), ["seq": 3], gives: [2, 3], [0, 1, 2, 0, 1, 2],
      .i32)
    try expect(
      .iota(TensorType(.i32, [2, seq]), axis: 0), ["seq": 3], gives: [2, 3], [0, 0, 0, 1, 1, 1],
      .i32)
    try expect(.extent((seq + 1) * 2), ["seq": 3], gives: [], [8], .i32)
    #expect(throws: InterpreterError.self) { try interpret(.extent(seq), extents: [:]) }
  }

  @Test(arguments: [
    (Unary.negate, 2.0, -2.0), (.absolute, -3, 3), (.exp, 1, 2.718281828459045),
    (.log, 2, 0.6931471805599453), (.sqrt, 9, 3), (.rsqrt, 4, 0.5), (.sin, 1, 0.8414709848078965),
    (.cos, 1, 0.5403023058681398), (.erf, 0.5, 0.5204998778130465), (.floor, -1.5, -2),
    (.relu, -1, 0), (.relu, 2, 2), (.gelu, 1, 0.8413447460685429), (.gelu, -10, -7.61985302416e-23),
    (.silu, 1, 0.7310585786300049), (.tanh, 1, 0.7615941559557649), (.sigmoid, 0, 0.5),
    (.sigmoid, -1000, 0), (.silu, -1000, 0), (.geluTanh, 1, 0.8411919906082768),
  ])
  func unary(function: Unary, x: Double, expected: Double) throws {
    try expect(.unary(function, array([1], [x])), gives: [1], [expected], tolerance: 1e-15)
  }

  @Test func unaryOfIntegersAndTruthValues() throws {
    try expect(.unary(.not, array([2], [0, 1], .bool)), gives: [2], [1, 0], .bool)
    try expect(.unary(.negate, array([1], [-128], .i8)), gives: [1], [-128], .i8)
  }

  @Test func binary() throws {
    let results: [(Binary, [Double])] = [
      (.add, [4, 6, 1]), (.subtract, [-2, -2, 3]), (.multiply, [3, 8, -2]),
      (.divide, [1.0 / 3, 0.5, -2]), (.power, [1, 16, 0.5]), (.minimum, [1, 2, -1]),
      (.maximum, [3, 4, 2]),
    ]
    for (function, expected) in results {
      try expect(
        .binary(function, array([3], [1, 2, 2]), array([3], [3, 4, -1])), gives: [3], expected)
    }
    for function in [Binary.minimum, .maximum] {
      try expect(
        .binary(function, array([2], [.nan, 1]), array([2], [1, .nan])), gives: [2], [.nan, .nan])
    }
  }

  @Test func comparisons() throws {
    let x = array([3], [1, 2, 3])
    let y = array([3], [2, 2, 2])
    try expect(.binary(.equal, x, y), gives: [3], [0, 1, 0], .bool)
    try expect(.binary(.less, x, y), gives: [3], [1, 0, 0], .bool)
    try expect(.binary(.lessOrEqual, x, y), gives: [3], [1, 1, 0], .bool)
    let p = array([4], [0, 0, 1, 1], .bool)
    let q = array([4], [0, 1, 0, 1], .bool)
    try expect(.binary(.and, p, q), gives: [4], [0, 0, 0, 1], .bool)
    try expect(.binary(.or, p, q), gives: [4], [0, 1, 1, 1], .bool)
  }

  @Test func broadcasting() throws {
    try expect(
      .binary(.add, array([2, 1], [10, 20]), array([3], [1, 2, 3])), gives: [2, 3],
      [11, 12, 13, 21, 22, 23])
    try expect(
      .broadcast(array([2, 1], [1, 2]), [2, 2, 3]), gives: [2, 2, 3],
      [1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2]
    )
    try expect(.broadcast(array([], [5]), [2]), gives: [2], [5, 5])
    try expect(
      .select(
        array([2, 1], [1, 0], .bool), then: array([], [7]), otherwise: array([3], [1, 2, 3])),
      gives: [2, 3], [7, 7, 7, 1, 2, 3])
  }

  @Test func integersWrapAroundAndTruncate() throws {
    let x = array([3], [2_147_483_647, -7, 7], .i32)
    try expect(
      .binary(.add, x, array([], [1], .i32)), gives: [3], [-2_147_483_648, -6, 8], .i32)
    try expect(.binary(.divide, x, array([], [2], .i32)), gives: [3], [1_073_741_823, -3, 3], .i32)
    try expect(.binary(.divide, x, array([], [0], .i32)), gives: [3], [0, 0, 0], .i32)
  }

  @Test func scaleAndCast() throws {
    try expect(.scale(array([2], [1, -2]), by: 0.5), gives: [2], [0.5, -1])
    let x = array([6], [0.1, 65520, -1e-8, 2.5, -2.5, .nan])
    try expect(.cast(x, to: .f16), gives: [6], [0.0999755859375, inf, 0, 2.5, -2.5, .nan], .f16)
    try expect(
      .cast(x, to: .bf16), gives: [6], [0.10009765625, 65536, -1e-8, 2.5, -2.5, .nan], .bf16,
      tolerance: 1e-10)
    try expect(.cast(x, to: .i32), gives: [6], [0, 65520, 0, 2, -2, 0], .i32)
    try expect(.cast(x, to: .i8), gives: [6], [0, 127, 0, 2, -2, 0], .i8)
    try expect(.cast(x, to: .bool), gives: [6], [1, 1, 1, 1, 1, 1], .bool)
    try expect(.cast(array([2], [300, -1], .i32), to: .u8), gives: [2], [44, 255], .u8)
    // A tie rounds to even, the smallest subnormal survives, half of it does not.
    let edges = array([4], [1 + 0x1p-11, 1 + 0x3p-11, 0x1p-24, 0x1p-25])
    try expect(
      .cast(edges, to: .f16), gives: [4], [1, 1 + 0x1p-9, 0x1p-24, 0], .f16, tolerance: 0)
  }
}
