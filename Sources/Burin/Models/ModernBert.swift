import BurinHub
import BurinIR

/// ModernBERT (Warner et al., 2024), as transformers' `modeling_modernbert`: an encoder with rotary
/// positions, norms before each sublayer, gates, and windows in most layers.
struct ModernBert: EncoderFamily {
  static let modelTypes = ["modernbert"]
  static let bodyPrefix = "model"
  static let architectures: KeyValuePairs<String, Head> = [
    "ModernBertModel": .bare, "ModernBertForSequenceClassification": .sequenceClassification,
    "ModernBertForTokenClassification": .tokenClassification,
    "ModernBertForQuestionAnswering": .questionAnswering,
    "ModernBertForMaskedLM": .maskedLanguageModel,
  ]

  /// The head of the language model, and the copy of its tied weight.
  static func isUnused(_ name: String) -> Bool {
    name.hasPrefix("decoder.") || name.hasPrefix("head.")
  }

  let head: Head
  let hidden, labels: Int
  let words: Embedding
  let embeddingNorm, finalNorm: LayerNorm
  let layers: [ModernBertLayer]
  let dense: Linear
  let denseNorm: LayerNorm
  let denseActivation: Activation
  let poolsMean, isTied, hasDecoderBias: Bool
  let maximumLength: Int

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    let sizes = try EncoderSizes(
      config, absent: .init(vocabulary: 50_368, intermediate: 1152, layers: 22, positions: 8192))
    let (hidden, heads, intermediate) = (sizes.hidden, sizes.heads, sizes.intermediate)
    let epsilon = try config["norm_eps"].epsilon(default: 1e-5)
    let hasNormBias = try config["norm_bias"].bool(default: false)
    let activation = try config["hidden_activation"].activation(default: "gelu")
    let attentionBias = try config["attention_bias"].bool(default: false)
    let feedForwardBias = try config["mlp_bias"].bool(default: false)
    // What transformers 5 writes; before, every so many layers had no window.
    let types = try config.layerTypes(layers: sizes.layers)
    let interval = try config["global_attn_every_n_layers"].int(in: 1...1 << 20, default: 3)
    let reach = try config["local_attention"].int(in: 1...1 << 30, default: 128) / 2
    let width = hidden / heads
    let far = try Rotary(config, width: width, thetaKey: "global_rope_theta", theta: 160_000)
    // `null` stands for the base of the other layers.
    let near =
      config["local_rope_theta"].isNull
      ? far : try Rotary(config, width: width, thetaKey: "local_rope_theta", type: .sliding)
    func norm(_ weights: Weights) -> LayerNorm {
      LayerNorm(hidden, weights, epsilon: epsilon, bias: hasNormBias)
    }
    self.head = head
    self.hidden = hidden
    labels = try config.labelCount()
    words = Embedding(sizes.vocabulary, hidden, body["embeddings"]["tok_embeddings"])
    embeddingNorm = norm(body["embeddings"]["norm"])
    finalNorm = norm(body["final_norm"])
    layers = (0..<sizes.layers).map { index in
      let layer = body["layers"][index]
      let isGlobal = types.map { $0[index] == .full } ?? (index % interval == 0)
      return ModernBertLayer(
        attentionNorm: index == 0 ? nil : norm(layer["attn_norm"]), heads: heads,
        projection: Linear(hidden, 3 * hidden, layer["attn"]["Wqkv"], bias: attentionBias),
        output: Linear(hidden, hidden, layer["attn"]["Wo"], bias: attentionBias),
        rotary: isGlobal ? far : near,
        window: isGlobal ? nil : reach + 1, feedForwardNorm: norm(layer["mlp_norm"]),
        feedForward: JoinedGatedFeedForward(
          width: intermediate,
          up: Linear(hidden, 2 * intermediate, layer["mlp"]["Wi"], bias: feedForwardBias),
          activation: activation,
          down: Linear(intermediate, hidden, layer["mlp"]["Wo"], bias: feedForwardBias)))
    }
    let top = Weights("head")
    dense = Linear(
      hidden, hidden, top["dense"], bias: try config["classifier_bias"].bool(default: false))
    denseNorm = norm(top["norm"])
    denseActivation = try config["classifier_activation"].activation(default: "gelu")
    let pooling = config["classifier_pooling"]
    poolsMean = pooling.exists ? try pooling.string(oneOf: ["cls", "mean"]) == "mean" : false
    isTied = try config["tie_word_embeddings"].flag(default: true)
    hasDecoderBias = try config["decoder_bias"].flag(default: true)
    maximumLength = sizes.positions
  }

  let takesTokenTypes = false
  let takesPositions = true

  func positions(_ ids: Tensor) -> Tensor { ids.trace.iota(ids.shape, axis: 1) }

  func encode(_ inputs: EncoderInputs) -> Tensor {
    let trace = inputs.ids.trace
    let embedded = trace.scoped("embeddings") { embeddingNorm(words(inputs.ids)) }
    let last = layers.enumerated().reduce(embedded) { x, layer in
      trace.scoped("layer \(layer.offset)") { layer.element((x, inputs)) }
    }
    return trace.scoped("final norm") { finalNorm(last) }
  }

  func outputs(_ hidden: Tensor) -> [(String, Tensor)] { [("last_hidden_state", hidden)] }

  func outputs(_ hidden: Tensor, _ inputs: EncoderInputs) -> [(String, Tensor)] {
    func transformed(_ x: Tensor) -> Tensor {
      denseNorm(denseActivation(dense(x)))
    }
    let classifier = Linear(self.hidden, labels, Weights("classifier"))
    switch head {
    case .sequenceClassification:
      let pooled = poolsMean ? mean(hidden, of: inputs.padding) : hidden.first
      return [("logits", classifier(transformed(pooled)))]
    case .tokenClassification: return [("logits", classifier(transformed(hidden)))]
    case .questionAnswering:
      return Linear(self.hidden, 2, Weights("classifier"))(transformed(hidden)).spanScores
    case .maskedLanguageModel:
      let decoder = Linear(self.hidden, words.count, Weights("decoder"), bias: false)
      let scores = isTied ? words.scores(transformed(hidden)) : decoder(transformed(hidden))
      guard hasDecoderBias else { return [("logits", scores)] }
      let bias = Weights("decoder").tensor("bias", [words.count], in: hidden.trace)
      return [("logits", scores + bias)]
    default: return outputs(hidden)
    }
  }

  /// The mean of the tokens that are not padding, `[batch, hidden]`.
  private func mean(_ x: Tensor, of padding: Tensor) -> Tensor {
    let weights = padding.cast(.f32).reshaped([x.shape[0], x.shape[1], 1])
    return ((x * weights).sum(1) / weights.sum(1)).reshaped([x.shape[0], Dim(hidden)])
  }
}

