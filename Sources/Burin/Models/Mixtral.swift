import BurinHub
import BurinIR

/// Mixtral (Jiang et al., 2024), as transformers' `modeling_mixtral`: Mistral with experts for
/// feed-forward networks.
struct Mixtral: LlamaFamily {
  static let modelTypes = ["mixtral"]
  static let architectures = decoderArchitectures("Mixtral", answers: true)

  let head: Head
  let body: DecoderBody

  static func variant(_ config: JSONField) throws(HubError) -> LlamaVariant {
    var variant = LlamaVariant()
    variant.groups = 8
    variant.theta = 1_000_000
    variant.epsilon = 1e-5
    try variant.readWindow(config, default: nil)
    variant.isWindowed = { _ in true }
    let mixture = try Mixture(
      config, part: "block_sparse_moe",
      names: .init(gate: "w1", up: "w3", down: "w2"), countKey: "num_local_experts", count: 8,
      choices: 2, intermediate: try config["intermediate_size"].width(), isNormalized: true)
    variant.mixture = { _ in mixture }
    return variant
  }
}

/// Qwen2-MoE (Yang et al., 2024), as transformers' `modeling_qwen2_moe`: Qwen2 with experts, one of
/// which every token passes.
struct Qwen2MoE: LlamaFamily {
  static let modelTypes = ["qwen2_moe"]
  static let architectures = decoderArchitectures("Qwen2Moe", answers: true)

  let head: Head
  let body: DecoderBody

  static func variant(_ config: JSONField) throws(HubError) -> LlamaVariant {
    var variant = LlamaVariant()
    variant.projectionBias = try config["qkv_bias"].flag(default: true)
    variant.groups = 16
    if try config["use_sliding_window"].bool(default: false) {
      try variant.readWindow(config, default: 4096)
    }
    variant.isWindowed = { _ in true }
    try variant.readMixture(config) { () throws(HubError) in
      var mixture = try Mixture(
        config, names: .standard, countKey: "num_experts", count: 60, choices: 4,
        intermediate: try config["moe_intermediate_size"].width(default: 1408),
        isNormalized: try config["norm_topk_prob"].bool(default: false))
      mixture.shared = try config["shared_expert_intermediate_size"].width(default: 5632)
      return mixture
    }
    return variant
  }
}

/// Qwen3-MoE (Yang et al., 2025), as transformers' `modeling_qwen3_moe`: Qwen3 with experts.
struct Qwen3MoE: LlamaFamily {
  static let modelTypes = ["qwen3_moe"]
  static let architectures = decoderArchitectures("Qwen3Moe", answers: true)

  let head: Head
  let body: DecoderBody

  static func variant(_ config: JSONField) throws(HubError) -> LlamaVariant {
    var variant = LlamaVariant()
    try variant.readAttentionBias(config)
    variant.groups = 4
    variant.headNorms = .perHead
    if try config["use_sliding_window"].bool(default: false) {
      try variant.readWindow(config, default: 4096)
    }
    variant.isWindowed = { _ in true }
    try variant.readMixture(config) { () throws(HubError) in
      try Mixture(
        config, names: .standard, countKey: "num_experts", count: 128, choices: 8,
        intermediate: try config["moe_intermediate_size"].width(default: 768),
        isNormalized: try config["norm_topk_prob"].bool(default: false))
    }
    return variant
  }
}

/// OLMoE (Muennighoff et al., 2024), as transformers' `modeling_olmoe`: experts with norms over all
/// queries and all keys.
struct OLMoE: LlamaFamily {
  static let modelTypes = ["olmoe"]
  static let architectures = decoderArchitectures("Olmoe", classifies: false)

  let head: Head
  let body: DecoderBody

  static func variant(_ config: JSONField) throws(HubError) -> LlamaVariant {
    var variant = LlamaVariant()
    try variant.readAttentionBias(config)
    variant.epsilon = 1e-5
    variant.headNorms = .together
    if config["clip_qkv"].exists { variant.bound = try config["clip_qkv"].double(above: 0) }
    let mixture = try Mixture(
      config, names: .standard, countKey: "num_experts", count: 64, choices: 8,
      intermediate: try config["intermediate_size"].width(),
      isNormalized: try config["norm_topk_prob"].bool(default: false))
    variant.mixture = { _ in mixture }
    return variant
  }
}

/// What a configuration says of the experts of a layer.
struct Mixture {
  /// What the layer calls it.
  let part: String
  let names: MixtureOfExperts.Names
  let count, choices, intermediate: Int
  let isNormalized: Bool
  /// The inner width of the network that every token passes.
  var shared: Int?

  init(
    _ config: JSONField, part: String = "mlp", names: MixtureOfExperts.Names,
    countKey: ByteString, count: Int, choices: Int, intermediate: Int, isNormalized: Bool
  ) throws(HubError) {
    self.part = part
    self.names = names
    // transformers 5 writes Qwen3-MoE's count under Mixtral's name.
    self.count = try config.first(of: "num_local_experts", countKey)
      .int(in: 1...1 << 16, default: count)
    self.choices = try config["num_experts_per_tok"].int(in: 1...1 << 16, default: choices)
    guard self.choices <= self.count else {
      throw config["num_experts_per_tok"].error(
        expected: "at most the \(self.count) of \(countKey.utf8String)")
    }
    self.intermediate = intermediate
    self.isNormalized = isNormalized
  }
}

extension MixtureOfExperts.Names {
  static let standard = Self(gate: "gate_proj", up: "up_proj", down: "down_proj")
}

extension LlamaVariant {
  /// Reads which layers have experts, as Qwen's configurations say it: every `decoder_sparse_step`-th
  /// but those of `mlp_only_layers`, and none where `num_experts` is 0.
  fileprivate mutating func readMixture(
    _ config: JSONField, _ read: () throws(HubError) -> Mixture
  ) throws(HubError) {
    if config["num_experts"].value?.int == 0 { return }
    let mixture = try read()
    let step = try config["decoder_sparse_step"].int(in: 1...1 << 20, default: 1)
    var dense: Set<Int> = []
    if config["mlp_only_layers"].exists {
      for field in try config["mlp_only_layers"].array() { dense.insert(try field.int()) }
    }
    let plain = dense
    self.mixture = { ($0 + 1) % step == 0 && !plain.contains($0) ? mixture : nil }
  }
}
