import BurinTestSupport
import Testing

@testable import BurinIR

private let batch = Dim(Symbol("batch", maximum: 4))

private func entry(
  _ name: String = "forward", _ build: (inout Graph) throws -> NodeID
) throws -> Entry {
  var graph = Graph()
  let output = try build(&graph)
  return Entry(name, graph: graph, outputs: [.init("out", output)])
}

private func input(_ shape: Dim..., name: String = "x", fallback: NodeID? = nil) -> Op<NodeID> {
  .input(name: name, type: TensorType(.f32, shape), fallback: fallback)
}

private func refusal(_ entries: Entry...) -> String? {
  do {
    try verify(Program("p", entries: entries))
    return nil
  } catch { return error.description }
}

@Suite("The verifier")
struct VerifierTests {
  @Test func acceptsWhatIsRight() throws {
    try verify(everyOperation())
    #expect(refusal() == nil)
  }

  @Test func namesMeanOneThing() throws {
    let first = try entry { try $0.append(.weight(name: "w", type: TensorType(.f32, [2]))) }
    let second = try entry("other") {
      try $0.append(.weight(name: "w", type: TensorType(.f32, [3])))
    }
    #expect(refusal(first, second) == "weight \"w\" is f32[2] and f32[3]")
    #expect(refusal(first, first) == "two entries are named \"forward\"")
    let wide = try entry { try $0.append(input(batch)) }
    let narrow = try entry("other") { try $0.append(input(Dim(Symbol("batch", maximum: 5)))) }
    #expect(refusal(wide, narrow) == "the symbol batch has the bounds 4 and 5")
    let odd = try entry { try $0.append(input(Dim(Symbol("a b", maximum: 5)))) }
    #expect(
      refusal(odd) == "the symbol \"a b\" is not made of letters, digits and underscores")
    let twice = try entry {
      _ = try $0.append(input(2))
      return try $0.append(input(3))
    }
    #expect(refusal(twice) == "entry \"forward\": two inputs are named \"x\"")
    var outputs = first
    outputs.outputs.append(.init("out", outputs.outputs[0].value))
    #expect(refusal(outputs) == "entry \"forward\": two outputs are named \"out\"")
  }

  /// Optional inputs that are as large as each other, or as one that comes later, have no size where
  /// both are left out.
  @Test func extentsOfAbsentInputsAreFound() throws {
    func program(_ order: [(name: String, own: String, other: String)]) -> String? {
      let nodes = order.enumerated().map { number, input in
        """
        %\(2 * number) = iota(axis: 0) : f32[\(input.other)]
        %\(2 * number + 1) = input("\(input.name)", fallback: %\(2 * number)) : f32[\(input.own)]

        """
      }
      do {
        _ = try Program(
          text: """
            program "p"
            symbol a <= 4
            symbol b <= 4
            symbol c <= 4
            entry "e" {
            \(nodes.joined())%9 = input("last") : f32[c]
            output "y" = %1
            }
            """)
        return nil
      } catch { return error.description }
    }
    func refusal(_ input: String, _ symbol: String, _ other: String) -> String {
      "entry \"e\": input \"\(input)\": where it is left out, \(symbol) is as large as \(other), "
        + "which no required input, state or input before it gives a value"
    }
    #expect(program([("x", "a", "b"), ("y", "b", "a")]) == refusal("x", "a", "b"))
    #expect(program([("x", "a", "b"), ("y", "b", "c")]) == refusal("x", "a", "b"))
    #expect(program([("y", "b", "c"), ("x", "a", "b")]) == nil)
    #expect(program([("x", "a", "a")])?.contains("no required input or state has a") == true)
  }

  @Test func symbolsAreBound() throws {
    let doubled = try entry { try $0.append(input(batch * 2)) }
    #expect(
      refusal(doubled)
        == "entry \"forward\": %0: no required input or state has batch as an axis of its own")
    let optional = try entry {
      let zero = try $0.append(.constant(Literal(TensorType(.f32, [1]), [0])))
      let zeros = try $0.append(.broadcast(zero, [batch]))
      return try $0.append(input(batch, fallback: zeros))
    }
    #expect(
      refusal(optional)
        == "entry \"forward\": %1: no required input or state has batch as an axis of its own")
    let state = try entry {
      try $0.append(.state(name: "s", type: TensorType(.f32, [batch])))
    }
    #expect(refusal(state) == nil)
    let start = try entry {
      _ = try $0.append(input(8))
      return try $0.append(.extent(batch))
    }
    #expect(refusal(start) != nil)
  }

  @Test func interfacesAreBounded() throws {
    let states = try entry { graph in
      for number in 0...1 << 16 {
        _ = try graph.append(.state(name: "\(number)", type: TensorType(.f32, [1])))
      }
      return try graph.append(input(2))
    }
    #expect(refusal(states) == "65537 states, expected at most 65536")
    let inputs = try entry { graph in
      for number in 0..<1 << 16 { _ = try graph.append(input(1, name: "\(number)")) }
      return try graph.append(input(2))
    }
    #expect(refusal(inputs) == "entry \"forward\": 65537 inputs, expected at most 65536")
  }

  @Test func rootsAreTensorsThatExist() throws {
    var missing = try entry { try $0.append(input(2)) }
    missing.outputs[0].value = NodeID(7)
    #expect(refusal(missing) == "entry \"forward\": output \"out\": there is no %7")
    let tuple = try entry {
      let x = try $0.append(input(2))
      return try $0.append(
        .addNorm(x, residual: x, Norm(.rms, scale: nil, bias: nil, epsilon: 0)))
    }
    #expect(
      refusal(tuple)
        == "entry \"forward\": output \"out\": %1 is the tuple (f32[2], f32[2]), expected a tensor")
    var unread = try entry { try $0.append(input(2)) }
    unread.successors = [.init("s", unread.outputs[0].value)]
    #expect(refusal(unread) == "entry \"forward\": successor \"s\": no entry reads this state")
    let reader = try entry("reader") {
      try $0.append(.state(name: "s", type: TensorType(.f32, [3])))
    }
    #expect(
      refusal(unread, reader)
        == "entry \"forward\": successor \"s\" is a f32[2], expected f32[3]")
    unread.successors.append(unread.successors[0])
    #expect(refusal(unread, reader) == "entry \"forward\": two successors for the state \"s\"")
  }

  @Test func graphsMergeCommonSubexpressions() throws {
    var graph = Graph()
    let x = try graph.append(input(2))
    let y = try graph.append(.unary(.exp, x), scope: "first")
    #expect(try graph.append(.unary(.exp, x), scope: "second") == y)
    #expect(graph.nodes.count == 2)
    #expect(throws: IRError("%9 is not a node of this graph")) {
      try graph.append(.unary(.exp, NodeID(9)))
    }
  }
}
