import BurinHub
import BurinIR

/// BERT (Devlin et al., 2018), as transformers' `modeling_bert`.
struct Bert: EncoderFamily {
  static let modelTypes = ["bert"]
  static let bodyPrefix = "bert"
  static let architectures: KeyValuePairs<String, Head> = [
    "BertModel": .bare, "BertForSequenceClassification": .sequenceClassification,
    "BertForTokenClassification": .tokenClassification,
    "BertForQuestionAnswering": .questionAnswering, "BertForMaskedLM": .maskedLanguageModel,
  ]

  static func isUnused(_ name: String) -> Bool {
    BertBody.isUnused(name) || name.hasPrefix("cls.") || name.hasPrefix("bert.pooler.")
      || name.hasPrefix("pooler.")
  }

  let head: Head
  let body: BertBody
  let labels: Int
  let top = Weights()

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    self.head = head
    self.body = try BertBody(config, body, EncoderSizes(config))
    labels = try config.labelCount()
  }

  let takesTokenTypes = true
  let takesPositions = true
  var maximumLength: Int { body.maximumPositions }

  func positions(_ ids: Tensor) -> Tensor { ids.trace.iota(ids.shape, axis: 1) }

  func encode(_ inputs: EncoderInputs) -> Tensor { body(inputs) }

  private func pooled(_ hidden: Tensor) -> Tensor {
    Linear(body.hidden, body.hidden, body.weights["pooler"]["dense"])(hidden.first).tanh()
  }

  func outputs(_ hidden: Tensor) -> [(String, Tensor)] {
    switch head {
    case .sequenceClassification:
      return [("logits", Linear(body.hidden, labels, top["classifier"])(pooled(hidden)))]
    case .tokenClassification:
      return [("logits", Linear(body.hidden, labels, top["classifier"])(hidden))]
    case .questionAnswering:
      return Linear(body.hidden, 2, top["qa_outputs"])(hidden).spanScores
    case .maskedLanguageModel:
      let predictions = top["cls"]["predictions"]
      let transform = predictions["transform"]
      let dense = Linear(body.hidden, body.hidden, transform["dense"])
      let norm = LayerNorm(body.hidden, transform["LayerNorm"], epsilon: body.epsilon)
      let h = norm(body.activation(dense(hidden)))
      return [
        (
          "logits",
          body.vocabularyScores(
            h, bias: predictions, decoder: predictions["decoder"])
        )
      ]
    default:
      return [("last_hidden_state", hidden), ("pooler_output", pooled(hidden))]
    }
  }
}

/// The stack that BERT, RoBERTa and ELECTRA share: embeddings and post-norm layers.
struct BertBody {
  let weights: Weights
  let hidden: Int
  let embeddingWidth: Int
  let epsilon: Double
  let activation: Activation
  let maximumPositions: Int
  /// Whether the output projection is the word embeddings.
  let isTied: Bool
  let words, tokenTypes: Embedding
  /// `nil` where attention knows the distances.
  let positions: Embedding?
  let embeddingNorm: LayerNorm
  /// ELECTRA's step from narrow embeddings to the hidden width.
  let projection: Linear?
  let layers: [PostNormLayer]

  /// - Parameter embeddingWidth: the hidden width if `nil`.
  init(
    _ config: JSONField, _ weights: Weights, _ sizes: EncoderSizes, embeddingWidth: Int? = nil
  ) throws(HubError) {
    let (hidden, heads, intermediate) = (sizes.hidden, sizes.heads, sizes.intermediate)
    let embeddingWidth = embeddingWidth ?? hidden
    self.weights = weights
    self.embeddingWidth = embeddingWidth
    let epsilon = try config["layer_norm_eps"].epsilon(default: 1e-12)
    let activation = try config["hidden_act"].activation(default: "gelu")
    let kind = try EncoderPositions(config)
    for flag in ["is_decoder", "add_cross_attention"] as [ByteString] {
      guard try !config[flag].bool(default: false) else {
        throw config[flag].error(expected: "false: only encoders of this family are known")
      }
    }
    self.hidden = hidden
    self.epsilon = epsilon
    self.activation = activation
    maximumPositions = sizes.positions
    isTied = try config["tie_word_embeddings"].flag(default: true)
    let embeddings = weights["embeddings"]
    words = Embedding(sizes.vocabulary, embeddingWidth, embeddings["word_embeddings"])
    positions =
      kind == .absolute
      ? Embedding(sizes.positions, embeddingWidth, embeddings["position_embeddings"]) : nil
    tokenTypes = Embedding(
      try config["type_vocab_size"].int(in: 1...1 << 16, default: 2), embeddingWidth,
      embeddings["token_type_embeddings"])
    embeddingNorm = LayerNorm(embeddingWidth, embeddings["LayerNorm"], epsilon: epsilon)
    projection =
      embeddingWidth == hidden
      ? nil : Linear(embeddingWidth, hidden, weights["embeddings_project"])
    layers = (0..<sizes.layers).map { index in
      let layer = weights["encoder"]["layer"][index]
      let attention = layer["attention"]
      return PostNormLayer(
        attention: kind.attention(
          SelfAttention(
            heads: heads, query: Linear(hidden, hidden, attention["self"]["query"]),
            key: Linear(hidden, hidden, attention["self"]["key"]),
            value: Linear(hidden, hidden, attention["self"]["value"]),
            output: Linear(hidden, hidden, attention["output"]["dense"])),
          distances: attention["self"]["distance_embedding"], longest: sizes.positions),
        attentionNorm: LayerNorm(hidden, attention["output"]["LayerNorm"], epsilon: epsilon),
        feedForward: FeedForward(
          up: Linear(hidden, intermediate, layer["intermediate"]["dense"]),
          activation: activation, down: Linear(intermediate, hidden, layer["output"]["dense"])),
        feedForwardNorm: LayerNorm(hidden, layer["output"]["LayerNorm"], epsilon: epsilon))
    }
  }

  func callAsFunction(_ inputs: EncoderInputs) -> Tensor {
    let trace = inputs.ids.trace
    let embedded = trace.scoped("embeddings") {
      var sum = words(inputs.ids)
      if let types = inputs.tokenTypes { sum = sum + tokenTypes(types) }
      sum = positions.map { sum + $0(inputs.positions) } ?? sum.reading(inputs.positions)
      let normed = embeddingNorm(sum)
      return projection?(normed) ?? normed
    }
    return layers(embedded, mask: inputs.mask)
  }

  /// The output projection over the vocabulary: the word embeddings, or `decoder.weight` where the
  /// configuration unties them; with `bias.bias`.
  func vocabularyScores(_ x: Tensor, bias: Weights, decoder: Weights) -> Tensor {
    let scores =
      isTied
      ? words.scores(x) : Linear(embeddingWidth, words.count, decoder, bias: false)(x)
    return scores + bias.tensor("bias", [words.count], in: x.trace)
  }

  /// Buffers that older files hold, copies of tied tensors, and the positions of a model that knows
  /// distances.
  static func isUnused(_ name: String) -> Bool {
    name.hasSuffix("embeddings.position_embeddings.weight")
      || name.hasSuffix("embeddings.position_ids") || name.hasSuffix("embeddings.token_type_ids")
      || name.hasSuffix("predictions.decoder.weight") || name.hasSuffix("predictions.decoder.bias")
  }
}
