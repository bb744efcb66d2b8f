import BurinTestSupport
import Testing

@testable import BurinIR

/// What it is worth to search for the scale of a block of four bits.
@Suite struct FourBitTests {
  /// q4_0 takes 0.085 to 0.087 off such numbers, w4 0.080 to 0.081.
  @Test("loses a twentieth less than llama.cpp does", arguments: [UInt64(1), 2, 3])
  func losesLess(seed: UInt64) throws {
    let exact = FourBits.normal(64 * 256, seed: seed)
    let matrix = NumericArray([64, 256], floats: exact)
    let rounded = try interpret(.cast(matrix, to: .w4), extents: [:])[0]
    let ours = FourBits.error(of: rounded.values, from: exact)
    let theirs = FourBits.error(of: FourBits.roundedByLlama(exact), from: exact)
    #expect(ours < 0.95 * theirs, "\(ours) and \(theirs)")
  }
}
