import BurinIR
import Testing

@Suite struct InterpreterExpertsTests {
  @Test func largestElementsComeFirstAndTheFirstOfEquals() throws {
    let x = NumericArray(.f32, [2, 4], [1, 3, 3, 2, .nan, -1, .nan, -.infinity])
    let results = try interpret(.topK(x, count: 3), extents: [:])
    #expect(results[0].shape == [2, 3])
    #expect(Array(results[0].values[..<4]) == [3, 3, 2, -1])
    #expect(results[1].values == [1, 2, 3, 1, 0, 2])
  }

  /// Each row by each of its experts, or by its own.
  @Test func rowsMeetTheExpertsThatTheyChose() throws {
    let x = NumericArray(.f32, [2, 2], [1, 2, 3, 4])
    // Two weights [2, 1] side by side: (1, 10) and (100, 1000).
    let weight = NumericArray(.f32, [2, 2], [1, 100, 10, 1000])
    let chosen = NumericArray(.i32, [2, 2], [0, 1, 1, 1])
    func product(_ x: NumericArray, _ weight: NumericArray) throws -> NumericArray {
      try interpret(
        .experts(
          x, chosen: chosen, weight: weight, count: 2, columns: 1, epilogues: [.scale(0.5)],
          tile: nil), extents: [:])[0]
    }
    let result = try product(x, weight)
    #expect(result.shape == [2, 2, 1])
    #expect(result.values == [10.5, 1050, 2150, 2150])
    let own = NumericArray(.f32, [2, 2, 2], [1, 2, 1, 2, 3, 4, 0, 1])
    #expect(try product(own, weight).values == [10.5, 1050, 2150, 500])
    // Packed, each weight begins with a panel of its own.
    let panels = NumericArray(
      .f32, [2, 2, 4], [1, 0, 0, 0, 10, 0, 0, 0, 100, 0, 0, 0, 1000, 0, 0, 0])
    #expect(try product(x, panels).values == result.values)
    let unknown = NumericArray(.i32, [2, 2], [0, 1, 2, 1])
    #expect(throws: InterpreterError.self) {
      try interpret(
        .experts(
          x, chosen: unknown, weight: weight, count: 2, columns: 1, epilogues: [], tile: nil),
        extents: [:])
    }
  }

  @Test func typesFit() throws {
    var graph = Graph()
    let x = try graph.append(.input(name: "x", type: TensorType(.f32, [4, 8]), fallback: nil))
    let chosen = try graph.append(
      .input(name: "chosen", type: TensorType(.i32, [4, 2]), fallback: nil))
    let weight = try graph.append(.weight(name: "w", type: TensorType(.f32, [8, 15])))
    let product = try graph.append(
      .experts(x, chosen: chosen, weight: weight, count: 3, columns: 5, epilogues: [], tile: nil))
    #expect(graph.tensorType(product) == TensorType(.f32, [4, 2, 5]))
    for (count, columns) in [(5, 5), (3, 4), (0, 5)] {
      #expect(throws: IRError.self) {
        try graph.append(
          .experts(
            x, chosen: chosen, weight: weight, count: count, columns: columns, epilogues: [],
            tile: nil))
      }
    }
    #expect(throws: IRError.self) { try graph.append(.topK(x, count: 9)) }
    #expect(throws: IRError.self) { try graph.append(.topK(chosen, count: 1)) }
  }
}
