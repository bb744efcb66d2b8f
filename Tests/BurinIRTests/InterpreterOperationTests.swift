import Testing

@testable import BurinIR

private let inf = Double.infinity

private func array(
  _ shape: [Int], _ values: [Double], _ element: ElementType = .f32
) -> NumericArray { NumericArray(element, shape, values) }

/// Expects one tensor of the given shape, with values up to rounding in double precision.
private func expect(
  _ op: Op<NumericArray>, _ extents: [String: Int] = [:], gives shape: [Int], _ values: [Double],
  _ element: ElementType = .f32, tolerance: Double = 1e-12,
  at location: SourceLocation = #_sourceLocation
) throws {
  let results = try interpret(op, extents: extents)
  let result = try #require(results.count == 1 ? results[0] : nil, sourceLocation: location)
  #expect(result.element == element, sourceLocation: location)
  #expect(result.shape == shape, sourceLocation: location)
  #expect(close(result.values, values, tolerance), "\(result.values)", sourceLocation: location)
}

private func close(_ left: [Double], _ right: [Double], _ tolerance: Double = 1e-12) -> Bool {
  left.count == right.count
    && zip(left, right).allSatisfy {
      $0 == $1 || ($0.isNaN && $1.isNaN) || abs($0 - $1) <= tolerance
    }
}

@Suite("Operations, against values computed by hand")
struct InterpreterOperationTests {
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

  @Test func products() throws {
    let x = array([2, 3], [1, 2, 3, 4, 5, 6])
    let y = array([3, 2], [1, 0, 2, 1, 0, 3])
    try expect(.matmul(x, y), gives: [2, 2], [5, 11, 14, 23])
    // Leading axes: the same right side for all, or one each.
    let stack = array([2, 1, 2], [1, 2, 3, 4])
    try expect(.matmul(stack, array([2, 1], [1, 10])), gives: [2, 1, 1], [21, 43])
    try expect(
      .matmul(stack, array([2, 2, 1], [1, 10, 100, 1000])), gives: [2, 1, 1], [21, 4300])
  }

  @Test func linearWithEpiloguesInOrder() throws {
    let x = array([2, 2], [1, 2, 3, 4])
    let weight = array([2, 3], [1, 0, -1, 0, 1, -1])  // products: 1 2 -3, 3 4 -7
    func linear(_ weight: NumericArray, _ epilogues: [Epilogue<NumericArray>]) -> Op<NumericArray> {
      .linear(x, weight: weight, columns: 3, epilogues: epilogues, tile: nil)
    }
    try expect(linear(weight, []), gives: [2, 3], [1, 2, -3, 3, 4, -7])
    let bias = array([3], [0, -3, 4])
    let other = array([2, 3], [1, 2, 3, 4, 5, 6])
    try expect(
      linear(weight, [.bias(bias), .activation(.relu), .residual(other)]), gives: [2, 3],
      [2, 2, 4, 7, 6, 6])
    try expect(
      linear(weight, [.residual(other), .scale(2), .gate(other)]), gives: [2, 3],
      [4, 16, 0, 56, 90, -12])
    // Packed into panels of two columns, the last one padded.
    let packed = try interpret(.pack(weight, width: 2), extents: [:])[0]
    #expect(packed.shape == [2, 2, 2])
    #expect(packed.values == [1, 0, 0, 1, -1, 0, -1, 0])
    try expect(linear(packed, []), gives: [2, 3], [1, 2, -3, 3, 4, -7])
  }

  /// Pairs of terms lie side by side, the last one filled up; sums are f32.
  @Test func linearOfPairs() throws {
    let x = NumericArray(.bf16, [1, 3], [1, 2, 4])
    let weight = NumericArray(.bf16, [3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9])
    let packed = try interpret(.pack(weight, width: 2), extents: [:])[0]
    #expect(packed.shape == [2, 2, 2, 2])
    #expect(packed.values == [1, 4, 2, 5, 7, 0, 8, 0, 3, 6, 0, 0, 9, 0, 0, 0])
    for factor in [weight, packed] {
      let product = try interpret(
        .linear(x, weight: factor, columns: 3, epilogues: [.scale(0.5)], tile: nil), extents: [:])
      #expect(product == [NumericArray(.f32, [1, 3], [18.5, 22, 25.5])])
    }
  }

