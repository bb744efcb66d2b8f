import BurinHub
import BurinIR

/// DeBERTa (He et al., 2020) and its later versions, as transformers' `modeling_deberta` and
/// `modeling_deberta_v2`: attention in which tokens and distances answer each other.
struct Deberta: EncoderFamily {
  static let modelTypes = ["deberta", "deberta-v2"]
  static let bodyPrefix = "deberta"
  static let architectures: KeyValuePairs<String, Head> = [
    "DebertaModel": .bare, "DebertaForSequenceClassification": .sequenceClassification,
    "DebertaForTokenClassification": .tokenClassification,
    "DebertaForQuestionAnswering": .questionAnswering,
    "DebertaForMaskedLM": .maskedLanguageModel,
    "DebertaV2Model": .bare, "DebertaV2ForSequenceClassification": .sequenceClassification,
    "DebertaV2ForTokenClassification": .tokenClassification,
    "DebertaV2ForQuestionAnswering": .questionAnswering,
    "DebertaV2ForMaskedLM": .maskedLanguageModel,
  ]

  /// Positions that are not added, the other heads, and the norm of distances where there are none.
  static func isUnused(_ name: String) -> Bool {
    name.contains("encoder.LayerNorm.") || name.contains("position_embeddings")
      || name.hasSuffix("embeddings.position_ids")
      || name.hasPrefix("cls.") || name.hasPrefix("lm_predictions.")
      || name.hasPrefix("mask_predictions.")
  }

