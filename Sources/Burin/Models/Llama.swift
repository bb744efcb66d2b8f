import BurinHub
import BurinIR

/// Llama 1, 2 and 3 (Touvron et al., 2023; Grattafiori et al., 2024), as transformers'
/// `modeling_llama`.
struct Llama: LlamaFamily {
  static let modelTypes = ["llama"]
  static let architectures = llamaArchitectures("Llama")

  let head: Head
  let body: LlamaBody

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    self.head = head
    let attentionBias = try config["attention_bias"].bool(default: false)
    self.body = try LlamaBody(
      config, body,
      LlamaVariant(
        projectionBias: attentionBias, outputBias: attentionBias,
        feedForwardBias: try config["mlp_bias"].bool(default: false)))
  }
}

/// Mistral 7B (Jiang et al., 2023), as transformers' `modeling_mistral`: Llama with a window.
struct Mistral: LlamaFamily {
  static let modelTypes = ["mistral"]
  static let architectures = llamaArchitectures("Mistral")

  let head: Head
  let body: LlamaBody

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    self.head = head
    var variant = LlamaVariant()
    variant.groups = 8
    variant.positions = 4096 * 32
    let window = config["sliding_window"]
    if !window.isNull { variant.window = try window.int(in: 1...1 << 30, default: 4096) }
    variant.isWindowed = { _ in true }
    self.body = try LlamaBody(config, body, variant)
  }
}

/// Qwen2 (Yang et al., 2024), as transformers' `modeling_qwen2`: Llama with biases of queries, keys
/// and values, and windows in its last layers if it has any.
struct Qwen2: LlamaFamily {
  static let modelTypes = ["qwen2"]
  static let architectures = llamaArchitectures("Qwen2")

  let head: Head
  let body: LlamaBody

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    self.head = head
    var variant = LlamaVariant(projectionBias: true)
    variant.groups = 32
    variant.positions = 32_768
    try variant.readWindows(config)
    self.body = try LlamaBody(config, body, variant)
  }
}

/// Qwen3 (Yang et al., 2025), as transformers' `modeling_qwen3`: Llama with each head's query and
/// key normalised.
struct Qwen3: LlamaFamily {
  static let modelTypes = ["qwen3"]
  static let architectures = llamaArchitectures("Qwen3")

  let head: Head
  let body: LlamaBody

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    self.head = head
    let bias = try config["attention_bias"].bool(default: false)
    var variant = LlamaVariant(projectionBias: bias, outputBias: bias)
    variant.groups = 32
    variant.positions = 32_768
    variant.headWidth = 128
    variant.normalizesHeads = true
    try variant.readWindows(config)
    self.body = try LlamaBody(config, body, variant)
  }
}
