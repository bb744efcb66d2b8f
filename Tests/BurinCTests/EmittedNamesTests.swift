import BurinIR
import BurinPasses
import Testing

@testable import BurinC

/// What the emitted C calls things, and that it does nothing twice.
@Suite struct EmittedNamesTests {
  /// The C of one entry, whose output is `%y`.
  private func emitted(_ nodes: String, output: String) throws -> String {
    let program = try Program(
      text: """
        program "p"
        symbol n <= 8
        entry "e" {
        \(nodes)
        output "y" = \(output)
        }
        """)
    let lowered = try Pipeline.standard(Pipeline.Options())(program)
    return try ModuleWriter.write(
      lowered, banner: Banner(passes: [], build: "clang", target: "x86-64-v3")
    ).source
  }

  @Test("a number is called by its value, several numbers by what they are")
  func constants() throws {
    let source = try emitted(
      """
      %0 = input("x") : f32[n, 3, 2, 4]
      %1 = input("places") : i32[n, 3]
      %2 = constant(-1) : i32[]
      %3 = add(%1, %2)
      %4 = constant(1, 0.25) : f32[2]
      %5 = rotary(%0, positions: %3, frequencies: %4)
      %6 = constant(0.5) : f32[]
      %7 = maximum(%5, %6)
      """, output: "%7")
    #expect(source.contains("static const int32_t constant_minus_1[1] = {-1};"))
    #expect(source.contains("static const float rotary_frequencies[2] = {1.0f, 0.25f};"))
    #expect(source.contains("static const float constant_0_5[1] = {0.5f};"))
  }

  @Test("a weight of which an operation says nothing is called as in its file")
  func weights() throws {
    let source = try emitted(
      """
      %0 = input("x") : f32[n, 3, 4]
      %1 = weight("model.embeddings.position_embeddings.weight") : f32[3, 4]
      %2 = add(%0, %1)
      %3 = weight("model.shift.bias") : f32[3, 4]
      %4 = multiply(%2, %3)
      """, output: "%4")
    #expect(source.contains("float position_embeddings_weight[16];"))
    #expect(source.contains("float shift_bias[16];"))
  }

  @Test("what two kernels want dense is copied once")
  func copies() throws {
    let source = try emitted(
      """
      %0 = input("x") : f32[n, 6, 2, 4]
      %1 = input("biases") : f32[6, 6, 2]
      %2 = transpose(%1, permutation: [2, 0, 1])
      %3 = reshape(%2) : f32[1, 2, 6, 6]
      %4 = attention(query: %0, key: %0, value: %0, scale: 1, bias: %3)
      %5 = attention(query: %4, key: %4, value: %4, scale: 1, bias: %3)
      """, output: "%5")
    let lines = source.split(separator: "\n")
    #expect(lines.count { $0.hasPrefix("    attention_2x4_bias(") } == 2, "\(source)")
    #expect(lines.count { $0.hasPrefix("    copy_") } == 1, "\(source)")
  }

  @Test("one element that is repeated fills a tensor")
  func fills() throws {
    let source = try emitted(
      """
      %0 = input("x") : i32[n, 3]
      %1 = constant(1) : i32[]
      %2 = broadcast(%1) : i32[n, 3]
      %3 = input("mask", fallback: %2) : i32[n, 3]
      %4 = add(%0, %3)
      """, output: "%4")
    #expect(source.contains("// fill(i32[n, 3]) : i32[n, 3]"))
    #expect(source.contains("const int32_t *restrict x,  // one element"), "\(source)")
    #expect(source.contains("constant_1, default_mask);"))
  }
}
