import BurinHub
import BurinIR

/// Llama 1, 2 and 3 (Touvron et al., 2023; Grattafiori et al., 2024), as transformers'
/// `modeling_llama`.
struct Llama: LlamaFamily {
  static let modelTypes = ["llama"]
  static let architectures = decoderArchitectures("Llama", answers: true)

  let head: Head
  let body: DecoderBody

  static func variant(_ config: JSONField) throws(HubError) -> LlamaVariant {
    var variant = LlamaVariant()
    try variant.readBiases(config)
    return variant
  }
}

/// Granite 3 (IBM, 2024), as transformers' `modeling_granite`: Llama with multipliers.
struct Granite: LlamaFamily {
  static let modelTypes = ["granite"]
  static let architectures = decoderArchitectures("Granite", classifies: false)

  let head: Head
  let body: DecoderBody

  static func variant(_ config: JSONField) throws(HubError) -> LlamaVariant {
    var variant = LlamaVariant()
    try variant.readBiases(config)
    let embedding = try config["embedding_multiplier"].double(default: 1)
    variant.embeddingScale = { _ in embedding }
    variant.residualScale = try config["residual_multiplier"].double(default: 1)
    variant.attentionScale = try config["attention_multiplier"].double(default: 1)
    variant.outputScale = 1 / (try config["logits_scaling"].double(above: 0, default: 1))
    return variant
  }
}

/// SmolLM3 (Bakouch et al., 2025), as transformers' `modeling_smollm3`: Llama with layers that do
/// not know positions.
struct SmolLM3: LlamaFamily {
  static let modelTypes = ["smollm3"]
  static let architectures = decoderArchitectures("SmolLM3", answers: true)

  let head: Head
  let body: DecoderBody

  static func variant(_ config: JSONField) throws(HubError) -> LlamaVariant {
    var variant = LlamaVariant()
    try variant.readBiases(config)
    variant.groups = 4
    variant.theta = 2_000_000
    variant.isTied = true
    let interval = try config["no_rope_layer_interval"].int(in: 1...1 << 20, default: 4)
    let flags = config["no_rope_layers"]
    var isTurned: [Bool] = []
    for index in 0..<(try config["num_hidden_layers"].layers()) {
      if let flag = flags[index].value?.bool {
        isTurned.append(flag)
      } else {
        isTurned.append(
          flags.exists ? try flags[index].int() != 0 : (index + 1) % interval != 0)
      }
    }
    let turned = isTurned
    variant.isTurned = { turned[$0] }
    // Types of layers count whatever `use_sliding_window` says.
    let slides = try config["use_sliding_window"].bool(default: false)
    try variant.readWindow(config, default: nil)
    try variant.readLayerTypes(config) { slides && !turned[$0] }
    return variant
  }
}

/// OLMo 2 (OLMo team, 2024), as transformers' `modeling_olmo2`: Llama with norms after each
/// sublayer, and over all queries and all keys.
struct OLMo2: LlamaFamily {
  static let modelTypes = ["olmo2"]
  static let architectures = decoderArchitectures("Olmo2", classifies: false)

  let head: Head
  let body: DecoderBody

  static func variant(_ config: JSONField) throws(HubError) -> LlamaVariant {
    var variant = LlamaVariant()
    try variant.readAttentionBias(config)
    variant.epsilon = 1e-5
    variant.placement = .after
    variant.headNorms = .together
    return variant
  }
}
