import Testing

@testable import BurinIR

@Suite("Positions, tables and what moves, against values computed by hand")
struct InterpreterMovingTests {
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