  /// A turned block of a row has the scale of its largest value; ties go to even, and a block of zeros
  /// stays one.
  @Test func blocksOfRows() throws {
    let zeros = [Double](repeating: 0, count: 32)
    let values = turned([127, -63.5, 1.5, 0.25]) + zeros
    let rounded = try interpret(.cast(array([1, 64], values), to: .r8), extents: [:])[0]
    #expect(rounded == NumericArray(.r8, [1, 64], turned([127, -64, 2]) + zeros))
  }

  private static let weightBlocks: [([Double], [Double])] = [
    ([140, -115, 1], [140, -115, 1]), ([-140, 115, -1], [-140, 115, -1]),
    ([115, -115, 1], [115, -115, 1]), ([141, 1], [141.09375, 1.0078125]),
    ([140.25, 34.03125], [140.25, 34.03125]), ([0, 0], [0]),
  ]

  /// Of a block of weights the longer side has 140 multiples and the shorter one 115, and the scale is
  /// a bf16 for which little is lost.
  @Test(arguments: weightBlocks) func blocksOfWeights(terms: [Double], expected: [Double]) throws {
    let zeros = [Double](repeating: 0, count: 32)
    let rounded = try interpret(
      .cast(array([1, 64], turned(terms) + zeros), to: .w8), extents: [:])[0]
    #expect(rounded == NumericArray(.w8, [1, 64], turned(expected) + zeros))
    let table = try interpret(
      .pack(interpret(.transpose(rounded, permutation: [1, 0]), extents: [:])[0], width: 32),
      extents: [:])[0]
    #expect(table.shape == [1, 16, 32, 4])
    try expect(
      .embedding(table: table, indices: NumericArray(.i32, [1], [0]), rows: 1), gives: [1, 64],
      rounded.values)
  }

  /// Multiples -8 to 7 of a scale are what they were; others lose little.
  @Test func blocksOfFourBits() throws {
    let exact = turned((0..<32).map { Double($0 % 16 - 8) / 2 })
    let near = turned((0..<32).map { Double($0 % 16 - 8) / 2 + 0.1 })
    let rounded = try interpret(.cast(array([2, 32], exact + near), to: .w4), extents: [:])[0]
    #expect(rounded.element == .w4)
    #expect(Array(rounded.values[..<32]) == exact)
    let loss = zip(rounded.values[32...], near).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    #expect(loss < 32 * 0.01 / 32)
  }

  /// 32 values that the Hadamard matrix takes to the given ones and zeros.
  private func turned(_ terms: [Double]) -> [Double] {
    (0..<32).map { row in
      terms.indices.reduce(0) { sum, column in
        sum + ((row & column).nonzeroBitCount % 2 == 0 ? terms[column] : -terms[column]) / 32
      }
    }
  }

  @Test func softmax() throws {
    let e = 2.718281828459045
    try expect(
      .softmax(array([3, 2], [0, 1, -inf, -inf, 1000, -inf])), gives: [3, 2],
      [1 / (1 + e), e / (1 + e), 0, 0, 1, 0])
  }

  @Test func norms() throws {
    let x = array([2, 2], [1, 3, -2, 2])
    try expect(
      .norm(x, Norm(.layer, scale: nil, bias: nil, epsilon: 0)), gives: [2, 2], [-1, 1, -1, 1])
    try expect(
      .norm(x, Norm(.layer, scale: array([2], [2, 3]), bias: array([2], [10, 20]), epsilon: 3)),
      gives: [2, 2], [9, 21.5, 10 - 4 / 7.0.squareRoot(), 20 + 6 / 7.0.squareRoot()])
    try expect(
      .norm(x, Norm(.rms, scale: nil, bias: nil, epsilon: 4)), gives: [2, 2],
      [1.0 / 3, 1, -2 / 8.0.squareRoot(), 2 / 8.0.squareRoot()])
    let both = try interpret(
      .addNorm(
        x, residual: array([2, 2], [1, 1, 0, 4]), Norm(.layer, scale: nil, bias: nil, epsilon: 0)),
      extents: [:])
    #expect(both.map(\.values) == [[2, 4, -2, 6], [-1, 1, -1, 1]])
  }

  @Test func reductions() throws {
    let x = array([2, 3], [1, 2, 3, 6, 5, 4])
    try expect(.reduce(.sum, x, axes: [1]), gives: [2, 1], [6, 15])
    try expect(.reduce(.mean, x, axes: [0]), gives: [1, 3], [3.5, 3.5, 3.5])
    try expect(.reduce(.maximum, x, axes: [0, 1]), gives: [1, 1], [6])
    try expect(.reduce(.sum, x, axes: []), gives: [2, 3], x.values)
    try expect(.reduce(.mean, array([2], [1, 2], .i32), axes: [0]), gives: [1], [1], .i32)
    try expect(.cumulativeSum(x, axis: 1), gives: [2, 3], [1, 3, 6, 6, 11, 15])
    try expect(.cumulativeSum(x, axis: 0), gives: [2, 3], [1, 2, 3, 7, 7, 7])
  }

