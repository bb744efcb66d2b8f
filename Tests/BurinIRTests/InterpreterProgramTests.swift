import Testing

@testable import BurinIR

private let batch = Dim(Symbol("batch", maximum: 4))
private let seq = Dim(Symbol("seq", maximum: 8))

/// A counter of tokens with an optional mask: `total += sum(ids * mask)`.
private func counter() throws -> Program {
  var graph = Graph()
  let ids = try graph.append(
    .input(name: "ids", type: TensorType(.i32, [batch, seq]), fallback: nil))
  let one = try graph.append(.constant(Literal(TensorType(.i32, []), [1])))
  let ones = try graph.append(.broadcast(one, [batch, seq]))
  let mask = try graph.append(
    .input(name: "mask", type: TensorType(.i32, [batch, seq]), fallback: ones))
  let total = try graph.append(.state(name: "total", type: TensorType(.i32, [batch, 1])))
  let product = try graph.append(.binary(.multiply, ids, mask))
  let sum = try graph.append(.reduce(.sum, product, axes: [1]))
  let next = try graph.append(.binary(.add, total, sum))
  return Program(
    "counter",
    entries: [
      Entry(
        "step", graph: graph, outputs: [.init("sum", sum)], successors: [.init("total", next)])
    ])
}

/// `y = sum(target)`, where the target of an absent input is the source.
private func shifted() throws -> Program {
  let target = Dim(Symbol("target", maximum: 6))
  var graph = Graph()
  let source = try graph.append(
    .input(name: "source", type: TensorType(.i32, [batch, seq]), fallback: nil))
  let ids = try graph.append(
    .input(name: "ids", type: TensorType(.i32, [batch, target]), fallback: source))
  let one = try graph.append(.constant(Literal(TensorType(.i32, []), [1])))
  let ones = try graph.append(.broadcast(one, [batch, target]))
  let mask = try graph.append(
    .input(name: "mask", type: TensorType(.i32, [batch, target]), fallback: ones))
  let product = try graph.append(.binary(.multiply, ids, mask))
  let sum = try graph.append(.reduce(.sum, product, axes: [1]))
  return Program("shifted", entries: [Entry("forward", graph: graph, outputs: [.init("y", sum)])])
}

