import BurinHub
import BurinIR

/// The decoder of BART or of one of its relatives alone, as transformers' `BartForCausalLM`: a language
/// model whose attention to a source is left out.
struct BartDecoder: DecoderFamily {
  static let modelTypes = Bart.modelTypes
  static let bodyPrefix = "model"
  static let architectures: KeyValuePairs<String, Head> = [
    "BartForCausalLM": .languageModel, "MBartForCausalLM": .languageModel,
    "MarianForCausalLM": .languageModel, "PegasusForCausalLM": .languageModel,
    "BlenderbotForCausalLM": .languageModel, "BlenderbotSmallForCausalLM": .languageModel,
  ]

  static func isUnused(_ name: String) -> Bool {
    Bart.isUnused(name) || name.contains(".encoder_attn")
  }

  let head: Head
  let body: DecoderBody

  init(_ config: JSONField, head: Head, body weights: Weights) throws(HubError) {
    let bart = try Bart(config, head: head, body: weights)
    let ends = bart.decoderEnds
    // Marian's decoder has a vocabulary of its own even where it says that both share one.
    let words = try config["decoder_vocab_size"].int(
      in: 1...1 << 24, default: bart.sourceWords.count)
    var body = try DecoderBody(
      config, hidden: bart.hidden, words: weights["decoder"]["embed_tokens"],
      layers: bart.decoder.map(\.own), norm: ends.norm, isTied: true,
      positions: bart.variant.positions, vocabulary: words)
    switch ends.positions {
    case .learned(let table): body.positions = table
    case .sines, .sinesAfterPadding: body.positions = SinusoidalPositions(width: bart.hidden)
    }
    body.embeddingScale = bart.targetScale
    body.embeddingNorm = ends.embeddingNorm
    body.addsPositionsLast = !ends.normalizesPositions
    self.head = head
    self.body = body
  }
}

/// Sines of the positions.
private struct SinusoidalPositions: PositionVectors {
  let width: Int

  func callAsFunction(_ positions: Tensor) -> Tensor { positions.sinusoids(.paper(width)) }
}
