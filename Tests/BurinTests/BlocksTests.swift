import Burin
import BurinC
import BurinIR
import BurinPasses
import Glibc
import Testing

/// A small language model with a tied table and two layers of products, in blocks of i8: what the
/// writer packs and the kernels read is what the interpreter makes of the same program.
@Suite struct BlocksTests {
  private static let (vocabulary, width, inner) = (70, 64, 96)

  private static let weights: WeightTable = {
    var state: UInt64 = 5
    func values(_ count: Int) -> [Float] {
      (0..<count).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Float(Int64(bitPattern: state) >> 40) / Float(1 << 24)
      }
    }
    return WeightTable([
      "table": ([vocabulary, width], values(vocabulary * width)),
      "first": ([width, width], values(width * width)),
      "up": ([inner, width], values(inner * width)),
      "down": ([inner, width], values(inner * width)),
      "bias": ([inner], values(inner)),
    ])
  }()

  private static let program: Program = {
    let (batch, seq) = (Dim(Symbol("batch", maximum: 4)), Dim(Symbol("seq", maximum: 16)))
    return Program.trace("blocks") { trace in
      let table = trace.weight("table", [vocabulary, width])
      let x = table.embedding(trace.input("ids", .i32, [batch, seq]))
        .matmul(trace.weight("first", [width, width]))
      let up = trace.weight("up", [inner, width]).transposed
      let hidden = (x.matmul(up) + trace.weight("bias", [inner])).gelu()
      let y = x + hidden.matmul(trace.weight("down", [inner, width]))
      return [("logits", y.matmul(table.transposed))]
    }
  }()

  private static func numbers(_ name: String) throws -> NumericArray {
    let tensor = try #require(weights.tensors[name])
    return NumericArray(tensor.shape, floats: tensor.values)
  }

  @Test(arguments: ["native", "x86-64-v3", "x86-64"])
  func isWhatTheInterpreterComputes(target: String) throws {
    let compiler = Compiler(options: .init(target: try Target(target), precision: .int8))
    let lowered = try compiler.lower(Self.program)
    let packed = lowered.program.entries[0].graph.nodes.compactMap { node in
      if case .pack = node.op { node.type.tensor?.element } else { nil }
    }
    #expect(packed.count { $0 == .q8 } == 3 && packed.count == 4)
    #expect(lowered.program.text == (try Program(text: lowered.program.text)).text)

    var template = Array("/tmp/burin-blocks-XXXXXX".utf8CString)
    let directory = try #require(mkdtemp(&template).map { String(cString: $0) })
    defer { rmdir(directory) }
    let path = directory + "/blocks.so"
    try compiler.compile(Self.program, weights: Self.weights, to: path)
    defer {
      unlink(path)
      unlink(directory + "/blocks.h")
    }
    let model = try CompiledModel(path)
    for shape in [[1, 1], [2, 5], [3, 16]] {
      let ids = (0..<shape[0] * shape[1]).map { Int32($0 * 31 % Self.vocabulary) }
      let inputs = ["ids": NumericArray(.i32, shape, ids.map(Double.init))]
      let exact = try Interpreter(Self.program).run(
        "forward", inputs: inputs, weights: Self.numbers)["logits"]
      let expected = try Interpreter(lowered.program).run(
        "forward", inputs: inputs, weights: Self.numbers)["logits"]
      let one = try Session(model, threads: 1).run(
        "forward", ["ids": HostTensor(ids, shape: shape)])
      let two = try Session(model, threads: 2).run(
        "forward", ["ids": HostTensor(ids, shape: shape)])
      let found = try #require(one["logits"]).floats
      #expect(found.map(\.bitPattern) == two["logits"]?.floats.map(\.bitPattern))
      #expect(difference(found, try #require(expected)) < 1e-5)
      let rounding = difference(found, try #require(exact))
      #expect(rounding < 2e-2 && rounding > 1e-5)
    }
  }

  /// The largest difference relative to the largest value.
  private func difference(_ found: [Float], _ expected: NumericArray) -> Double {
    let largest = expected.floats.reduce(0) { max($0, abs($1)) }
    let worst = zip(found, expected.floats).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
    return found.count == expected.count ? Double(worst / largest) : .infinity
  }
}