/// `h = x + attention(norm(x)); h + feedForward(norm(h))`; the first layer's input is normalised
/// already.
struct ModernBertLayer: Layer {
  let attentionNorm: LayerNorm?
  let heads: Int
  let projection, output: Linear
  let rotary: Rotary
  /// Keys from this distance on do not count.
  let window: Int?
  let feedForwardNorm: LayerNorm
  let feedForward: JoinedGatedFeedForward

  func callAsFunction(_ input: (x: Tensor, inputs: EncoderInputs)) -> Tensor {
    let (x, inputs) = input
    let h = x.trace.scoped("attention") {
      x + attention(attentionNorm?(x) ?? x, inputs)
    }
    return x.trace.scoped("feed forward") { h + feedForward(feedForwardNorm(h)) }
  }

  private func attention(_ x: Tensor, _ inputs: EncoderInputs) -> Tensor {
    let width = rotary.width
    let all = projection(x)
    func part(_ index: Int) -> Tensor {
      let start = Dim(index * heads * width)
      return all.slice(axis: 2, from: start, count: Dim(heads * width)).heads(heads)
    }
    return output(
      Burin.attention(
        query: rotary(part(0), positions: inputs.positions),
        key: rotary(part(1), positions: inputs.positions), value: part(2),
        scale: 1 / Double(width).squareRoot(), mask: inputs.mask(window: window)))
  }
}