  @Test func rotary() throws {
    let quarter = Double.pi / 2
    let x = array([1, 2, 1, 5], [1, 2, 3, 4, 9, 1, 2, 3, 4, 9])
    let positions = array([1, 2], [0, 1], .i32)
    let frequencies = array([2], [quarter, 2 * quarter])
    func rotary(_ interleaved: Bool) -> Op<NumericArray> {
      .rotary(x, positions: positions, frequencies: frequencies, interleaved: interleaved)
    }
    // Pairs (1, 3) by a quarter and (2, 4) by a half turn; then (1, 2) and (3, 4). 9 stays.
    try expect(rotary(false), gives: [1, 2, 1, 5], [1, 2, 3, 4, 9, -3, -2, 1, -4, 9])
    try expect(rotary(true), gives: [1, 2, 1, 5], [1, 2, 3, 4, 9, -2, 1, -3, -4, 9])
  }

  @Test func embeddings() throws {
    let table = array([3, 2], [1, 2, 3, 4, 5, 6])
    let indices = array([1, 2], [2, 0], .i32)
    try expect(
      .embedding(table: table, indices: indices, rows: 3), gives: [1, 2, 2], [5, 6, 1, 2])
    // The same table as the columns of a packed weight: [width, rows] packed.
    let packed = try interpret(
      .pack(interpret(.transpose(table, permutation: [1, 0]), extents: [:])[0], width: 2),
      extents: [:])[0]
    try expect(
      .embedding(table: packed, indices: indices, rows: 3), gives: [1, 2, 2], [5, 6, 1, 2])
    for (index, rows) in [(-1.0, 3), (3, 3)] {
      let error = #expect(throws: InterpreterError.self) {
        try interpret(
          .embedding(table: table, indices: array([1], [index], .i32), rows: rows), extents: [:])
      }
      #expect(error?.description == "embedding: \(Int(index)) is not in 0..<3")
    }
  }

  @Test func moving() throws {
    let x = array([2, 3], [1, 2, 3, 4, 5, 6])
    try expect(.transpose(x, permutation: [1, 0]), gives: [3, 2], [1, 4, 2, 5, 3, 6])
    try expect(
      .transpose(array([1, 2, 3], x.values), permutation: [2, 0, 1]), gives: [3, 1, 2],
      [1, 4, 2, 5, 3, 6])
    try expect(.reshape(x, [3, 2]), gives: [3, 2], x.values)
    try expect(.slice(x, axis: 1, start: 1, count: 2), gives: [2, 2], [2, 3, 5, 6])
    try expect(.slice(x, axis: 0, start: 1, count: 1), gives: [1, 3], [4, 5, 6])
    try expect(
      .concat([x, array([2, 1], [7, 8])], axis: 1), gives: [2, 4], [1, 2, 3, 7, 4, 5, 6, 8])
    try expect(
      .concat([x, array([1, 3], [7, 8, 9])], axis: 0), gives: [3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9])
    try expect(
      .gather(array([2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]), indices: array([2, 1], [1, 0], .i32)),
      gives: [2, 1, 2], [3, 4, 5, 6])
    #expect(throws: InterpreterError("gather: 3 is not in 0..<3")) {
      try interpret(.gather(x, indices: array([2, 1], [0, 3], .i32)), extents: [:])
    }
  }

  @Test func append() throws {
    let cache = array([2, 3, 1], [1, 2, 3, 4, 5, 6])
    let values = array([2, 2, 1], [10, 20, 30, 40])
    func append(_ start: [Double], _ counts: [Double]) -> Op<NumericArray> {
      .append(
        cache: cache, values: values, start: array([2], start, .i32),
        counts: array([2], counts, .i32))
    }
    try expect(append([1, 2], [2, 1]), gives: [2, 3, 1], [1, 10, 20, 4, 5, 30])
    try expect(append([0, 3], [1, 0]), gives: [2, 3, 1], [10, 2, 3, 4, 5, 6])
    #expect(throws: InterpreterError.self) { try interpret(append([2, 0], [2, 0]), extents: [:]) }
    #expect(throws: InterpreterError.self) {
      try interpret(append([-1, 0], [1, 0]), extents: [:])
    }
    #expect(throws: InterpreterError.self) { try interpret(append([0, 0], [3, 0]), extents: [:]) }
  }
}

