import BurinIR
import Testing

@testable import BurinC

@Suite(.enabled(if: Clang.isPresent)) struct ElementwiseTests {
  static let (batch, seq) = (KernelCase.batch, KernelCase.seq)

  static func f32(_ shape: [Dim]) -> Place { Place(dense: TensorType(.f32, shape)) }

  @Test func unaryFunctionsOfOneAxisAndOfRows() throws {
    var cases: [KernelCase] = []
    for function in Unary.allCases {
      let element: ElementType = function == .not ? .bool : .f32
      let whole = TensorType(element, [Self.batch, Self.seq, 5])
      for place in [Place(dense: whole), .sliced(whole, from: 9)] {
        var item = try KernelCase(.unary(function, place))
        if [.log, .sqrt, .rsqrt].contains(function) {
          item.values = { _, count in (0..<count).map { Double(Float(0.37 * Double($0) + 0.01)) } }
        }
        item.tolerance = { 1e-6 * max(1e-3, abs($0)) }
        if [.sin, .cos, .gelu, .geluTanh, .erf, .tanh].contains(function) {
          item.tolerance = { 1e-6 * max(1, abs($0)) }
        }
        cases.append(item)
      }
    }
    for function in [Unary.negate, .absolute, .relu] {
      let place = Place(dense: TensorType(.i32, [Self.seq, 3]))
      var item = try KernelCase(.unary(function, place))
      item.values = { _, count in (0..<count).map { $0 == 0 ? -2_147_483_648 : Double(3 - $0) } }
      cases.append(item)
    }
    try KernelLibrary(cases).check()
  }

  @Test func binaryFunctionsBroadcast() throws {
    let (batch, seq) = (Self.batch, Self.seq)
    var cases: [KernelCase] = []
    let pairs: [([Dim], [Dim])] = [
      ([batch, seq, 7], [batch, seq, 7]), ([batch, seq, 16], [16]), ([batch, seq, 7], [seq, 1]),
      ([batch, 1, seq], [batch, seq, 1]), ([batch, 4, seq, seq], [batch, 1, 1, seq]), ([], [seq]),
      ([1], [1]),
    ]
    for function in Binary.allCases {
      let element: ElementType = function == .and || function == .or ? .bool : .f32
      for (left, right) in pairs {
        var item = try KernelCase(
          .binary(
            function, Place(dense: TensorType(element, left)),
            Place(dense: TensorType(element, right))))
        if function == .power {
          item.values = { _, count in (0..<count).map { Double(Float(0.25 * Double($0 % 13))) } }
          item.tolerance = { 1e-6 * abs($0) }
        }
        cases.append(item)
      }
    }
    for function in [Binary.add, .subtract, .multiply, .divide, .minimum, .maximum, .less, .equal] {
      var item = try KernelCase(
        .binary(
          function, Place(dense: TensorType(.i32, [batch, seq])),
          Place(dense: TensorType(.i32, [seq]))))
      let edges: [Double] = [-2_147_483_648, 0, -1, 2_147_483_647, 5, -7]
      item.values = { operand, count in (0..<count).map { edges[($0 * (operand + 1)) % 6] } }
      cases.append(item)
    }
    try KernelLibrary(cases).check()
  }

  /// What is left of rows of which a slice keeps one element.
  @Test func singleElementsOfWiderRows() throws {
    let one = TensorType(.f32, [Self.batch, Self.seq, 3, 1])
    let (slice, dense) = (Place.sliced(one, from: 2), Place(dense: one))
    let numbers = Place.sliced(TensorType(.i32, [Self.seq, 1]), from: 5)
    try KernelLibrary([
      KernelCase(.scale(slice, by: 1.5)),
      KernelCase(.unary(.tanh, slice)),
      KernelCase(.binary(.add, slice, dense)),
      KernelCase(.binary(.add, dense, slice)),
      KernelCase(.binary(.multiply, slice, Self.f32([]))),
      KernelCase(.binary(.multiply, slice, Self.f32([7]))),
      KernelCase(.cast(numbers, to: .f32)),
    ]).check()
  }

  @Test func selectScaleAndCast() throws {
    let (batch, seq) = (Self.batch, Self.seq)
    func place(_ element: ElementType, _ shape: [Dim]) -> Place {
      Place(dense: TensorType(element, shape))
    }
    var cases = [
      try KernelCase(
        .select(
          place(.bool, [batch, 1, seq, seq]), then: place(.f32, [batch, 3, seq, seq]),
          otherwise: place(.f32, []))),
      try KernelCase(
        .select(
          place(.bool, [seq, 1]), then: place(.i32, [seq]), otherwise: place(.i32, [seq, seq]))),
      try KernelCase(.scale(place(.f32, [batch, 11]), by: 0.125)),
    ]
    let edges: [Double] = [0, -0.5, 1.5, 3e9, -3e9, .nan, .infinity, -7.9]
    for (from, to) in [
      (ElementType.f32, ElementType.i32), (.f32, .bool), (.i32, .f32), (.i32, .bool), (.bool, .f32),
      (.bool, .i32), (.i32, .i64), (.i64, .i32), (.i64, .f32), (.f32, .f32), (.bf16, .f32),
      (.bf16, .bf16), (.f16, .f32), (.f16, .f16),
    ] {
      var item = try KernelCase(.cast(place(from, [batch, seq]), to: to))
      if from == .f32 { item.values = { _, count in (0..<count).map { edges[$0 % 8] } } }
      cases.append(item)
    }
    try KernelLibrary(cases).check()
  }

  /// Ties to even, both ends of the range, and NaN.
  @Test func roundingToBF16() throws {
    let edges: [Double] = [
      1, 1 + 0x1p-8, 1 + 0x1p-7 + 0x1p-8, -1 - 0x1p-8 - 0x1p-20, 0x1.fep127, 0x1.ff8p127, .nan,
      -.infinity, -0.0, 0x1p-140, 0x1p-130 + 0x1p-134, 3.14159274101257,
    ]
    var item = try KernelCase(
      .cast(Place(dense: TensorType(.f32, [Self.batch, Self.seq, 7])), to: .bf16))
    item.values = { _, count in (0..<count).map { edges[$0 % edges.count] } }
    item.tolerance = { _ in 0 }
    for flags in LinearTests.levels { try KernelLibrary([item], flags: flags).check() }
  }

  @Test func countingAndExtents() throws {
    let (batch, seq) = (Self.batch, Self.seq)
    var cases: [KernelCase] = []
    for axis in 0..<3 {
      for element in [ElementType.i32, .f32] {
        cases.append(
          try KernelCase(
            .iota(TensorType(element, [batch, seq, 3]), axis: axis)))
      }
    }
    cases.append(try KernelCase(.extent(batch * seq + 1)))
    cases.append(try KernelCase(.extent(7)))
    try KernelLibrary(cases).check()
  }

  @Test func whatCannotBeComputedSaysSo() {
    let place = Place(dense: TensorType(.f16, [4]))
    #expect(throws: IRError.self) { try KernelCase(.unary(.exp, place)) }
    for element in [ElementType.bf16, .f16] {
      let half = Place(dense: TensorType(element, [4]))
      for op in [Op.unary(.relu, half), .binary(.less, half, half), .cast(half, to: .i32)] {
        #expect(throws: IRError.self) { try KernelCase(op) }
      }
    }
    #expect(throws: IRError.self) {
      try KernelCase(.cast(Place(dense: TensorType(.f32, [4])), to: .f16))
    }
    let whole = Place(dense: TensorType(.i32, [4]))
    #expect(throws: IRError.self) {
      try KernelCase(.binary(.power, whole, whole))
    }
  }

  @Test func kernelsReadAsIfWritten() throws {
    let rows = TensorType(.f32, [Self.batch, Self.seq, 768])
    let add = try KernelCase(
      .binary(.add, Place(dense: rows), Place(dense: TensorType(.f32, [768]))))
    #expect(
      CPrinter.print(CFile(items: [.function(add.kernel.function)])) == """
        static void add_768(
            int64_t rows,
            const float *restrict x,  // [rows, 768]
            const float *restrict y,  // [768]
            float *restrict out) {    // [rows, 768]
          #pragma omp for schedule(static)
          for (int64_t row = 0; row < rows; row++) {
            const float *x_row = x + row * 768;
            float *out_row = out + row * 768;
            for (int64_t column = 0; column < 768; column++) {
              out_row[column] = x_row[column] + y[column];
            }
          }
        }

        """)
  }
}
