import BurinHub
import BurinIR

/// The families whose stack is Llama's, or little else: a member says what is different.
protocol LlamaFamily: DecoderFamily {
  init(head: Head, body: DecoderBody)

  /// What a configuration of this family means where Llama's would mean something else.
  static func variant(_ config: JSONField) throws(HubError) -> LlamaVariant
}

extension LlamaFamily {
  static var bodyPrefix: String { "model" }

  static func isUnused(_ name: String) -> Bool { DecoderBody.isUnused(name) }

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    var variant = try Self.variant(config)
    guard !variant.looksAhead || head != .languageModel else {
      throw config["use_bidirectional_attention"].error(
        expected: "false in a model that continues texts")
    }
    // As transformers does from 5.2 on, and as the models that say so were trained.
    let causal = config["is_causal"]
    if try !causal.flag(default: true) {
      guard head != .languageModel, variant.window == nil else {
        throw causal.error(
          expected: variant.window == nil
            ? "true in a model that continues texts" : "true where layers have a window")
      }
      variant.looksAhead = true
    }
    self.init(head: head, body: try DecoderBody(config, body, variant))
  }
}

/// The heads that transformers puts on a decoder, by the names of the classes: those of all, two for
/// classification, and one for question answering.
func decoderArchitectures(
  _ name: String, classifies: Bool = true, answers: Bool = false
) -> KeyValuePairs<String, Head> {
  let (bare, words) = (name + "Model", name + "ForCausalLM")
  let sequences = name + "ForSequenceClassification"
  let tokens = name + "ForTokenClassification"
  if answers {
    return [
      bare: .bare, words: .languageModel, sequences: .sequenceClassification,
      tokens: .tokenClassification, name + "ForQuestionAnswering": .questionAnswering,
    ]
  }
  return classifies
    ? [
      bare: .bare, words: .languageModel, sequences: .sequenceClassification,
      tokens: .tokenClassification,
    ] : [bare: .bare, words: .languageModel]
}

extension DecoderBody {
  /// The stack of Llama and its relatives: embeddings, layers with rotary positions, a last norm.
  init(_ config: JSONField, _ weights: Weights, _ variant: LlamaVariant) throws(HubError) {
    let sizes = try LlamaSizes(config, variant)
    let far = try Rotary(
      config, width: sizes.width, theta: variant.theta,
      originalPositions: variant.originalPositions)
    let near =
      variant.hasLocalPositions
      ? try Rotary(
        config, width: sizes.width, thetaKey: "rope_local_base_freq", type: .sliding,
        isScaled: false) : far
    let layers = (0..<(try config["num_hidden_layers"].layers())).map { index in
      let layer = weights["layers"][index]
      let residuals = sizes.residuals(layer)
      return SequentialLayer(
        attentionResidual: residuals.attention,
        attention: CausalAttention(
          heads: sizes.heads, groups: sizes.groups, width: sizes.width,
          projections: sizes.projections(layer["self_attn"]),
          output: Linear(
            sizes.heads * sizes.width, sizes.hidden, layer["self_attn"]["o_proj"],
            bias: variant.outputBias),
          norms: sizes.headNorms(layer["self_attn"]), bound: variant.bound,
          rotary: variant.isTurned(index) ? variant.isWindowed(index) ? near : far : nil,
          scale: variant.attentionScale ?? 1 / Double(sizes.width).squareRoot(),
          softCap: variant.softCap, window: variant.isWindowed(index) ? variant.window : nil),
        feedForwardResidual: residuals.feedForward,
        feedForward: sizes.feedForward(layer, variant.mixture(index)))
    }
    try self.init(
      config, hidden: sizes.hidden, words: weights["embed_tokens"], layers: layers,
      norm: sizes.norm(sizes.hidden, weights["norm"]), isTied: variant.isTied)
    embeddingScale = variant.embeddingScale(sizes.hidden)
    looksAhead = variant.looksAhead
    readsPositions = layers.indices.contains { variant.isTurned($0) }
    let rereads = variant.originalPositions != nil
    let usesFar = layers.indices.contains {
      variant.isTurned($0) && !(variant.hasLocalPositions && variant.isWindowed($0))
    }
    longContext =
      usesFar ? far.longAbove.map { LongContext(above: $0, rereads: rereads) } : nil
    outputScale = variant.outputScale
    finalSoftCap = variant.finalSoftCap
  }
}

/// The sizes of a configuration, and the layers that follow from them.
private struct LlamaSizes {
  let variant: LlamaVariant
  let hidden, heads, groups, width, intermediate: Int
  let epsilon: Double
  let activation: Activation

