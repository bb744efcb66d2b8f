import BurinIR
import BurinPasses
import Testing

private let batch = Dim(Symbol("batch", maximum: 4))
private let seq = Dim(Symbol("seq", maximum: 16))

/// A pass by itself turns one program into another, as their texts say; both compute the same.
func expectRewrite(
  _ pass: Pass, from before: String, to after: String,
  sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let program = try Program(text: before)
  let result = try checked(pass, program, sourceLocation: sourceLocation)
  #expect(result.text == (try Program(text: after)).text, sourceLocation: sourceLocation)
}

@Suite struct PipelineTests {
  /// One BERT layer, written as the paper writes it.
  static func bertLayer() -> Program {
    let b = Builder()
    let x = b.input("x", [batch, seq, 12])
    let padding = b.input("attention_mask", [batch, seq], .i32)
    let mask = b.mask([.padding(padding)], [batch, 1, 1, seq])
    let (q, k, v) = (b.linear(x, 12), b.linear(x, 12), b.linear(x, 12))
    let scores = q.heads(2).matmul(k.heads(2).swapped) / b.constant(6.0.squareRoot())
    let attended = (scores + mask).softmax().matmul(v.heads(2)).merged
    let h = b.layerNorm(x + b.linear(attended, 12))
    let up = b.linear(h, 48)
    let gelu = up * 0.5 * ((up / b.constant(2.0.squareRoot())).unary(.erf) + 1)
    return b.program(b.layerNorm(h + b.linear(gelu, 12)))
  }

  /// One GPT-2 layer with its cache, written as transformers writes it.
  static func gptLayer() -> Program {
    let b = Builder()
    let context = Dim(Symbol("context", maximum: 32))
    let x = b.input("x", [batch, seq, 12])
    let counts = b.input("counts", [batch], .i32)
    let lengths = b.append(.state(name: "lengths", type: TensorType(.i32, [batch])))
    let total = lengths + counts
    let qkv = b.layerNorm(x).matmul(b.weight([12, 36])) + b.weight([36])
    let cacheType = TensorType(.f32, [batch, context, 2, 6])
    func cached(_ name: String, _ rows: T) -> T {
      let cache = b.append(.state(name: name, type: cacheType))
      return b.append(
        .append(
          cache: cache.id, values: rows.reshaped([batch, seq, 2, 6]).id, start: lengths.id,
          counts: counts.id))
    }
    let keys = cached("keys", qkv.slice(2, 12, 12))
    let values = cached("values", qkv.slice(2, 24, 12))
    let mask = b.mask([.lengths(total), .causal(start: lengths)], [batch, 1, seq, context])
    let scores =
      qkv.slice(2, 0, 12).heads(2).matmul(keys.transposed([0, 2, 1, 3]).swapped)
      * (1 / 6.0.squareRoot()) + mask
    let attended = scores.softmax().matmul(values.transposed([0, 2, 1, 3])).merged
    let h = x + (attended.matmul(b.weight([12, 12])) + b.weight([12]))
    let up = b.layerNorm(h).matmul(b.weight([12, 48])) + b.weight([48])
    let cube = up.binary(.power, b.constant(3)) * 0.044715
    let gelu = up * 0.5 * (((up + cube) * (2 / Double.pi).squareRoot()).unary(.tanh) + 1)
    let y = h + (gelu.matmul(b.weight([48, 12])) + b.weight([12]))
    var program = b.program(y)
    program.entries[0].successors = [
      .init("keys", keys.id), .init("values", values.id), .init("lengths", total.id),
    ]
    return program
  }

