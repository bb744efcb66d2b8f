import BurinIR
import BurinTestSupport
import Testing

@testable import Burin
@testable import BurinC

/// Weights of four bits, read back from the bytes that stand in a library.
@Suite struct FourBitWeightTests {
  private static let (rows, terms) = (64, 256)

  /// The interpreter and the writer search for scales by themselves, and find the same.
  @Test("loses a twentieth less than llama.cpp does, and what the interpreter loses")
  func losesLess() throws {
    let exact = FourBits.normal(Self.rows * Self.terms, seed: 1)
    var graph = Graph()
    let type = TensorType(.f32, [Dim(Self.rows), Dim(Self.terms)])
    let weight = try graph.append(.weight(name: "w", type: type))
    let rounded = try graph.append(.cast(weight, to: .w4))
    let columns = try graph.append(.transpose(rounded, permutation: [1, 0]))
    let packed = try graph.append(.pack(columns, width: 32))
    var layout = WeightLayout()
    _ = try layout.add(packed, of: graph, role: "w")
    let source = WeightTable(["w": ([Self.rows, Self.terms], exact)])
    var written: [UInt8] = []
    try WeightWriter(layout, source: source).run { written += $0 }
    try #require(written.count == Self.rows * Self.terms / 32 * ElementType.w4.blockBytes)

    let found = unpacked(written)
    let ours = FourBits.error(of: found, from: exact)
    let theirs = FourBits.error(of: FourBits.roundedByLlama(exact), from: exact)
    #expect(ours < 0.95 * theirs, "\(ours) and \(theirs)")
    let matrix = NumericArray([Self.rows, Self.terms], floats: exact)
    let expected = try interpret(.cast(matrix, to: .w4), extents: [:])[0].values
    let farthest = zip(found, expected).reduce(0) { max($0, abs($1.0 - $1.1)) }
    #expect(farthest < 1e-12, "\(farthest)")
  }

  /// The matrix in panels of 32 rows. A panel has for every 32 terms the rows' scales, of f16, and
  /// then for every eight terms four bytes of a row: their lower halves are the first four terms,
  /// their upper ones the others, all 8 too large.
  private func unpacked(_ bytes: [UInt8]) -> [Double] {
    var values: [Double] = []
    for row in 0..<Self.rows {
      let (panel, place) = (row / 32, row % 32)
      for start in stride(from: 0, to: Self.terms, by: 32) {
        let block = bytes[((panel * Self.terms + start) / 32 * 32 * ElementType.w4.blockBytes)...]
        let scales = block.startIndex + 2 * place
        let bits = UInt16(block[scales]) | UInt16(block[scales + 1]) << 8
        let scale = Double(Float16(bitPattern: bits))
        let multiples = (0..<32).map { term -> Double in
          let pair = block[block.startIndex + 64 + term / 8 * 128 + place * 4 + term % 4]
          return Double(term / 4 % 2 == 0 ? pair & 15 : pair >> 4) - 8
        }
        values += turned(multiples).map { $0 * scale / 32 }
      }
    }
    return values
  }

  /// A block times the Hadamard matrix.
  private func turned(_ block: [Double]) -> [Double] {
    block.indices.map { row in
      block.indices.reduce(0) { sum, column in
        (row & column).nonzeroBitCount % 2 == 0 ? sum + block[column] : sum - block[column]
      }
    }
  }
}