  let head: Head
  let hidden, embeddingWidth, labels: Int
  let epsilon: Double
  let activation, poolerActivation: Activation
  let isTied, isLegacy: Bool
  let words: Embedding
  let positions, tokenTypes: Embedding?
  let projection: Linear?
  let embeddingNorm: LayerNorm
  let distances: DistanceRows?
  let distanceTable: Embedding
  let distanceNorm: LayerNorm?
  let layers: [DebertaLayer]
  let convolution: DebertaConvolution?
  let maximumLength, defaultLength: Int

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    let isFirst = try config["model_type"].string() == "deberta"
    let sizes = try EncoderSizes(
      config,
      absent: isFirst
        ? .init(vocabulary: 50_265)
        : .init(vocabulary: 128_100, hidden: 1536, intermediate: 6144, layers: 24, heads: 24))
    let (hidden, intermediate, length) = (sizes.hidden, sizes.intermediate, sizes.positions)
    let epsilon = try config["layer_norm_eps"].epsilon(default: 1e-7)
    let attention = try DebertaAttentionConfiguration(config, sizes, isFirst: isFirst)
    let activation = try config["hidden_act"].activation(default: "gelu")
    self.head = head
    self.hidden = hidden
    self.epsilon = epsilon
    self.activation = activation
    poolerActivation = try config["pooler_hidden_act"].activation(default: "gelu")
    let poolerWidth = try config["pooler_hidden_size"].width(default: hidden)
    guard poolerWidth == hidden || head != .sequenceClassification else {
      throw config["pooler_hidden_size"].error(expected: "hidden_size, \(hidden)")
    }
    labels = try config.labelCount()
    isTied = try config["tie_word_embeddings"].flag(default: true)
    isLegacy = try config["legacy"].flag(default: true)
    let embeddings = body["embeddings"]
    let width = try config["embedding_size"].width(default: hidden)
    embeddingWidth = width
    guard isLegacy || width == hidden || head != .maskedLanguageModel else {
      throw config["embedding_size"].error(expected: "hidden_size, \(hidden), unless legacy")
    }
    words = Embedding(sizes.vocabulary, width, embeddings["word_embeddings"])
    let addsPositions = try config["position_biased_input"].flag(default: true)
    positions = addsPositions ? Embedding(length, width, embeddings["position_embeddings"]) : nil
    let types = try config["type_vocab_size"].int(in: 0...1 << 16, default: 0)
    tokenTypes = types > 0 ? Embedding(types, width, embeddings["token_type_embeddings"]) : nil
    projection =
      width == hidden ? nil : Linear(width, hidden, embeddings["embed_proj"], bias: false)
    embeddingNorm = LayerNorm(hidden, embeddings["LayerNorm"], epsilon: epsilon)
    let encoder = body["encoder"]
    distances = attention.distances
    distanceTable = Embedding(
      2 * (attention.distances?.span ?? 1), hidden, encoder["rel_embeddings"])
    let norms = try config["norm_rel_ebd"].string(default: "none").utf8String.lowercased()
    distanceNorm =
      !isFirst
        && norms.split(separator: "|").contains { $0.filter { $0 != " " } == "layer_norm" }
      ? LayerNorm(hidden, encoder["LayerNorm"], epsilon: epsilon) : nil
    layers = (0..<sizes.layers).map { index in
      let layer = encoder["layer"][index]
      return DebertaLayer(
        attention: attention.layer(layer["attention"]),
        attentionNorm: LayerNorm(
          hidden, layer["attention"]["output"]["LayerNorm"], epsilon: epsilon),
        feedForward: FeedForward(
          up: Linear(hidden, intermediate, layer["intermediate"]["dense"]),
          activation: activation, down: Linear(intermediate, hidden, layer["output"]["dense"])),
        feedForwardNorm: LayerNorm(hidden, layer["output"]["LayerNorm"], epsilon: epsilon))
    }
    convolution =
      isFirst
      ? nil : try DebertaConvolution(config, hidden: hidden, encoder["conv"], epsilon: epsilon)
    maximumLength = min(addsPositions ? length : 1 << 24, distances?.longest ?? .max)
    defaultLength = min(length, maximumLength)
  }

  let takesTokenTypes = true
  let takesPositions = true

  func positions(_ ids: Tensor) -> Tensor { ids.trace.iota(ids.shape, axis: 1) }

  func encode(_ inputs: EncoderInputs) -> Tensor {
    let trace = inputs.ids.trace
    let counts = inputs.padding.cast(.f32).reshaped(inputs.ids.shape + [1])
    let embedded = trace.scoped("embeddings") {
      var sum = words(inputs.ids)
      sum = positions.map { sum + $0(inputs.positions) } ?? sum.reading(inputs.positions)
      if let types = inputs.tokenTypes {
        sum = tokenTypes.map { sum + $0(types) } ?? sum.reading(types)
      }
      return embeddingNorm(projection?(sum) ?? sum) * counts
    }
    let vectors = trace.scoped("distances") {
      distances.map {
        DistanceVectors(
          distanceTable, $0, norm: distanceNorm, seq: inputs.ids.shape[1], in: trace)
      }
    }
    return layers.enumerated().reduce(embedded) { x, layer in
      trace.scoped("layer \(layer.offset)") {
        let y = layer.element(
          x, distances: vectors, mask: inputs.mask, padding: inputs.padding)
        guard layer.offset == 0, let convolution else { return y }
        return trace.scoped("convolution") {
          convolution(embedded, residual: y) * counts
        }
      }
    }
  }

  func outputs(_ hidden: Tensor) -> [(String, Tensor)] {
    let width = self.hidden
    switch head {
    case .sequenceClassification:
      let pooled = poolerActivation(
        Linear(width, width, Weights("pooler")["dense"])(hidden.first))
      return [("logits", Linear(width, labels, Weights("classifier"))(pooled))]
    case .tokenClassification:
      return [("logits", Linear(width, labels, Weights("classifier"))(hidden))]
    case .questionAnswering:
      return Linear(width, 2, Weights("qa_outputs"))(hidden).spanScores
    case .maskedLanguageModel: return [("logits", wordScores(hidden))]
    default: return [("last_hidden_state", hidden)]
    }
  }

  /// The scores of the words in either of the two places that their head has had.
  private func wordScores(_ hidden: Tensor) -> Tensor {
    let top = isLegacy ? Weights("cls.predictions") : Weights("lm_predictions.lm_head")
    let transform = isLegacy ? top["transform"] : top
    let dense = Linear(self.hidden, embeddingWidth, transform["dense"])
    let norm = LayerNorm(embeddingWidth, transform["LayerNorm"], epsilon: epsilon)
    let h = norm(activation(dense(hidden)))
    let scores =
      isTied || !isLegacy
      ? words.scores(h) : Linear(embeddingWidth, words.count, top["decoder"], bias: false)(h)
    return scores + top.tensor("bias", [words.count], in: hidden.trace)
  }
}

/// A layer of the encoder, normalised after each sublayer.
///
/// transformers masks the rows of padding whole, so that they see all tokens alike, and their embeddings
/// are zeros. That is read where the first token is padding: a classifier of sequences reads its row,
/// which depends on how much padding there is.
struct DebertaLayer {
  let attention: DisentangledAttention
  let attentionNorm: LayerNorm
  let feedForward: FeedForward
  let feedForwardNorm: LayerNorm

  func callAsFunction(
    _ x: Tensor, distances: DistanceVectors?, mask: Tensor, padding: Tensor
  ) -> Tensor {
    let h = x.trace.scoped("attention") {
      attentionNorm(
        x + attention(x, distances: distances, mask: mask, padding: padding))
    }
    return x.trace.scoped("feed forward") { feedForwardNorm(h + feedForward(h)) }
  }
}
