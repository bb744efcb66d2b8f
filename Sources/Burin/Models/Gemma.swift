import BurinHub
import BurinIR

/// Gemma (Gemma team, 2024), as transformers' `modeling_gemma`: Llama with scaled embeddings, norms
/// around one, and GELU in the gate.
struct Gemma: LlamaFamily {
  static let modelTypes = ["gemma"]
  static let architectures = decoderArchitectures("Gemma")

  let head: Head
  let body: DecoderBody

  static func variant(_ config: JSONField) throws(HubError) -> LlamaVariant {
    var variant = try LlamaVariant.gemma(config)
    variant.groups = 16
    return variant
  }
}

/// Gemma 2 (Gemma team, 2024), as transformers' `modeling_gemma2`: norms on both sides of each
/// sublayer, soft caps, and a window in every other layer.
struct Gemma2: LlamaFamily {
  static let modelTypes = ["gemma2"]
  static let architectures = decoderArchitectures("Gemma2")

  let head: Head
  let body: DecoderBody

  static func variant(_ config: JSONField) throws(HubError) -> LlamaVariant {
    var variant = try LlamaVariant.gemma2(config)
    variant.softCap = try config["attn_logit_softcapping"].softCap(default: 50)
    variant.finalSoftCap = try config["final_logit_softcapping"].softCap(default: 30)
    try variant.readLayerTypes(config) { ($0 + 1) % 2 != 0 }
    return variant
  }
}

/// Gemma 3's text model (Gemma team, 2025), as transformers' `modeling_gemma3`: Gemma 2 with
/// normalised heads instead of soft caps, and positions of their own in layers with a window. EmbeddingGemma
/// (2025) is one whose tokens see each other in both directions.
struct Gemma3: LlamaFamily {
  static let modelTypes = ["gemma3_text"]
  static let architectures: KeyValuePairs<String, Head> = [
    "Gemma3TextModel": .bare, "Gemma3ForCausalLM": .languageModel,
    "Gemma3TextForSequenceClassification": .sequenceClassification,
  ]

  let head: Head
  let body: DecoderBody

  static func variant(_ config: JSONField) throws(HubError) -> LlamaVariant {
    var variant = try LlamaVariant.gemma2(config)
    variant.theta = 1_000_000
    variant.headNorms = .perHead
    // `attn_logit_softcapping` is there, but transformers does not read it.
    variant.finalSoftCap = try config["final_logit_softcapping"].softCap(default: nil)
    variant.hasLocalPositions = true
    let pattern = try config["sliding_window_pattern"].int(in: 1...1 << 20, default: 6)
    try variant.readLayerTypes(config) { ($0 + 1) % pattern != 0 }
    variant.looksAhead = try config["use_bidirectional_attention"].bool(default: false)
    // Half of the window lies before a token then, and half behind it.
    if variant.looksAhead { variant.window = variant.window.map { $0 / 2 + 1 } }
    return variant
  }
}

extension LlamaVariant {
  /// What all of Gemma has.
  fileprivate static func gemma(_ config: JSONField) throws(HubError) -> LlamaVariant {
    var variant = LlamaVariant()
    try variant.readAttentionBias(config)
    variant.norm = .rms(offset: 1)
    variant.embeddingScale = { Double(Float($0).squareRoot()) }
    variant.isTied = true
    variant.headWidth = 256
    variant.activation = "gelu_pytorch_tanh"
    return variant
  }

  /// What Gemma has from its second version on.
  fileprivate static func gemma2(_ config: JSONField) throws(HubError) -> LlamaVariant {
    var variant = try gemma(config)
    variant.placement = .around
    variant.activationKey = "hidden_activation"
    variant.groups = 4
    let scalar = try config["query_pre_attn_scalar"].double(above: 0, default: 256)
    variant.attentionScale = 1 / scalar.squareRoot()
    try variant.readWindow(config, default: 4096)
    return variant
  }
}