@Suite("Attention and masks, against values computed by hand")
struct InterpreterAttentionTests {
  private func mask(_ masks: [Mask<NumericArray>], _ shape: [Dim]) throws -> [Double] {
    try interpret(.mask(masks, shape: shape), extents: [:])[0].values.map { $0 == 0 ? 1 : 0 }
  }

  @Test func masks() throws {
    #expect(try mask([.causal(start: nil)], [1, 1, 2, 3]) == [1, 0, 0, 1, 1, 0])
    #expect(
      try mask([.causal(start: array([2], [1, 0], .i32))], [2, 1, 1, 3]) == [1, 1, 0, 1, 0, 0])
    #expect(
      try mask([.window(2, start: nil)], [1, 1, 4, 4]) == [
        1, 1, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 1, 1,
      ])
    #expect(try mask([.window(2, start: array([1], [2], .i32))], [1, 1, 1, 4]) == [0, 1, 1, 1])
    #expect(try mask([.lengths(array([2], [0, 2], .i32))], [2, 1, 1, 3]) == [0, 0, 0, 1, 1, 0])
    let padding = array([1, 3], [1, 0, 1], .i32)
    #expect(
      try mask([.padding(padding), .causal(start: nil)], [1, 1, 3, 3]) == [
        1, 0, 0, 1, 0, 0, 1, 0, 1,
      ])
  }

  /// Scores are the logarithms of small weights, so that results are simple fractions.
  private func attend(
    queries: Int = 1, _ change: (inout Scores<NumericArray>) -> Void
  ) throws -> [Double] {
    let log2 = 0.6931471805599453
    var scores = Scores<NumericArray>(scale: 1)
    change(&scores)
    return try interpret(
      .attention(
        query: array([1, queries, 1, 1], Array(repeating: log2, count: queries)),
        key: array([1, 3, 1, 1], [0, 1, 2]), value: array([1, 3, 1, 2], [7, 1, 0, 0, 14, 2]),
        scores: scores, tile: nil), extents: [:])[0].values
  }

  @Test func scores() throws {
    let log2 = 0.6931471805599453
    // Weights 1 2 4 over 7.
    #expect(close(try attend { _ in }, [9, 9.0 / 7]))
    #expect(close(try attend { $0.scale = 2 }, [(7 + 14 * 16) / 21.0, 33.0 / 21]))
    #expect(close(try attend { $0.masks = [.lengths(array([1], [2], .i32))] }, [7.0 / 3, 1.0 / 3]))
    #expect(close(try attend { $0.masks = [.lengths(array([1], [0], .i32))] }, [0, 0]))
    #expect(
      close(try attend(queries: 2) { $0.masks = [.causal(start: nil)] }, [7, 1, 7.0 / 3, 1.0 / 3]))
    #expect(close(try attend { $0.bias = array([1, 1, 1, 3], [0, 0, -log2]) }, [7, 1]))
    #expect(
      close(try attend { $0.bias = array([1, 1, 1, 3], [0, -.infinity, -.infinity]) }, [7, 1]))
    #expect(close(try attend { $0.slopes = array([1], [-log2]) }, [7, 1]))
    // With a cap of almost nothing, all keys count alike.
    #expect(close(try attend { $0.softCap = 1e-9 }, [7, 1], 1e-6))
  }

  /// What does not count has no influence, not even as NaN.
  @Test func maskedKeysAreNotRead() throws {
    let nan = Double.nan
    let result = try interpret(
      .attention(
        query: array([1, 1, 1, 1], [1]), key: array([1, 2, 1, 1], [1, nan]),
        value: array([1, 2, 1, 1], [5, nan]),
        scores: Scores(scale: 1, masks: [.lengths(array([1], [1], .i32))]), tile: nil),
      extents: [:])[0]
    #expect(result.values == [5])
  }

  @Test func headsShareGroups() throws {
    // Four heads, two groups; one key each, so that the value itself comes out.
    let result = try interpret(
      .attention(
        query: array([1, 1, 4, 1], [1, 2, 3, 4]), key: array([1, 1, 2, 1], [1, 1]),
        value: array([1, 1, 2, 1], [10, 20]), scores: Scores(scale: 1), tile: nil), extents: [:])[0]
    #expect(result.values == [10, 10, 20, 20])
  }
}