  @Test func aBertLayer() throws {
    let after = try checked(Self.bertLayer())
    #expect(
      after.text == """
        program "test"

        symbol batch <= 4
        symbol seq <= 16

        entry "forward" {
          %0 = input("x") : f32[batch, seq, 12]
          %1 = input("attention_mask") : i32[batch, seq]
          %2 = weight("w1") : f32[12, 12]
          %3 = transpose(%2, permutation: [1, 0]) : f32[12, 12]
          %4 = weight("w2") : f32[12]
          %5 = weight("w3") : f32[12, 12]
          %6 = transpose(%5, permutation: [1, 0]) : f32[12, 12]
          %7 = weight("w5") : f32[12, 12]
          %8 = transpose(%7, permutation: [1, 0]) : f32[12, 12]
          %9 = concat([%3, %6, %8], axis: 1) : f32[12, 36]
          %10 = weight("w4") : f32[12]
          %11 = weight("w6") : f32[12]
          %12 = concat([%4, %10, %11], axis: 0) : f32[36]
          %13 = pack(%9, width: 32) : f32[2, 12, 32]
          %14 = linear(%0, weight: %13, bias: %12, columns: 36) tile: rows 4096 : f32[batch, seq, 36]
          %15 = slice(%14, axis: 2, start: 0, count: 12) : f32[batch, seq, 12]
          %16 = slice(%14, axis: 2, start: 12, count: 12) : f32[batch, seq, 12]
          %17 = slice(%14, axis: 2, start: 24, count: 12) : f32[batch, seq, 12]
          %18 = reshape(%15) : f32[batch, seq, 2, 6]
          %19 = reshape(%16) : f32[batch, seq, 2, 6]
          %20 = reshape(%17) : f32[batch, seq, 2, 6]
          %21 = attention(query: %18, key: %19, value: %20, scale: 0.4082482904638631, masks: [padding(%1)]) tile: queries 64 : f32[batch, seq, 2, 6]
          %22 = reshape(%21) : f32[batch, seq, 12]
          %23 = weight("w7") : f32[12, 12]
          %24 = transpose(%23, permutation: [1, 0]) : f32[12, 12]
          %25 = weight("w8") : f32[12]
          %26 = pack(%24, width: 32) : f32[1, 12, 32]
          %27 = linear(%22, weight: %26, bias: %25, residual: %0, columns: 12) tile: rows 4096 : f32[batch, seq, 12]
          %28 = weight("w9") : f32[12]
          %29 = weight("w10") : f32[12]
          %30 = norm(%27, layer, scale: %28, bias: %29, epsilon: 1e-05) : f32[batch, seq, 12]
          %31 = weight("w11") : f32[48, 12]
          %32 = transpose(%31, permutation: [1, 0]) : f32[12, 48]
          %33 = weight("w12") : f32[48]
          %34 = pack(%32, width: 32) : f32[2, 12, 32]
          %35 = linear(%30, weight: %34, bias: %33, gelu, columns: 48) tile: rows 4096 : f32[batch, seq, 48]
          %36 = weight("w13") : f32[12, 48]
          %37 = transpose(%36, permutation: [1, 0]) : f32[48, 12]
          %38 = weight("w14") : f32[12]
          %39 = pack(%37, width: 32) : f32[1, 48, 32]
          %40 = linear(%35, weight: %39, bias: %38, residual: %30, columns: 12) tile: rows 4096 : f32[batch, seq, 12]
          %41 = weight("w15") : f32[12]
          %42 = weight("w16") : f32[12]
          %43 = norm(%40, layer, scale: %41, bias: %42, epsilon: 1e-05) : f32[batch, seq, 12]

          output "y0" = %43
        }

        """)
  }

  @Test func aGPTLayer() throws {
    let after = try checked(Self.gptLayer(), extents: ["batch": 2, "seq": 3, "context": 8])
    #expect(
      after.text == """
        program "test"

        symbol batch <= 4
        symbol context <= 32
        symbol seq <= 16

        entry "forward" {
          %0 = input("x") : f32[batch, seq, 12]
          %1 = input("counts") : i32[batch]
          %2 = state("lengths") : i32[batch]
          %3 = add(%2, %1) : i32[batch]
          %4 = weight("w1") : f32[12]
          %5 = weight("w2") : f32[12]
          %6 = norm(%0, layer, scale: %4, bias: %5, epsilon: 1e-05) : f32[batch, seq, 12]
          %7 = weight("w3") : f32[12, 36]
          %8 = weight("w4") : f32[36]
          %9 = pack(%7, width: 32) : f32[2, 12, 32]
          %10 = linear(%6, weight: %9, bias: %8, columns: 36) tile: rows 4096 : f32[batch, seq, 36]
          %11 = slice(%10, axis: 2, start: 12, count: 12) : f32[batch, seq, 12]
          %12 = state("keys") : f32[batch, context, 2, 6]
          %13 = reshape(%11) : f32[batch, seq, 2, 6]
          %14 = append(%12, values: %13, start: %2, counts: %1) : f32[batch, context, 2, 6]
          %15 = slice(%10, axis: 2, start: 24, count: 12) : f32[batch, seq, 12]
          %16 = state("values") : f32[batch, context, 2, 6]
          %17 = reshape(%15) : f32[batch, seq, 2, 6]
          %18 = append(%16, values: %17, start: %2, counts: %1) : f32[batch, context, 2, 6]
          %19 = slice(%10, axis: 2, start: 0, count: 12) : f32[batch, seq, 12]
          %20 = reshape(%19) : f32[batch, seq, 2, 6]
          %21 = attention(query: %20, key: %14, value: %18, scale: 0.4082482904638631, masks: [lengths(%3), causal(start: %2)]) tile: queries 64 : f32[batch, seq, 2, 6]
          %22 = reshape(%21) : f32[batch, seq, 12]
          %23 = weight("w5") : f32[12, 12]
          %24 = weight("w6") : f32[12]
          %25 = pack(%23, width: 32) : f32[1, 12, 32]
          %26 = linear(%22, weight: %25, bias: %24, residual: %0, columns: 12) tile: rows 4096 : f32[batch, seq, 12]
          %27 = weight("w7") : f32[12]
          %28 = weight("w8") : f32[12]
          %29 = norm(%26, layer, scale: %27, bias: %28, epsilon: 1e-05) : f32[batch, seq, 12]
          %30 = weight("w9") : f32[12, 48]
          %31 = weight("w10") : f32[48]
          %32 = pack(%30, width: 32) : f32[2, 12, 32]
          %33 = linear(%29, weight: %32, bias: %31, gelu_tanh, columns: 48) tile: rows 4096 : f32[batch, seq, 48]
          %34 = weight("w11") : f32[48, 12]
          %35 = weight("w12") : f32[12]
          %36 = pack(%34, width: 32) : f32[1, 48, 32]
          %37 = linear(%33, weight: %36, bias: %35, residual: %26, columns: 12) tile: rows 4096 : f32[batch, seq, 12]

          output "y0" = %37
          successor "keys" = %14
          successor "values" = %18
          successor "lengths" = %3
        }

        """)
  }

  private static let options = Pipeline.Options()

  /// A residual goes to its product rather than to the norm behind it.
  @Test func normsBeforeProductsWouldTakeTheResiduals() throws {
    let program = try [Pass.fuseNormalization, .fuseLinear].reduce(Self.bertLayer()) { try $1($0) }
    #expect(program.operations.contains("addNorm"))
    #expect(!(try Pipeline.standard(Self.options)(Self.bertLayer()).operations.contains("addNorm")))
  }

  /// The scale of a query goes to the scores, so that its projection merges with the others.
  @Test func productsBeforeAttentionWouldTakeTheScales() throws {
    func program() -> Program {
      let b = Builder()
      let x = b.input("x", [batch, seq, 12])
      let (q, k, v) = (b.linear(x, 12) * 0.25, b.linear(x, 12), b.linear(x, 12))
      return b.program(q.heads(2).matmul(k.heads(2).swapped).softmax().matmul(v.heads(2)).merged)
    }
    let early = try [Pass.fuseLinear, .fuseAttention, .fuseProjections]
      .reduce(program()) { try $1($0) }
    #expect(early.operations.filter { $0 == "linear" }.count > 1)
    let after = try Pipeline.standard(Self.options)(program())
    #expect(after.operations.filter { $0 == "linear" }.count == 1)
  }

  /// Heads and masks are found whether transposes have been merged or not.
  @Test func attentionIsFoundAmongFoldedTransposesToo() throws {
    for program in [Self.bertLayer(), Self.gptLayer()] {
      let passes = [Pass.foldConstants, .foldTransposes, .fuseAttention, .foldTransposes]
      let after = try passes.reduce(program) { try $1($0) }
      let usual = try [Pass.foldConstants, .fuseAttention, .foldTransposes]
        .reduce(program) { try $1($0) }
      #expect(after.text == usual.text)
      #expect(after.attention != nil)
    }
  }

  @Test func packedWeightsNoLongerMerge() throws {
    let passes = [
      Pass.foldConstants, .fuseAttention, .foldTransposes, .fuseLinear, .packWeights,
      .fuseProjections,
    ]
    let early = try passes.reduce(Self.bertLayer()) { try $1($0) }
    #expect(early.operations.filter { $0 == "linear" }.count == 6)
  }

  @Test func passesCanBeLeftOut() throws {
    let all = Pipeline.standard(Self.options).passes.map(\.name)
    #expect(Set(all).count == all.count)
    for name in all {
      let options = Pipeline.Options(disabled: [name])
      #expect(!Pipeline.standard(options).passes.contains { $0.name == name })
      try checked(without: [name], Self.bertLayer())
    }
  }

  @Test func theObserverSeesEveryProgram() throws {
    var seen: [String] = []
    var fused: [String] = []
    _ = try Pipeline.standard(Self.options)(Self.bertLayer()) { pass, program, notes in
      seen.append(pass?.name ?? "as given")
      fused += notes.map(\.description)
      try verify(program)
    }
    #expect(
      seen == [
        "as given", "fold-constants", "fuse-activations", "fuse-attention", "fold-transposes",
        "fuse-linear", "fuse-normalization", "fuse-projections", "keep-narrow-weights",
        "pack-weights",
        "tile-matmuls",
      ])
    #expect(fused.contains("fuse-attention: find-attention in forward"))
    #expect(
      fused.contains(
        "fuse-normalization: not norm-of-add in forward, %36: "
          + "the product before it adds the residual already"))
  }

  @Test func theGuiltyPassIsNamed() throws {
    let broken = Pass("break-it") { program in
      var program = program
      program.entries += program.entries
      return program
    }
    let failure = #expect(throws: PassFailure.self) {
      try Pipeline([.foldConstants, broken])(Self.bertLayer())
    }
    #expect(failure?.description.hasPrefix("the pass break-it broke the program: ") == true)
    #expect(failure?.dump.contains("after break-it:\n\nprogram \"test\"") == true)
  }

  @Test func deadCodeFallsAwayButInputsStay() throws {
    try expectRewrite(
      .foldConstants,
      from: """
        program "dead"
        entry "forward" {
          %0 = input("unused") : f32[4]
          %1 = input("x") : f32[4]
          %2 = exp(%1) : f32[4]
          %3 = tanh(%1) : f32[4]
          output "y" = %3
        }
        """,
      to: """
        program "dead"
        entry "forward" {
          %0 = input("unused") : f32[4]
          %1 = input("x") : f32[4]
          %2 = tanh(%1) : f32[4]
          output "y" = %2
        }
        """)
  }
}
