import BurinIR
import BurinPasses
import BurinTestSupport
import Testing

@Suite struct ExpertsTests {
  private static let (batch, seq) = (
    Dim(Symbol("batch", maximum: 4)), Dim(Symbol("seq", maximum: 8))
  )

  /// A gated network of three experts, of which a router chooses two.
  private func mixture(_ hidden: Int, _ inner: Int) -> Program {
    let b = Builder()
    let x = b.linear(b.input("x", [Self.batch, Self.seq, Dim(hidden)]), Dim(hidden))
    let scores = b.append(.softmax(b.linear(x, 3, bias: false).id))
    let best = b.append(.topK(scores.id, count: 2))
    let chosen = b.append(.part(best.id, 1))
    func product(_ x: T, _ inputs: Int, _ outputs: Int) -> T {
      let all = (0..<3).map { _ in b.weight([Dim(outputs), Dim(inputs)]) }
      return b.append(
        .experts(
          x.id, chosen: chosen.id, weight: b.concat(all, axis: 0).transposed([1, 0]).id, count: 3,
          columns: outputs, epilogues: [], tile: nil))
    }
    let gate = b.append(.unary(.silu, product(x, hidden, inner).id))
    let outer = product(gate * product(x, hidden, inner), inner, hidden)
    let weights = b.append(.reshape(b.append(.part(best.id, 0)).id, [Self.batch, Self.seq, 1, 2]))
    return b.program(weights.matmul(outer))
  }

  @Test(arguments: [(6, 5), (32, 64), (33, 31)])
  func theyEndInEpiloguesAndLieInPanels(sizes: (Int, Int)) throws {
    let program = try checked(mixture(sizes.0, sizes.1))
    let operations = program.entries[0].graph.nodes.compactMap { node -> [Epilogue<NodeID>]? in
      guard case .experts(_, _, let weight, _, _, let epilogues, let tile) = node.op else {
        return nil
      }
      #expect(tile != nil)
      guard case .pack = program.entries[0].graph[weight].op else { return nil }
      return epilogues
    }
    #expect(operations.map(\.count).sorted() == [0, 1, 1])
    #expect(try Program(text: program.text).text == program.text)
  }

  @Test(arguments: [Precision.bf16, .int8, .int4])
  func theirWeightsAreRoundedAndTheirRouterIsNot(precision: Precision) throws {
    let pipeline = Pipeline.standard(Pipeline.Options(precision: precision))
    let graph = try pipeline(mixture(32, 33 * 32)).entries[0].graph
    let narrow: ElementType = precision == .bf16 ? .bf16 : precision == .int8 ? .w8 : .w4
    for node in graph.nodes {
      switch node.op {
      case .experts(_, _, let weight, _, _, _, _):
        #expect(graph.tensorType(weight).element == narrow)
      case .linear(_, let weight, let columns, _, _):
        // The router, and the first product.
        #expect(columns == 3 || columns == 32)
        let isExact = columns == 3 || precision == .bf16
        #expect(graph.tensorType(weight).element == (isExact ? .f32 : .w8))
      default: break
      }
    }
  }
}
