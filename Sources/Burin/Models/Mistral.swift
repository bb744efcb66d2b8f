import BurinHub
import BurinIR

/// Mistral 7B (Jiang et al., 2023), as transformers' `modeling_mistral`: Llama with a window.
struct Mistral: LlamaFamily {
  static let modelTypes = ["mistral"]
  static let architectures = decoderArchitectures("Mistral", answers: true)

  let head: Head
  let body: DecoderBody

  static func variant(_ config: JSONField) throws(HubError) -> LlamaVariant {
    var variant = LlamaVariant()
    variant.groups = 8
    try variant.readWindow(config, default: 4096)
    variant.isWindowed = { _ in true }
    return variant
  }
}

/// StarCoder2 (Lozhkov et al., 2024), as transformers' `modeling_starcoder2`: rotary positions and
/// grouped heads with the norms and the plain feed-forward network of GPT-2.
struct StarCoder2: LlamaFamily {
  static let modelTypes = ["starcoder2"]
  static let architectures = decoderArchitectures("Starcoder2")

  let head: Head
  let body: DecoderBody

  static func variant(_ config: JSONField) throws(HubError) -> LlamaVariant {
    var variant = LlamaVariant()
    variant.groups = 2
    variant.isTied = true
    variant.isGated = false
    variant.norm = .layer
    variant.epsilonKey = "norm_epsilon"
    variant.epsilon = 1e-5
    variant.activation = "gelu_pytorch_tanh"
    variant.projectionBias = try config["use_bias"].flag(default: true)
    variant.outputBias = variant.projectionBias
    variant.feedForwardBias = variant.projectionBias
    try variant.readWindow(config, default: nil)
    variant.isWindowed = { _ in true }
    return variant
  }
}
