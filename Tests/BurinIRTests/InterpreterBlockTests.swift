import Testing

@testable import BurinIR

@Suite("Values rounded in blocks, against values computed by hand")
struct InterpreterBlockTests {
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
}
