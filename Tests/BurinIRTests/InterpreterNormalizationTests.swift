import Testing

@testable import BurinIR

@Suite("Operations along axes, against values computed by hand")
struct InterpreterNormalizationTests {
  @Test func softmax() throws {
    let e = 2.718281828459045
    try expect(
      .softmax(array([3, 2], [0, 1, -inf, -inf, 1000, -inf])), gives: [3, 2],
      [1 / (1 + e), e / (1 + e), 0, 0, 1, 0])
  }

  @Test func norms() throws {
    let x = array([2, 2], [1, 3, -2, 2])
    try expect(
      .norm(x, Norm(.layer, scale: nil, bias: nil, epsilon: 0)), gives: [2, 2], [-1, 1, -1, 1])
    try expect(
      .norm(x, Norm(.layer, scale: array([2], [2, 3]), bias: array([2], [10, 20]), epsilon: 3)),
      gives: [2, 2], [9, 21.5, 10 - 4 / 7.0.squareRoot(), 20 + 6 / 7.0.squareRoot()])
    try expect(
      .norm(x, Norm(.rms, scale: nil, bias: nil, epsilon: 4)), gives: [2, 2],
      [1.0 / 3, 1, -2 / 8.0.squareRoot(), 2 / 8.0.squareRoot()])
    let both = try interpret(
      .addNorm(
        x, residual: array([2, 2], [1, 1, 0, 4]), Norm(.layer, scale: nil, bias: nil, epsilon: 0)),
      extents: [:])
    #expect(both.map(\.values) == [[2, 4, -2, 6], [-1, 1, -1, 1]])
    let third = Norm(.layer, scale: array([2], [1 / 3.0, 1]), bias: nil, epsilon: 0, cast: .bf16)
    let rounded = [-0.333984375, 1, -0.333984375, 1]
    try expect(.norm(x, third), gives: [2, 2], rounded, .bf16)
    let pair = try interpret(.normAndCast(x, third), extents: [:])
    #expect(pair.map(\.element) == [.f32, .bf16])
    #expect(pair.map(\.values) == [[-1 / 3.0, 1, -1 / 3.0, 1], rounded])
  }

  @Test func reductions() throws {
    let x = array([2, 3], [1, 2, 3, 6, 5, 4])
    try expect(.reduce(.sum, x, axes: [1]), gives: [2, 1], [6, 15])
    try expect(.reduce(.mean, x, axes: [0]), gives: [1, 3], [3.5, 3.5, 3.5])
    try expect(.reduce(.maximum, x, axes: [0, 1]), gives: [1, 1], [6])
    try expect(.reduce(.sum, x, axes: []), gives: [2, 3], x.values)
    try expect(.reduce(.mean, array([2], [1, 2], .i32), axes: [0]), gives: [1], [1], .i32)
    try expect(.cumulativeSum(x, axis: 1), gives: [2, 3], [1, 3, 6, 6, 11, 15])
    try expect(.cumulativeSum(x, axis: 0), gives: [2, 3], [1, 2, 3, 7, 7, 7])
  }
}
