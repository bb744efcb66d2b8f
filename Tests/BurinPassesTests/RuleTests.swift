import BurinIR
import BurinPasses
import Testing

private let batch = Dim(Symbol("batch", maximum: 4))

@Suite struct RuleTests {
  private func program() -> Program {
    let b = Builder()
    return b.program(b.input("x", [batch, 6]).unary(.tanh).unary(.exp))
  }

  @Test func aRuleThatChangesTheTypeIsNamed() throws {
    let bad = Pass(
      "bad",
      rules: [
        Rule("forget-rows") { root in
          guard case .unary(.exp, let x) = root.op else { return nil }
          return .node(.reduce(.sum, x, axes: [1]))
        }
      ])
    let error = #expect(throws: IRError.self) { try bad(program()) }
    #expect(error?.description.hasPrefix("the rule forget-rows at %2: gives f32[batch, 1]") == true)
  }

  @Test func aRuleThatBitesItsTailIsNamed() throws {
    let bad = Pass(
      "bad",
      rules: [
        Rule("circle") { root in
          guard case .unary(.tanh, _) = root.op else { return nil }
          return .old(root.users[0])
        }
      ])
    let error = #expect(throws: IRError.self) { try bad(program()) }
    #expect(error?.description.contains("depends on %1 itself") == true)
  }

  @Test func aRuleThatNeverEndsIsStopped() throws {
    let swap = Pass(
      "swap",
      rules: [
        Rule("negate-twice") { root in
          guard case .unary(.exp, let x) = root.op else { return nil }
          return .new(.unary(.exp, .new(.unary(.negate, .node(.unary(.negate, x))))))
        }
      ])
    #expect(try checked(swap, program()).operations.count == 2 + 2 * 64)
  }
}
