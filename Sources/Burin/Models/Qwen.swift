import BurinHub
import BurinIR

/// Qwen2 (Yang et al., 2024), as transformers' `modeling_qwen2`: Llama with biases of queries, keys
/// and values, and windows in its last layers if it has any.
struct Qwen2: LlamaFamily {
  static let modelTypes = ["qwen2"]
  static let architectures = decoderArchitectures("Qwen2", answers: true)

  let head: Head
  let body: DecoderBody

  static func variant(_ config: JSONField) throws(HubError) -> LlamaVariant {
    var variant = LlamaVariant()
    variant.projectionBias = true
    variant.groups = 32
    try variant.readWindows(config)
    return variant
  }
}

/// Qwen3 (Yang et al., 2025), as transformers' `modeling_qwen3`: Llama with each head's query and
/// key normalised.
struct Qwen3: LlamaFamily {
  static let modelTypes = ["qwen3"]
  static let architectures = decoderArchitectures("Qwen3", answers: true)

  let head: Head
  let body: DecoderBody

  static func variant(_ config: JSONField) throws(HubError) -> LlamaVariant {
    var variant = LlamaVariant()
    try variant.readAttentionBias(config)
    variant.groups = 32
    variant.headWidth = 128
    variant.headNorms = .perHead
    try variant.readWindows(config)
    return variant
  }
}
