import Testing

@testable import Burin

/// The buckets of T5 against those that torch computes.
@Suite struct RelativePositionsTests {
  @Test("distances fall into torch's buckets")
  func buckets() {
    let table = Embedding(32, 1, Weights("biases"))
    let both = RelativePositions(table: table, buckets: 32, farthest: 128, isBidirectional: true)
    // 0 to 128 positions before the query, recorded from transformers' `_relative_position_bucket`.
    let expected =
      [
        (0, 1), (1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 1), (7, 1), (8, 4), (9, 4), (10, 7),
        (11, 9), (12, 14), (13, 18), (14, 27), (15, 38),
      ].flatMap { Array(repeating: $0.0, count: $0.1) }
    #expect(both.bucketsByDistance.prefix(129).reversed() == expected)
    #expect(both.bucketsByDistance.suffix(128) == expected.dropFirst().map { $0 + 16 })
    let past = RelativePositions(table: table, buckets: 32, farthest: 128, isBidirectional: false)
    let causal =
      [
        (0, 1), (1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 1), (7, 1), (8, 1), (9, 1), (10, 1),
        (11, 1), (12, 1), (13, 1), (14, 1), (15, 1), (16, 3), (17, 2), (18, 3), (19, 3), (20, 4),
        (21, 4), (22, 5), (23, 6), (24, 6), (25, 7), (26, 8), (27, 10), (28, 10), (29, 12),
        (30, 14), (31, 16),
      ].flatMap { Array(repeating: $0.0, count: $0.1) }
    #expect(past.bucketsByDistance.prefix(129).reversed() == causal)
    #expect(past.bucketsByDistance.suffix(128).allSatisfy { $0 == 0 })
  }
}
