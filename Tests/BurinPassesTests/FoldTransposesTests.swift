import BurinIR
import BurinPasses
import Testing

@Suite struct FoldTransposesTests {
  private func expect(
    _ body: String, becomes after: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    func program(_ body: String) -> String {
      "program \"p\"\nsymbol batch <= 3\nsymbol seq <= 6\nentry \"forward\" {\n\(body)\n}"
    }
    try expectRewrite(
      .foldTransposes, from: program(body), to: program(after), sourceLocation: sourceLocation)
  }

  @Test func twoThatCancelAcrossAFunction() throws {
    try expect(
      """
      %0 = input("x") : f32[batch, seq, 6]
      %1 = transpose(%0, permutation: [0, 2, 1]) : f32[batch, 6, seq]
      %2 = gelu(%1) : f32[batch, 6, seq]
      %3 = scale(%2, by: 0.5) : f32[batch, 6, seq]
      %4 = transpose(%3, permutation: [0, 2, 1]) : f32[batch, seq, 6]
      output "y" = %4
      """,
      becomes: """
        %0 = input("x") : f32[batch, seq, 6]
        %1 = gelu(%0) : f32[batch, seq, 6]
        %2 = scale(%1, by: 0.5) : f32[batch, seq, 6]
        output "y" = %2
        """)
  }

  @Test func bothOperands() throws {
    try expect(
      """
      %0 = input("x") : f32[batch, seq, 6]
      %1 = input("y") : f32[batch, seq, 6]
      %2 = transpose(%0, permutation: [1, 0, 2]) : f32[seq, batch, 6]
      %3 = transpose(%1, permutation: [1, 0, 2]) : f32[seq, batch, 6]
      %4 = add(%2, %3) : f32[seq, batch, 6]
      %5 = weight("w") : f32[6]
      %6 = multiply(%5, %4) : f32[seq, batch, 6]
      %7 = softmax(%6) : f32[seq, batch, 6]
      output "y" = %7
      """,
      becomes: """
        %0 = input("x") : f32[batch, seq, 6]
        %1 = input("y") : f32[batch, seq, 6]
        %2 = add(%0, %1) : f32[batch, seq, 6]
        %3 = weight("w") : f32[6]
        %4 = multiply(%3, %2) : f32[batch, seq, 6]
        %5 = softmax(%4) : f32[batch, seq, 6]
        %6 = transpose(%5, permutation: [1, 0, 2]) : f32[seq, batch, 6]
        output "y" = %6
        """)
  }

  /// A vector along an axis that moves, and rows that would not stay rows, hold a transpose up.
  @Test func whatHoldsATransposeUp() throws {
    let body = """
      %0 = input("x") : f32[batch, seq, 6]
      %1 = transpose(%0, permutation: [0, 2, 1]) : f32[batch, 6, seq]
      %2 = input("v") : f32[seq]
      %3 = add(%1, %2) : f32[batch, 6, seq]
      %4 = transpose(%0, permutation: [2, 0, 1]) : f32[6, batch, seq]
      %5 = softmax(%4) : f32[6, batch, seq]
      output "y" = %3
      output "z" = %5
      """
    try expect(body, becomes: body)
  }

  @Test func slicesAndSums() throws {
    try expect(
      """
      %0 = input("x") : f32[batch, seq, 6]
      %1 = transpose(%0, permutation: [2, 0, 1]) : f32[6, batch, seq]
      %2 = slice(%1, axis: 0, start: 2, count: 3) : f32[3, batch, seq]
      %3 = reduce(sum, %2, axes: [0, 2]) : f32[1, batch, 1]
      output "y" = %3
      """,
      becomes: """
        %0 = input("x") : f32[batch, seq, 6]
        %1 = slice(%0, axis: 2, start: 2, count: 3) : f32[batch, seq, 3]
        %2 = reduce(sum, %1, axes: [1, 2]) : f32[batch, 1, 1]
        %3 = reshape(%2) : f32[1, batch, 1]
        output "y" = %3
        """)
  }

  @Test func acrossAReshapeThatSplits() throws {
    try expect(
      """
      %0 = input("x") : f32[batch, seq, 6]
      %1 = transpose(%0, permutation: [2, 0, 1]) : f32[6, batch, seq]
      %2 = reshape(%1) : f32[2, 3, batch, seq]
      %3 = transpose(%2, permutation: [2, 3, 0, 1]) : f32[batch, seq, 2, 3]
      output "y" = %3
      """,
      becomes: """
        %0 = input("x") : f32[batch, seq, 6]
        %1 = reshape(%0) : f32[batch, seq, 2, 3]
        output "y" = %1
        """)
  }

  /// One that another use needs anyway stays in its place.
  @Test func aSharedTransposeStays() throws {
    let body = """
      %0 = input("x") : f32[seq, 6]
      %1 = transpose(%0, permutation: [1, 0]) : f32[6, seq]
      %2 = tanh(%1) : f32[6, seq]
      output "x" = %1
      output "y" = %2
      """
    try expect(body, becomes: body)
  }
}