  init(_ config: JSONField, _ variant: LlamaVariant) throws(HubError) {
    self.variant = variant
    hidden = try config["hidden_size"].width()
    heads = try config["num_attention_heads"].int(in: 1...65_536)
    groups = try config["num_key_value_heads"].groups(dividing: heads, default: variant.groups)
    if config["head_dim"].exists {
      width = try config["head_dim"].width()
    } else if let known = variant.headWidth {
      width = known
    } else {
      width = hidden / (try config["num_attention_heads"].heads(dividing: hidden))
    }
    intermediate = try config["intermediate_size"].width()
    epsilon = try config[variant.epsilonKey].epsilon(default: variant.epsilon)
    activation = try config[variant.activationKey].activation(default: variant.activation)
  }

  func norm(_ width: Int, _ weights: Weights) -> any NormLayer {
    switch variant.norm {
    case .rms(let offset): RMSNorm(width, weights, epsilon: epsilon, offset: offset)
    case .layer: LayerNorm(width, weights, epsilon: epsilon)
    }
  }

  func residuals(_ layer: Weights) -> (attention: Residual, feedForward: Residual) {
    func residual(_ before: String?, _ after: String?) -> Residual {
      Residual(
        before: before.map { norm(hidden, layer[$0]) },
        after: after.map { norm(hidden, layer[$0]) }, scale: variant.residualScale)
    }
    return switch variant.placement {
    case .before: (residual("input_layernorm", nil), residual("post_attention_layernorm", nil))
    case .after:
      (residual(nil, "post_attention_layernorm"), residual(nil, "post_feedforward_layernorm"))
    case .around:
      (
        residual("input_layernorm", "post_attention_layernorm"),
        residual("pre_feedforward_layernorm", "post_feedforward_layernorm")
      )
    }
  }

  func projections(_ weights: Weights) -> CausalAttention.Projections {
    func linear(_ name: String, _ heads: Int) -> Linear {
      Linear(hidden, heads * width, weights[name], bias: variant.projectionBias)
    }
    if variant.isJoined { return .joined(linear("qkv_proj", heads + 2 * groups)) }
    return .separate(
      query: linear("q_proj", heads), key: linear("k_proj", groups),
      value: linear("v_proj", groups))
  }

  func headNorms(_ weights: Weights) -> CausalAttention.HeadNorms {
    switch variant.headNorms {
    case .none: .none
    case .perHead:
      .perHead(query: norm(width, weights["q_norm"]), key: norm(width, weights["k_norm"]))
    case .together:
      .together(
        query: norm(heads * width, weights["q_norm"]),
        key: norm(groups * width, weights["k_norm"]))
    }
  }

  func feedForward(_ layer: Weights, _ mixture: Mixture?) -> any FeedForwardLayer {
    mixture.map { self.mixture(layer, $0) } ?? network(layer["mlp"])
  }

  private func mixture(_ layer: Weights, _ mixture: Mixture) -> any FeedForwardLayer {
    let weights = layer[mixture.part]
    return MixtureOfExperts(
      hidden: hidden, intermediate: mixture.intermediate, count: mixture.count,
      choices: mixture.choices,
      router: Linear(hidden, mixture.count, weights["gate"], bias: false),
      experts: weights["experts"], names: mixture.names, activation: activation,
      isNormalized: mixture.isNormalized,
      shared: mixture.shared.map { width in
        let shared = weights["shared_expert"]
        return MixtureOfExperts.Shared(
          network: GatedFeedForward(
            gate: Linear(hidden, width, shared["gate_proj"], bias: false), activation: activation,
            up: Linear(hidden, width, shared["up_proj"], bias: false),
            down: Linear(width, hidden, shared["down_proj"], bias: false)),
          gate: Linear(hidden, 1, weights["shared_expert_gate"], bias: false))
      })
  }

  private func network(_ weights: Weights) -> any FeedForwardLayer {
    func up(_ name: String, _ outputs: Int) -> Linear {
      Linear(hidden, outputs, weights[name], bias: variant.feedForwardBias)
    }
    func down(_ name: String) -> Linear {
      Linear(intermediate, hidden, weights[name], bias: variant.feedForwardBias)
    }
    switch (variant.isGated, variant.isJoined) {
    case (true, false):
      return GatedFeedForward(
        gate: up("gate_proj", intermediate), activation: activation,
        up: up("up_proj", intermediate), down: down("down_proj"))
    case (true, true):
      return JoinedGatedFeedForward(
        width: intermediate, up: up("gate_up_proj", 2 * intermediate), activation: activation,
        down: down("down_proj"))
    case (false, _):
      return FeedForward(
        up: up("c_fc", intermediate), activation: activation, down: down("c_proj"))
    }
  }
}
