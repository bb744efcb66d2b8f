import Testing

@testable import BurinIR

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
