import Testing

@testable import BurinIR

@Suite("Products, against values computed by hand")
struct InterpreterProductTests {
  @Test func products() throws {
    let x = array([2, 3], [1, 2, 3, 4, 5, 6])
    let y = array([3, 2], [1, 0, 2, 1, 0, 3])
    try expect(.matmul(x, y), gives: [2, 2], [5, 11, 14, 23])
    // Leading axes: the same right side for all, or one each.
    let stack = array([2, 1, 2], [1, 2, 3, 4])
    try expect(.matmul(stack, array([2, 1], [1, 10])), gives: [2, 1, 1], [21, 43])
    try expect(
      .matmul(stack, array([2, 2, 1], [1, 10, 100, 1000])), gives: [2, 1, 1], [21, 4300])
  }

  @Test func linearWithEpiloguesInOrder() throws {
    let x = array([2, 2], [1, 2, 3, 4])
    let weight = array([2, 3], [1, 0, -1, 0, 1, -1])  // products: 1 2 -3, 3 4 -7
    func linear(_ weight: NumericArray, _ epilogues: [Epilogue<NumericArray>]) -> Op<NumericArray> {
      .linear(x, weight: weight, columns: 3, epilogues: epilogues, tile: nil)
    }
    try expect(linear(weight, []), gives: [2, 3], [1, 2, -3, 3, 4, -7])
    let bias = array([3], [0, -3, 4])
    let other = array([2, 3], [1, 2, 3, 4, 5, 6])
    try expect(
      linear(weight, [.bias(bias), .activation(.relu), .residual(other)]), gives: [2, 3],
      [2, 2, 4, 7, 6, 6])
    try expect(
      linear(weight, [.residual(other), .scale(2), .gate(other)]), gives: [2, 3],
      [4, 16, 0, 56, 90, -12])
    // Packed into panels of two columns, the last one padded.
    let packed = try interpret(.pack(weight, width: 2), extents: [:])[0]
    #expect(packed.shape == [2, 2, 2])
    #expect(packed.values == [1, 0, 0, 1, -1, 0, -1, 0])
    try expect(linear(packed, []), gives: [2, 3], [1, 2, -3, 3, 4, -7])
  }

  /// Pairs of terms lie side by side, the last one filled up; sums are f32.
  @Test func linearOfPairs() throws {
    let x = NumericArray(.bf16, [1, 3], [1, 2, 4])
    let weight = NumericArray(.bf16, [3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9])
    let packed = try interpret(.pack(weight, width: 2), extents: [:])[0]
    #expect(packed.shape == [2, 2, 2, 2])
    #expect(packed.values == [1, 4, 2, 5, 7, 0, 8, 0, 3, 6, 0, 0, 9, 0, 0, 0])
    for factor in [weight, packed] {
      let product = try interpret(
        .linear(x, weight: factor, columns: 3, epilogues: [.scale(0.5)], tile: nil), extents: [:])
      #expect(product == [NumericArray(.f32, [1, 3], [18.5, 22, 25.5])])
    }
  }
}
