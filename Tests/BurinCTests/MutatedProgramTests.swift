import BurinIR
import BurinPasses
import BurinTestSupport
import Testing

@testable import BurinC

/// Whatever a `.burin` file says, it is refused in one line, or it becomes C.
@Suite("Mutated programs") struct MutatedProgramTests {
  /// Programs that use every operation: spelled out, with caches, and after the passes.
  private static func texts() throws -> [String] {
    var texts = [try everyOperation().text, decoder, products]
    for seed in [0, 3, 5] as [UInt64] {
      texts.append(try GeneratedModel(seed: seed).program.text)
    }
    for (index, options) in options.enumerated() {
      let seeds: [UInt64] = [5, 1, 2, 7]
      let program = try GeneratedModel(seed: seeds[index]).program
      texts.append(try Pipeline.standard(options)(program).text)
      texts.append(try Pipeline.standard(options)(Program(text: decoder)).text)
    }
    return texts
  }

  private static let options: [Pipeline.Options] = [
    .init(), .init(precision: .bf16, cacheType: .bf16, multipliesPairs: true),
    .init(precision: .int8, cacheType: .int8), .init(precision: .int4),
  ]

  @Test func nothingTraps() throws {
    let mutators = try Self.texts().map(ProgramMutator.init)
    var random = TestRandom(seed: 11)
    var written = 0
    for number in 0..<320 {
      let text = mutators[number % mutators.count].mutated(&random)
      if try Self.compiles(text, Self.options[number / mutators.count % Self.options.count]) {
        written += 1
      }
    }
    #expect(written > 20)
  }

  /// Whether the text is a program that becomes C; if not, the refusal is one line, and no pass is to
  /// blame for it.
  static func compiles(_ text: String, _ options: Pipeline.Options) throws -> Bool {
    do {
      let program = try Program(text: text)
      let lowered = try Pipeline.standard(options)(program)
      let banner = Banner(passes: [], build: "clang", target: "x86-64-v3")
      return try !ModuleWriter.write(lowered, banner: banner).source.isEmpty
    } catch let error as TextError {
      #expect(!error.description.contains("\n"), "\(text)")
    } catch let error as IRError {
      #expect(!error.description.contains("\n"), "\(text)")
    } catch let failure as PassFailure {
      Issue.record("\(failure)\n\(text)")
    }
    return false
  }

  /// A small decoder that keeps keys and values, one layer with a window and one without.
  static let decoder = """
    program "decoder"

    symbol batch <= 4
    symbol context <= 128
    symbol tokens <= 16

    entry "step" {
      %0 = input("input_ids") : i32[batch, tokens]
      %1 = input("counts") : i32[batch]
      %2 = state("lengths") : i32[batch]
      %3 = weight("words") : f32[64, 64]
      %4 = embedding(%3, indices: %0, rows: 64)
      %5 = iota(axis: 1) : i32[batch, tokens]
      %6 = reshape(%2) : i32[batch, 1]
      %7 = add(%5, %6)
      %8 = weight("frequencies") : f32[8]
      %10 = weight("q") : f32[64, 64]
      %11 = matmul(%4, %10)
      %12 = reshape(%11) : f32[batch, tokens, 4, 16]
      %13 = rotary(%12, positions: %7, frequencies: %8)
      %14 = weight("k") : f32[64, 32]
      %15 = matmul(%4, %14)
      %16 = reshape(%15) : f32[batch, tokens, 2, 16]
      %17 = rotary(%16, positions: %7, frequencies: %8, interleaved)
      %18 = weight("v") : f32[64, 32]
      %19 = matmul(%4, %18)
      %20 = reshape(%19) : f32[batch, tokens, 2, 16]
      %21 = state("keys") : f32[batch, context, 2, 16]
      %22 = append(%21, values: %17, start: %2, counts: %1)
      %23 = state("values") : f32[batch, context, 2, 16]
      %24 = append(%23, values: %20, start: %2, counts: %1)
      %25 = attention(query: %13, key: %22, value: %24, scale: 0.25, masks: [causal(start: %2), window(5, start: %2)])
      %26 = reshape(%25) : f32[batch, tokens, 64]
      %27 = add(%26, %4)
      %28 = weight("norm") : f32[64]
      %29 = norm(%27, rms, scale: %28, epsilon: 1e-05)
      %30 = matmul(%29, %14)
      %31 = reshape(%30) : f32[batch, tokens, 2, 16]
      %32 = state("keys.1") : f32[batch, context, 2, 16]
      %33 = append(%32, values: %31, start: %2, counts: %1)
      %34 = state("values.1") : f32[batch, context, 2, 16]
      %35 = append(%34, values: %20, start: %2, counts: %1)
      %36 = attention(query: %13, key: %33, value: %35, scale: 0.25, masks: [causal(start: %2)])
      %37 = reshape(%36) : f32[batch, tokens, 64]
      %38 = add(%37, %29)
      %39 = transpose(%3, permutation: [1, 0])
      %40 = matmul(%38, %39)
      %41 = add(%2, %1)

      output "logits" = %40
      successor "lengths" = %41
      successor "keys" = %22
      successor "values" = %24
      successor "keys.1" = %33
      successor "values.1" = %35
    }

    """

  /// Products with everything that can follow them, experts, and moves.
  private static let products = """
    program "products"

    symbol n <= 8
    symbol m <= 5

    entry "forward" {
      %0 = input("x") : f32[n, 64]
      %34 = input("lengths") : f32[m]
      %1 = constant(1) : i32[]
      %2 = broadcast(%1) : i32[n, m]
      %3 = input("mask", fallback: %2) : i32[n, m]
      %4 = weight("up") : f32[64, 96]
      %5 = weight("bias") : f32[96]
      %6 = linear(%0, weight: %4, bias: %5, gelu, scale: 0.5, columns: 96)
      %7 = weight("down") : f32[96, 64]
      %8 = pack(%7, width: 32)
      %9 = linear(%6, weight: %8, residual: %0, gate: %0, columns: 64) tile: rows 128
      %10 = weight("router") : f32[64, 3]
      %11 = matmul(%9, %10)
      %12 = softmax(%11)
      %13 = top_k(%12, count: 2)
      %14 = part(%13, 1)
      %15 = weight("experts") : f32[64, 60]
      %16 = experts(%9, chosen: %14, weight: %15, silu, columns: 20, count: 3)
      %17 = reduce(sum, %16, axes: [1])
      %18 = iota(axis: 1) : i32[n, m]
      %19 = less(%18, %3)
      %20 = cast(%19, to: f32)
      %21 = cumulative_sum(%20, axis: 1)
      %22 = cast(%21, to: i32)
      %23 = embedding(%7, indices: %22, rows: 96)
      %24 = gather(%23, indices: %22)
      %25 = slice(%24, axis: 1, start: 0, count: 1)
      %26 = concat([%25, %24], axis: 1)
      %27 = transpose(%26, permutation: [0, 2, 1])
      %28 = reduce(mean, %27, axes: [2])
      %29 = state("memory") : f32[n, 64, 1]
      %30 = add_norm(%28, residual: %29, layer, epsilon: 1e-05)
      %31 = part(%30, 0)
      %32 = extent(n)
      %33 = select(%19, then: %20, otherwise: %21)

      output "product" = %9
      output "experts" = %17
      output "extent" = %32
      output "selected" = %33
      successor "memory" = %31
    }

    """
}
