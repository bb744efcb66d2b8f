import BurinIR
import Testing

@testable import BurinC

@Suite(.enabled(if: Clang.isPresent)) struct ExpertsTests {
  static let (batch, seq) = (KernelCase.batch, KernelCase.seq)

  /// Rows times the experts that they chose; rows come from wider rows.
  static func experts(
    _ depth: Int, _ columns: Int, count: Int = 5, choices: Int = 2, perChoice: Bool = false,
    isPacked: Bool = true, in element: ElementType = .f32, of left: ElementType? = nil,
    _ epilogues: [Epilogue<Place>] = [], tile: LinearTile? = nil
  ) throws -> KernelCase {
    let leading = [batch, seq] + (perChoice ? [Dim(choices)] : [])
    let x = Place.sliced(
      TensorType(left ?? element, leading + [Dim(depth)]), from: Dim(depth + 3))
    let group = element.termsPerGroup
    let shape =
      isPacked
      ? [count * ((columns + 31) / 32), depth / group, 32] + (group > 1 ? [group] : [])
      : [depth, count * columns]
    let weight = Place(dense: TensorType(element, shape.map { Dim($0) }))
    let chosen = Place(dense: TensorType(.i32, [batch, seq, Dim(choices)]))
    var item = try KernelCase(
      .experts(
        x, chosen: chosen, weight: weight, count: count, columns: columns, epilogues: epilogues,
        tile: tile))
    item.tolerance = { _ in 16 * 0x1p-24 * 9 * Double(depth + 1) }
    // The last expert is never chosen, the first one most often.
    item.values = { operand, size in
      guard operand == 1 else { return nil }
      return (0..<size).map { Double($0 * $0 % 7 % max(1, count - 1)) }
    }
    return item
  }

  @Test func productsOfAwkwardShapes() throws {
    var cases: [KernelCase] = []
    for depth in [1, 7, 65] {
      for columns in [1, 16, 17, 32, 40, 96] {
        for isPacked in [true, false] {
          cases.append(try Self.experts(depth, columns, isPacked: isPacked))
          cases.append(try Self.experts(depth, columns, perChoice: true, isPacked: isPacked))
        }
      }
    }
    cases.append(try Self.experts(6, 33, count: 1, choices: 1))
    cases.append(try Self.experts(6, 33, count: 37, choices: 4))
    try KernelLibrary(cases).check()
  }

  @Test("bf16 with the flags", arguments: LinearTests.levels)
  func narrowProducts(flags: [String]) throws {
    var cases: [KernelCase] = []
    for columns in [17, 32, 40] {
      cases.append(try Self.experts(66, columns, in: .bf16))
      cases.append(try Self.experts(66, columns, in: .bf16, of: .f32))
      cases.append(try Self.experts(67, columns, in: .f16, of: .f32))
    }
    try KernelLibrary(cases, flags: flags).check()
  }

  @Test func epiloguesAndBlocks() throws {
    let other = Place.sliced(TensorType(.f32, [Self.batch, Self.seq, 2, 40]), from: 42)
    let bias = Place(dense: TensorType(.f32, [40]))
    var product = try Self.experts(
      5, 40, [.bias(bias), .activation(.silu), .gate(other), .residual(other), .scale(0.5)])
    product.tolerance = { 1e-4 * max(1, abs($0)) }
    let blocks = try [1, 8].map {
      try Self.experts(9, 40, tile: LinearTile(rowBlock: $0))
    }
    let even = try [8, 4096].map {
      try Self.experts(9, 40, tile: LinearTile(rowBlock: $0, isEven: true))
    }
    try KernelLibrary([product] + blocks + even).check()
  }

  @Test func largestElements() throws {
    var cases: [KernelCase] = []
    for (width, count) in [(1, 1), (5, 2), (37, 8), (6, 6)] {
      let x = Place.sliced(
        TensorType(.f32, [Self.batch, Self.seq, Dim(width)]), from: Dim(width + 2))
      var item = try KernelCase(.topK(x, count: count))
      // Many equals.
      item.values = { _, size in (0..<size).map { Double($0 * 5 % 11 % 4) } }
      item.tolerance = { _ in 0 }
      cases.append(item)
    }
    try KernelLibrary(cases).check()
  }
}
