import BurinIR
import BurinPasses
import BurinTestSupport
import Testing

@Suite struct LowerPrecisionTests {
  private static let (batch, seq) = (
    Dim(Symbol("batch", maximum: 4)), Dim(Symbol("seq", maximum: 8))
  )
  private let pipeline = Pipeline.standard(
    Pipeline.Options(precision: .bf16, multipliesPairs: true))

  @Test func productsTakeRoundedFactors() throws {
    let b = Builder()
    let x = b.input("x", [Self.batch, Self.seq, 6])
    let program = try pipeline(b.program(b.linear(b.linear(x, 6), 4) + x.slice(2, 0, 4)))
    #expect(
      program.text == """
        program "test"

        symbol batch <= 4
        symbol seq <= 8

        entry "forward" {
          %0 = input("x") : f32[batch, seq, 6]
          %1 = weight("w1") : f32[6, 6]
          %2 = transpose(%1, permutation: [1, 0]) : f32[6, 6]
          %3 = weight("w2") : f32[6]
          %4 = weight("w3") : f32[4, 6]
          %5 = weight("w4") : f32[4]
          %6 = slice(%0, axis: 2, start: 0, count: 4) : f32[batch, seq, 4]
          %7 = pack(%2, width: 32) : f32[1, 6, 32]
          %8 = linear(%0, weight: %7, bias: %3, cast: bf16, columns: 6) tile: rows 4096 : bf16[batch, seq, 6]
          %9 = cast(%4, to: bf16) : bf16[4, 6]
          %10 = transpose(%9, permutation: [1, 0]) : bf16[6, 4]
          %11 = pack(%10, width: 32) : bf16[1, 3, 32, 2]
          %12 = linear(%8, weight: %11, bias: %5, residual: %6, columns: 4) tile: rows 4096 : f32[batch, seq, 4]

          output "y0" = %12
        }

        """)
    #expect(try Program(text: program.text).text == program.text)
  }

  @Test func withoutInstructionsForPairsOnlyWeightsAreRounded() throws {
    let b = Builder()
    let x = b.input("x", [Self.batch, Self.seq, 6])
    let plain = Pipeline.standard(Pipeline.Options(precision: .bf16))
    let graph = try plain(b.program(b.linear(b.linear(x, 6), 4))).entries[0].graph
    let factors = graph.nodes.compactMap { node in
      if case .linear(let x, let weight, _, _, _) = node.op {
        [graph.tensorType(x).element, graph.tensorType(weight).element]
      } else {
        nil
      }
    }
    #expect(factors == [[.f32, .f32], [.f32, .bf16]])
  }

  /// A table that a product shares is one weight, looked up and multiplied in bf16.
  @Test func tiedTablesAreStoredOnce() throws {
    let b = Builder()
    let ids = b.input("ids", [Self.batch, Self.seq], .i32)
    let table = b.weight([10, 6])
    let words = b.append(.embedding(table: table.id, indices: ids.id, rows: 10))
    let logits = b.linear(words, 6).matmul(table.transposed([1, 0]))
    let graph = try pipeline(b.program(logits)).entries[0].graph
    let packs = graph.ids.filter { if case .pack = graph[$0].op { true } else { false } }
    let types = packs.map { graph.tensorType($0) }
    #expect(types == [TensorType(.bf16, [1, 3, 32, 2]), TensorType(.f32, [1, 6, 32])])
    let lookups = graph.nodes.compactMap { node in
      if case .embedding(let table, _, _) = node.op { table } else { nil }
    }
    #expect(lookups == [packs[0]])
  }

  /// A large table is rounded as weights are, a small one stays.
  @Test(arguments: [
    (Precision.bf16, 1 << 15, ElementType.bf16), (.int8, 1 << 15, .w8), (.int4, 1 << 15, .w8),
    (.bf16, 1 << 14, .f32), (.int8, 1 << 14, .f32),
  ])
  func tables(precision: Precision, rows: Int, element: ElementType) throws {
    let b = Builder()
    let ids = b.input("ids", [Self.batch, Self.seq], .i32)
    let table = b.weight([Dim(rows), 32])
    let words = b.append(.embedding(table: table.id, indices: ids.id, rows: rows))
    let options = Pipeline.Options(precision: precision, multipliesPairs: true)
    let program = try Pipeline.standard(options)(b.program(b.linear(words, 5)))
    let graph = program.entries[0].graph
    let tables = graph.nodes.compactMap { node in
      if case .embedding(let table, _, _) = node.op { graph.tensorType(table).element } else { nil }
    }
    #expect(tables == [element])
  }

  /// Blocks of 8 bits throughout, or of 4 between the first and the last product.
  @Test(arguments: [
    (Precision.int8, [ElementType.w8, .w8, .w8, .w8]), (.int4, [.w8, .w4, .w4, .w8]),
  ])
  func productsOfBlocks(precision: Precision, weights: [ElementType]) throws {
    let b = Builder()
    let x = b.input("x", [Self.batch, Self.seq, 32])
    let hidden = b.linear(b.linear(b.linear(x, 32), 64), 32)
    let plain = Pipeline.standard(Pipeline.Options(precision: precision))
    let graph = try plain(b.program(b.linear(hidden, 5))).entries[0].graph
    let factors = graph.nodes.compactMap { node in
      if case .linear(let x, let weight, _, _, _) = node.op {
        [graph.tensorType(x).element, graph.tensorType(weight).element]
      } else {
        nil
      }
    }
    #expect(factors == weights.map { [.r8, $0] })
    // Only the input is rounded by a kernel of its own.
    let casts = graph.nodes.count { if case .cast(_, .r8) = $0.op { true } else { false } }
    #expect(casts == 1)
  }

  /// An encoder's attention multiplies pairs of bf16, and the product before it rounds for it; a
  /// causal one and narrow heads stay f32.
  @Test(arguments: [(true, 32), (false, 32), (false, 16)])
  func attentionBetweenBlocks(isCausal: Bool, headWidth: Int) throws {
    let b = Builder()
    let x = b.linear(b.input("x", [Self.batch, Self.seq, 32]), 32)
    func heads() -> T { b.linear(x, Dim(2 * headWidth)).heads(2) }
    let (q, k, v) = (heads(), heads(), heads())
    let masks: [Mask<T>] = isCausal ? [.causal(start: nil)] : []
    let scores = q.matmul(k.swapped) * 0.25 + b.mask(masks, [Self.batch, 1, Self.seq, Self.seq])
    let out = b.linear(scores.softmax().matmul(v).merged, 32)
    let options = Pipeline.Options(precision: .int8, multipliesPairs: true)
    var notes: [Note] = []
    let program = try Pipeline.standard(options)(b.program(out)) { _, _, new in notes += new }
    let graph = program.entries[0].graph
    var operands: [ElementType] = []
    var casts: [ElementType] = []
    for node in graph.nodes {
      switch node.op {
      case .attention(let query, let key, let value, _, _):
        operands = [query, key, value].map { graph.tensorType($0).element }
      case .cast(let y, let element) where graph.tensorType(y).element == .f32:
        if element == .bf16 { casts.append(element) }
      default: break
      }
    }
    let isLowered = !isCausal && headWidth >= 32
    #expect(operands == Array(repeating: isLowered ? .bf16 : .f32, count: 3))
    #expect(casts.isEmpty)
    let isMissed = notes.contains { $0.rule == "lower-attention" && $0.outcome != .fired }
    #expect(isMissed == !isLowered)
  }

  /// What a norm is rounded to, it stores: alone, beside itself, or beside the sum that it is of.
  @Test(arguments: [Precision.bf16, .int8])
  func normsRoundAsTheyStore(_ precision: Precision) throws {
    let narrow: ElementType = precision == .bf16 ? .bf16 : .r8
    func operations(_ output: (Builder, T) -> [T]) throws -> [String] {
      let b = Builder()
      let x = b.linear(b.input("x", [Self.batch, Self.seq, 64]), 64)
      let options = Pipeline.Options(precision: precision, multipliesPairs: true)
      let graph = try Pipeline.standard(options)(b.program(output(b, x))).entries[0].graph
      return graph.nodes.compactMap { node in
        switch node.op {
        case .norm(_, let norm): "norm to \(norm.cast?.rawValue ?? "f32")"
        case .normAndCast(_, let norm): "norm and \(norm.cast?.rawValue ?? "f32")"
        case .addNorm(_, _, let norm): "sum, norm to \(norm.cast?.rawValue ?? "f32")"
        case .cast(let x, narrow) where graph.tensorType(x).element == .f32 && !isWeight(x, graph):
          "cast"
        default: nil
        }
      }
    }
    func isWeight(_ id: NodeID, _ graph: Graph) -> Bool {
      switch graph[id].op {
      case .weight: true
      case .transpose(let x, _): isWeight(x, graph)
      default: false
      }
    }
    let first = precision == .int8 ? ["cast"] : []
    let word = narrow.rawValue
    #expect(try operations { b, x in [b.linear(b.layerNorm(x), 5)] } == first + ["norm to \(word)"])
    #expect(
      try operations { b, x in
        let normed = b.layerNorm(x)
        return [b.linear(normed, 5), normed]
      } == first + ["norm and \(word)"])
    #expect(
      try operations { b, x in
        let sum = x.softmax() + b.input("r", x.shape)
        return [b.linear(b.layerNorm(sum), 5), sum]
      } == first + ["sum, norm to \(word)"])
    #expect(
      try operations { b, x in
        let sum = x.softmax() + b.input("r", x.shape)
        let normed = b.layerNorm(sum)
        return [b.linear(normed, 5), sum, normed]
      } == first + ["sum, norm to f32", "cast"])
  }

  @Test func anOddNumberOfTermsStaysAsItIs() throws {
    let b = Builder()
    let x = b.input("x", [Self.batch, Self.seq, 7])
    var notes: [Note] = []
    let program = try pipeline(b.program(b.linear(b.linear(x, 7), 4))) { _, _, new in notes += new }
    #expect(!program.operations.contains("cast"))
    let reasons = notes.filter { $0.pass == "lower-precision" }.map(\.description)
    #expect(reasons.count == 2)
    #expect(reasons[0].contains("it is the first product"))
    #expect(reasons[1].hasSuffix("has 7 terms, no multiple of 2"))
  }

  /// What a model computes then is near to what it did: factors have 8 bits, and errors add up.
  @Test(arguments: 0..<8) func generatedModels(seed: Int) throws {
    let model = try GeneratedModel(seed: UInt64(seed))
    let program = try pipeline(model.program)
    try verify(program)
    let difference = try model.difference(from: program, calls: 2)
    #expect(difference < 0.05)
  }
}
