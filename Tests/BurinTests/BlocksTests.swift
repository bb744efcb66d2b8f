import Burin
import BurinC
import BurinIR
import BurinPasses
import BurinTestSupport
import Glibc
import Testing

/// A small language model with a tied table and two layers of products, in blocks: what the
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

  private static func program(_ activation: Unary) -> Program {
    let (batch, seq) = (Dim(Symbol("batch", maximum: 4)), Dim(Symbol("seq", maximum: 16)))
    return Program.trace("blocks") { trace in
      let table = trace.weight("table", [vocabulary, width])
      let x = table.embedding(trace.input("ids", .i32, [batch, seq]))
        .matmul(trace.weight("first", [width, width]))
      let up = trace.weight("up", [inner, width]).transposed
      let hidden = (x.matmul(up) + trace.weight("bias", [inner])).unary(activation)
      let y = x + hidden.matmul(trace.weight("down", [inner, width]))
      return [("logits", y.matmul(table.transposed))]
    }
  }

  private static func numbers(_ name: String) throws -> NumericArray {
    let tensor = try #require(weights.tensors[name])
    return NumericArray(tensor.shape, floats: tensor.values)
  }

  @Test(arguments: ["native", "x86-64-v4", "x86-64-v3", "x86-64"], [Precision.int8, .int4])
  func isWhatTheInterpreterComputes(target: String, precision: Precision) throws {
    guard Set(try Target(target).features).isSubset(of: Target.machineFeatures) else { return }
    // A value at the border of two multiples may fall to either side; behind a GELU, which is a coarse
    // one where its result is rounded, more of them do.
    for (activation, border) in [(Unary.silu, 2e-3), (.gelu, 8e-3)] {
      try check(Self.program(activation), target: target, precision: precision, border: border)
    }
  }

  private func check(
    _ program: Program, target: String, precision: Precision, border: Double
  ) throws {
    let compiler = Compiler(options: .init(target: try Target(target), precision: precision))
    let lowered = try compiler.lower(program)
    let packed = lowered.program.entries[0].graph.nodes.compactMap { node in
      if case .pack = node.op { node.type.tensor?.element } else { nil }
    }
    #expect(packed.count { $0 == .w8 } == (precision == .int8 ? 4 : 2) && packed.count == 4)
    #expect(packed.count { $0 == .w4 } == (precision == .int8 ? 0 : 2))
    #expect(lowered.program.text == (try Program(text: lowered.program.text)).text)

    let path = try Self.temporaryPath()
    defer { Self.remove(path) }
    try compiler.compile(program, weights: Self.weights, to: path)
    let model = try CompiledModel(path)
    for shape in [[1, 1], [2, 5], [3, 16]] {
      let ids = (0..<shape[0] * shape[1]).map { Int32($0 * 31 % Self.vocabulary) }
      let inputs = ["ids": NumericArray(.i32, shape, ids.map(Double.init))]
      let exact = try Interpreter(program).run(
        "forward", inputs: inputs, weights: Self.numbers)["logits"]
      let expected = try Interpreter(lowered.program).run(
        "forward", inputs: inputs, weights: Self.numbers)["logits"]
      let one = try Session(model, threads: 1).run(
        "forward", ["ids": HostTensor(ids, shape: shape)])
      let two = try Session(model, threads: 2).run(
        "forward", ["ids": HostTensor(ids, shape: shape)])
      let found = try #require(one["logits"]).floats
      #expect(found.map(\.bitPattern) == two["logits"]?.floats.map(\.bitPattern))
      let kernels = difference(found, try #require(expected))
      #expect(kernels < border)
      let rounding = difference(found, try #require(exact))
      #expect(rounding < (precision == .int8 ? 2.5e-2 : 2e-1) && rounding > 1e-4)
    }
  }

  /// Products alone, of one block and of several, of columns that do not fill a panel, with what
  /// they are rounded for absorbed or not.
  @Test(arguments: ["native", "x86-64-v3"], [Precision.int8, .int4])
  func awkwardShapes(target: String, precision: Precision) throws {
    var random = TestRandom(seed: 3)
    let rows = Dim(Symbol("rows", maximum: 64))
    var tensors: [String: (shape: [Int], values: [Float])] = [:]
    func table(_ trace: Trace, _ columns: Int, _ depth: Int) -> Tensor {
      let name = "w\(tensors.count)"
      tensors[name] = (
        [columns, depth],
        (0..<columns * depth).map { _ in Float.random(in: -1...1, using: &random) }
      )
      return trace.weight(name, [columns, depth])
    }
    func weight(_ trace: Trace, _ columns: Int, _ depth: Int) -> Tensor {
      table(trace, columns, depth).transposed
    }
    let program = Program.trace("products") { trace in
      let y = trace.input("x64", .f32, [rows, 64])
      let (_, chosen) = y.matmul(weight(trace, 3, 64)).topK(2)
      let all = trace.concat((0..<3).map { _ in table(trace, 40, 64) }, axis: 0)
      let mixed = y.experts(chosen, all.transposed, count: 3)
      return [("mixed", mixed)]
        + [32, 96, 160].flatMap { depth -> [(String, Tensor)] in
          let x = trace.input("x\(depth)", .f32, [rows, Dim(depth)])
          return [1, 31, 32, 33, 64].map { columns -> (String, Tensor) in
            let y = x.matmul(weight(trace, columns, depth))
            let isWhole = columns % 32 == 0
            guard isWhole else { return ("y\(depth)_\(columns)", y) }
            let hidden = y.relu().matmul(weight(trace, 64, columns)).silu()
            return ("y\(depth)_\(columns)", hidden.matmul(weight(trace, 5, 64)))
          }
        }
    }
    let weights = WeightTable(tensors)
    let compiler = Compiler(options: .init(target: try Target(target), precision: precision))
    let lowered = try compiler.lower(program)
    let path = try Self.temporaryPath()
    defer { Self.remove(path) }
    try compiler.compile(program, weights: weights, to: path)
    let model = try CompiledModel(path)
    for count in [1, 2, 7, 17] {
      var inputs: [String: NumericArray] = [:]
      for depth in [32, 64, 96, 160] {
        // One column is much larger than the others.
        let values = (0..<count * depth).map {
          Float.random(in: -1...1, using: &random) * ($0 % depth == 5 ? 40 : 1)
        }
        inputs["x\(depth)"] = NumericArray([count, depth], floats: values)
      }
      let expected = try Interpreter(lowered.program).run(
        "forward", inputs: inputs,
        weights: { NumericArray(tensors[$0]?.shape ?? [], floats: tensors[$0]?.values ?? []) })
      let found = try Session(model, threads: 2).run(
        "forward", inputs.mapValues { HostTensor($0.floats, shape: $0.shape) })
      for (name, want) in expected {
        let got = try #require(found[name]).floats
        #expect(difference(got, want) < 2e-3, "\(name) of \(count) rows")
      }
    }
  }

  private static func temporaryPath() throws -> String {
    var template = Array("/tmp/burin-blocks-XXXXXX".utf8CString)
    let directory = try #require(mkdtemp(&template).map { String(cString: $0) })
    return directory + "/blocks.so"
  }

  private static func remove(_ path: String) {
    unlink(path)
    unlink(String(path.dropLast(2)) + "h")
    rmdir(String(path.dropLast("/blocks.so".count)))
  }

  /// The largest difference relative to the largest value.
  private func difference(_ found: [Float], _ expected: NumericArray) -> Double {
    let largest = expected.floats.reduce(0) { max($0, abs($1)) }
    let worst = zip(found, expected.floats).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
    return found.count == expected.count ? Double(worst / largest) : .infinity
  }
}
