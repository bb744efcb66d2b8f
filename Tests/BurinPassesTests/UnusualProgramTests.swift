import BurinIR
import BurinPasses
import Testing

/// Programs that nobody would write, and that rules must leave alone or keep right.
@Suite("Passes on unusual programs") struct UnusualProgramTests {
  @Test(
    "every pass keeps what it computes",
    arguments: [
      // A literal of one value, sliced to an extent that is not known.
      """
      %0 = input("x") : f32[n]
      %1 = constant(2) : f32[8]
      %2 = slice(%1, axis: 0, start: 0, count: n)
      %3 = add(%0, %2)
      """,
      // The 1 of a silu has more axes than its x.
      """
      %0 = input("x") : f32[4]
      %1 = constant(1) : f32[5, 1]
      %2 = negate(%0)
      %4 = exp(%2)
      %5 = add(%1, %4)
      %3 = divide(%0, %5)
      """,
      // Something follows a product that is rounded.
      """
      %0 = input("x") : f32[n, 4]
      %1 = weight("w") : f32[4, 6]
      %2 = linear(%0, weight: %1, cast: bf16, columns: 6)
      %4 = scale(%2, by: 2)
      %5 = relu(%4)
      %3 = cast(%5, to: f32)
      """,
      // Norms of rows that are one number, scaled by many.
      """
      %0 = input("x") : f32[n, 1]
      %1 = weight("w") : f32[6]
      %2 = norm(%0, layer, epsilon: 0.5)
      %4 = multiply(%2, %1)
      %3 = add(%4, %1)
      """,
      // A sum that is normalised, and scales another normalisation, or its own.
      """
      %0 = input("x") : f32[6]
      %1 = input("y") : f32[6]
      %2 = add(%0, %1)
      %4 = norm(%0, rms, scale: %2, epsilon: 0.5)
      %5 = tanh(%2)
      %6 = norm(%2, rms, scale: %5, epsilon: 0.5)
      %3 = add(%4, %6)
      """,
      // Projections by weights of two types, and by one that follows from another.
      """
      %0 = input("x") : f32[1, 4, 4]
      %1 = weight("w") : f32[4, 4]
      %2 = cast(%1, to: bf16)
      %4 = linear(%0, weight: %1, columns: 4)
      %5 = linear(%0, weight: %2, columns: 4)
      %6 = reshape(%4) : f32[4, 4]
      %7 = linear(%0, weight: %6, columns: 4)
      %8 = reshape(%4) : f32[1, 4, 2, 2]
      %9 = reshape(%5) : f32[1, 4, 2, 2]
      %10 = reshape(%7) : f32[1, 4, 2, 2]
      %3 = attention(query: %8, key: %9, value: %10, scale: 0.5)
      """,
      // Integers that saturate as floats.
      """
      %0 = input("x") : i32[n]
      %1 = constant(-100) : i32[]
      %2 = add(%0, %1)
      %4 = cast(%2, to: i8)
      %5 = cast(%4, to: f32)
      %6 = cast(%5, to: u8)
      %3 = cast(%6, to: f32)
      """,
      // Positions that a narrow type does not hold are no mask.
      """
      %0 = input("x") : f32[1, 1, 2, 4]
      %1 = weight("k") : f32[300, 4]
      %2 = broadcast(%1) : f32[1, 1, 300, 4]
      %4 = transpose(%2, permutation: [0, 1, 3, 2])
      %5 = matmul(%0, %4)
      %6 = iota(axis: 1) : i32[2, 300]
      %7 = cast(%6, to: i8)
      %8 = iota(axis: 0) : i8[2, 300]
      %9 = less_or_equal(%7, %8)
      %10 = constant(-inf) : f32[]
      %11 = select(%9, then: %5, otherwise: %10)
      %12 = softmax(%11)
      %3 = matmul(%12, %2)
      """,
    ])
  func preserves(nodes: String) throws {
    let program = try Program(
      text: "program \"p\"\nsymbol n <= 8\nentry \"e\" {\n\(nodes)\noutput \"y\" = %3\n}\n")
    try checked(program, extents: ["n": 5])
  }

  /// A state belongs to the interface, as an input does: it is read back and replaced, and says how
  /// large the call is, even where nothing needs the node that reads it.
  @Test(
    "states stay when their readers go",
    arguments: [
      // A successor of a state that only dead code reads.
      """
      %0 = input("x") : f32[n]
      %1 = state("memory") : f32[n]
      %2 = tanh(%1)
      %3 = relu(%0)
      output "y" = %3
      successor "memory" = %3
      """,
      // An extent that only such a state has.
      """
      %0 = input("x") : f32[2]
      %1 = state("memory") : f32[n]
      %2 = tanh(%1)
      %3 = iota(axis: 0) : f32[n]
      output "y" = %3
      """,
      // A cache whose only append falls away.
      """
      %0 = input("x") : f32[n, 1, 2, 4]
      %1 = state("cache") : f32[n, w, 2, 4]
      %2 = state("lengths") : i32[n]
      %4 = append(%1, values: %0, start: %2, counts: %2)
      %3 = tanh(%0)
      output "y" = %3
      successor "cache" = %1
      """,
    ])
  func keepsStates(body: String) throws {
    let program = try Program(
      text: "program \"p\"\nsymbol n <= 8\nsymbol w <= 64\nentry \"e\" {\n\(body)\n}\n")
    let result = try checked(program, extents: ["n": 5, "w": 6])
    #expect(result.states.map(\.name) == program.states.map(\.name))
  }

  /// Each value stands in the next two: written out, the last one has two million parts.
  @Test func sharedPartsStayShared() throws {
    var nodes = "%0 = input(\"x\") : f32[n, 1]\n%1 = tanh(%0)\n"
    for number in 2...30 {
      nodes += "%\(number) = concat([%\(number - 2), %\(number - 1)], axis: 1)\n"
    }
    let program = try Program(
      text: "program \"p\"\nsymbol n <= 8\nentry \"e\" {\n\(nodes)output \"y\" = %30\n}\n")
    let result = try Pipeline.standard(Pipeline.Options())(program)
    #expect(result.entries[0].graph.nodes.allSatisfy { $0.op.operands.count <= 256 })
  }

  /// A matrix that is computed in the call is no weight, and stays as it is.
  @Test func productsByWhatIsNotKnown() throws {
    let text = """
      program "p"
      entry "e" {
      %0 = input("x") : f32[3, 32]
      %1 = input("w") : f32[32, 40]
      %2 = linear(%0, weight: %1, columns: 40)
      output "y" = %2
      }
      """
    for precision in Precision.allCases {
      let options = Pipeline.Options(precision: precision)
      let lowered = try Pipeline.standard(options)(try Program(text: text))
      #expect(!lowered.text.contains("pack(") && !lowered.text.contains("cast("))
    }
  }
}
