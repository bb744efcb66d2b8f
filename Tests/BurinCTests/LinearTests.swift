import BurinIR
import Testing

@testable import BurinC

@Suite(.enabled(if: Clang.isPresent)) struct LinearTests {
  static let (batch, seq) = (KernelCase.batch, KernelCase.seq)

  /// A linear of the given shape; rows come from wider rows.
  static func linear(
    _ depth: Int, _ columns: Int, isPacked: Bool = true, in element: ElementType = .f32,
    of left: ElementType? = nil, _ epilogues: [Epilogue<Place>] = [], tile: LinearTile? = nil
  ) throws -> KernelCase {
    let x = Place.sliced(
      TensorType(left ?? element, [batch, seq, Dim(depth)]), from: Dim(depth + 3))
    let group = element.termsPerGroup
    let shape =
      isPacked
      ? [(columns + 31) / 32, depth / group, 32] + (group > 1 ? [group] : []) : [depth, columns]
    let weight = Place(dense: TensorType(element, shape.map { Dim($0) }))
    var item = try KernelCase(
      .linear(x, weight: weight, columns: columns, epilogues: epilogues, tile: tile))
    // 16 * 2^-24 times the sum of |x * w|, |x| and |w| at most 3.
    item.tolerance = { _ in 16 * 0x1p-24 * 9 * Double(depth + 1) }
    return item
  }

  @Test func productsOfAwkwardShapes() throws {
    var cases: [KernelCase] = []
    for depth in [1, 7, 16, 65] {
      for columns in [1, 15, 16, 17, 31, 32, 33, 48, 96, 101] {
        for isPacked in [true, false] {
          cases.append(try Self.linear(depth, columns, isPacked: isPacked))
        }
      }
    }
    try KernelLibrary(cases).check()
  }

  /// So many tiles that threads help each other, once and again.
  @Test(arguments: [1, 3]) func longLoopsAreShared(panels: Int) throws {
    let tile = LinearTile(rowBlock: 4096, panels: panels)
    let long = ["batch": 1, "seq": 1100 * panels]
    try KernelLibrary([Self.linear(3, 250, tile: tile)]).check([
      long, ["batch": 1, "seq": 3], long,
    ])
  }

  /// Instructions for bf16 where the machine has them, and without.
  static let levels = [["-mavx2", "-mfma"], ["-mavx2", "-mfma", "-mf16c"], ["-march=native"], []]

  @Test("bf16 with the flags", arguments: levels)
  func narrowProducts(flags: [String]) throws {
    var cases: [KernelCase] = []
    for depth in [2, 6, 16, 66] {
      for columns in [1, 16, 17, 31, 32, 40, 96] {
        cases.append(try Self.linear(depth, columns, in: .bf16))
        cases.append(try Self.linear(depth, columns, in: .bf16, of: .f32))
        cases.append(try Self.linear(depth + 1, columns, in: .f16, of: .f32))
      }
    }
    let bias = Place(dense: TensorType(.f32, [40]))
    let other = Place.sliced(TensorType(.f32, [Self.batch, Self.seq, 40]), from: 42)
    cases.append(
      try Self.linear(8, 40, in: .bf16, [.bias(bias), .activation(.gelu), .residual(other)]))
    cases.append(
      try Self.linear(
        10, 40, in: .bf16, [.bias(bias)], tile: LinearTile(rowBlock: 8)))
    try KernelLibrary(cases, flags: flags).check()
  }

  @Test func refusesWhatHasNoPairs() {
    #expect(throws: IRError.self) { try Self.linear(7, 32, in: .bf16) }
    #expect(throws: IRError.self) { try Self.linear(8, 32, isPacked: false, in: .bf16) }
    #expect(throws: IRError.self) { try Self.linear(8, 32, isPacked: false, in: .f16, of: .f32) }
  }

  @Test func epiloguesInOrder() throws {
    var cases: [KernelCase] = []
    for columns in [16, 40, 53] {
      let bias = Place(dense: TensorType(.f32, [Dim(columns)]))
      let other = Place.sliced(
        TensorType(.f32, [Self.batch, Self.seq, Dim(columns)]), from: Dim(columns + 2))
      for function in [Unary.relu, .gelu, .geluTanh, .silu, .tanh, .sigmoid, .negate, .absolute] {
        cases.append(try Self.linear(5, columns, [.bias(bias), .activation(function)]))
      }
      cases.append(try Self.linear(5, columns, [.bias(bias), .residual(other), .residual(other)]))
      var product = try Self.linear(
        5, columns, [.activation(.silu), .gate(other), .scale(0.5), .residual(other)])
      product.tolerance = { 1e-4 * max(1, abs($0)) }
      cases.append(product)
    }
    try KernelLibrary(cases).check()
  }

  @Test func rowsInBlocks() throws {
    let cases = try [8, 16].map { block in
      try Self.linear(9, 40, tile: LinearTile(rowBlock: block))
    }
    try KernelLibrary(cases).check()
  }

  @Test("every order of a product, with the flags", arguments: levels)
  func orders(flags: [String]) throws {
    var cases: [KernelCase] = []
    for (columns, panels) in [(40, 2), (96, 2), (101, 4), (128, 2), (16, 4)] {
      for (block, isEven) in [(4096, false), (4096, true), (16, true)] {
        let tile = LinearTile(rowBlock: block, panels: panels, isEven: isEven)
        let bias = Place(dense: TensorType(.f32, [Dim(columns)]))
        cases.append(try Self.linear(10, columns, [.bias(bias)], tile: tile))
        cases.append(try Self.linear(10, columns, isPacked: false, tile: tile))
        cases.append(try Self.linear(10, columns, in: .bf16, tile: tile))
      }
    }
    try KernelLibrary(cases, flags: flags).check()
  }

  /// Names are cut, but not before what tells them apart.
  @Test func longNamesStayApart() throws {
    let x = Place(dense: TensorType(.f32, [Self.seq, 12_288]))
    let weight = Place(dense: TensorType(.f32, [128, 12_288, 32]))
    let out = Place(dense: TensorType(.f32, [Self.seq, 4096]))
    let bias = Place(dense: TensorType(.f32, [4096]))
    var table = KernelTable()
    for round in 0..<2 {
      for block in 1...11 {
        let op = Op<Place>.linear(
          x, weight: weight, columns: 4096,
          epilogues: [.bias(bias), .activation(.geluTanh), .gate(out), .residual(out)],
          tile: LinearTile(rowBlock: block))
        _ = try table.kernel(for: op, results: [out], note: "")
      }
      #expect(table.rows.count == 11, "round \(round)")
    }
    #expect(Set(table.rows.map(\.kernel.function.name)).count == 11)
  }

  @Test func namesSayWhatAKernelIs() throws {
    let bias = Place(dense: TensorType(.f32, [3072]))
    let kernel = try Self.linear(768, 3072, [.bias(bias), .activation(.geluTanh)]).kernel
    #expect(kernel.function.name.text == "linear_768x3072_bias_gelu_tanh")
    let narrow = try Self.linear(768, 3072, in: .bf16, [.bias(bias)]).kernel
    #expect(narrow.function.name.text == "linear_bf16_768x3072_bias")
  }
}