@Suite("Programs in the interpreter")
struct InterpreterProgramTests {
  @Test func symbolsOfAbsentInputs() throws {
    let program = try shifted()
    try verify(program)
    let interpreter = Interpreter(program)
    func y(_ inputs: [String: NumericArray]) throws -> [Double]? {
      try interpreter.run("forward", inputs: inputs)["y"]?.values
    }
    #expect(try y(["source": ids]) == [6, 15])
    let short = NumericArray(.i32, [2, 2], [1, 0, 0, 1])
    #expect(try y(["source": ids, "ids": short]) == [1, 1])
    #expect(try y(["source": ids, "ids": short, "mask": short]) == [1, 1])
    #expect(throws: InterpreterError.self) { try y(["source": ids, "mask": short]) }
    let long = NumericArray(.i32, [1, 7], repeating: 1)
    #expect(throws: InterpreterError.self) { try y(["source": long]) }
    #expect(try Program(text: program.text).text == program.text)
    var other = Graph()
    let x = try other.append(.input(name: "x", type: TensorType(.f32, [seq, 2]), fallback: nil))
    #expect(throws: IRError.self) {
      try other.append(.input(name: "y", type: TensorType(.f32, [seq, 3]), fallback: x))
    }
  }

  private let ids = NumericArray(.i32, [2, 3], [1, 2, 3, 4, 5, 6])

  @Test func optionalInputsAndStates() throws {
    let interpreter = Interpreter(try counter())
    var states: [String: NumericArray] = [:]
    let noWeights = { (name: String) throws -> NumericArray in throw InterpreterError(name) }
    let first = try interpreter.run(
      "step", inputs: ["ids": ids], weights: noWeights, states: &states)
    #expect(first["sum"]?.values == [6, 15])
    #expect(states["total"]?.values == [6, 15])
    let mask = NumericArray(.i32, [2, 3], [1, 0, 0, 0, 0, 1])
    let second = try interpreter.run(
      "step", inputs: ["ids": ids, "mask": mask], weights: noWeights, states: &states)
    #expect(second["sum"]?.values == [1, 6])
    #expect(states["total"]?.values == [7, 21])
  }

  @Test(arguments: [
    (["mask": NumericArray(.i32, [2, 3], repeating: 1)], "input ids is missing"),
    (
      ["ids": NumericArray(.i32, [2, 9], repeating: 1)], "input ids: seq is 9, expected 1 to 8"
    ),
    (
      ["ids": NumericArray(.i32, [2], repeating: 1)],
      "input ids: expected i32[batch, seq], found the shape [2]"
    ),
    (
      [
        "ids": NumericArray(.i32, [2, 3], repeating: 1),
        "mask": NumericArray(.i32, [2, 2], repeating: 1),
      ], "input mask: expected i32[2, 3], found i32[2, 2]"
    ),
    (
      ["ids": NumericArray(.f32, [2, 3], repeating: 1)],
      "input ids: expected i32[2, 3], found f32[2, 3]"
    ),
    (["ids": NumericArray(.i32, [2, 3], repeating: 0.5)], "input ids: 0.5 is no i32"),
    (["ids": NumericArray(.i32, [2, 3], repeating: .nan)], "input ids: nan is no i32"),
    (["idz": NumericArray(.i32, [2, 3], repeating: 1)], "step has no input idz"),
  ])
  func wrongInputs(inputs: [String: NumericArray], message: String) throws {
    let interpreter = Interpreter(try counter())
    #expect(throws: InterpreterError(message)) { try interpreter.run("step", inputs: inputs) }
  }

  @Test func wrongStatesEntriesAndWeights() throws {
    let interpreter = Interpreter(try counter())
    var states = ["total": NumericArray(.i32, [3, 1], repeating: 0)]
    #expect(throws: InterpreterError("state total: expected i32[2, 1], found i32[3, 1]")) {
      try interpreter.run(
        "step", inputs: ["ids": ids], weights: { throw InterpreterError($0) }, states: &states)
    }
    #expect(throws: InterpreterError("no entry go; there are step")) {
      try interpreter.run("go", inputs: [:])
    }
    var graph = Graph()
    let weight = try graph.append(.weight(name: "w", type: TensorType(.f32, [2])))
    _ = try graph.append(.weight(name: "unused", type: TensorType(.f32, [2])))
    let program = Program(
      "w", entries: [Entry("forward", graph: graph, outputs: [.init("w", weight)])])
    #expect(throws: InterpreterError("no weight w")) {
      try Interpreter(program).run("forward", inputs: [:])
    }
    #expect(throws: InterpreterError("weight w: expected f32[2], found f32[3]")) {
      try Interpreter(program).run(
        "forward", inputs: [:], weights: { _ in NumericArray(.f32, [3], repeating: 0) })
    }
    // A weight that nothing needs is not asked for.
    let outputs = try Interpreter(program).run(
      "forward", inputs: [:],
      weights: { name in
        guard name == "w" else { throw InterpreterError(name) }
        return NumericArray(.f32, [2], [3, 4])
      })
    #expect(outputs["w"]?.values == [3, 4])
  }

  @Test func tuplesAndMillionsOfTerms() throws {
    var graph = Graph()
    let x = try graph.append(
      .input(name: "x", type: TensorType(.f32, [batch, 256]), fallback: nil))
    let w = try graph.append(.weight(name: "w", type: TensorType(.f32, [256, 256])))
    var y = x
    for _ in 0..<20 {
      y = try graph.append(
        .linear(y, weight: w, columns: 256, epilogues: [.scale(0.99)], tile: nil))
    }
    let both = try graph.append(
      .addNorm(y, residual: x, Norm(.rms, scale: nil, bias: nil, epsilon: 0)))
    let sum = try graph.append(.part(both, 0))
    let norm = try graph.append(.part(both, 1))
    let program = Program(
      "deep",
      entries: [Entry("forward", graph: graph, outputs: [.init("sum", sum), .init("norm", norm)])])
    var identity = NumericArray(.f32, [256, 256], repeating: 0)
    for index in 0..<256 { identity.values[index * 257] = 1 }
    let outputs = try Interpreter(program).run(
      "forward", inputs: ["x": NumericArray(.f32, [4, 256], repeating: 2)],
      weights: { _ in identity })
    var factor = 2.0
    for _ in 0..<20 { factor *= 0.99 }
    let expected = factor + 2
    #expect(outputs["sum"]?.values == Array(repeating: expected, count: 1024))
    #expect(outputs["norm"]?.values.allSatisfy { abs($0 - 1) < 1e-12 } == true)
  }
}
