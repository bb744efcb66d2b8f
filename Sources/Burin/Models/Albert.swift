import BurinHub
import BurinIR

/// ALBERT (Lan et al., 2019), as transformers' `modeling_albert`: BERT with layers that share their
/// weights, behind narrow embeddings.
struct Albert: EncoderFamily {
  static let modelTypes = ["albert"]
  static let bodyPrefix = "albert"
  static let architectures: KeyValuePairs<String, Head> = [
    "AlbertModel": .bare, "AlbertForSequenceClassification": .sequenceClassification,
    "AlbertForTokenClassification": .tokenClassification,
    "AlbertForQuestionAnswering": .questionAnswering, "AlbertForMaskedLM": .maskedLanguageModel,
  ]

  static func isUnused(_ name: String) -> Bool {
    name.hasSuffix("embeddings.position_ids") || name.hasPrefix("predictions.")
      || name.hasPrefix("sop_classifier.") || name.contains("pooler.")
      || name.hasSuffix("embeddings.position_embeddings.weight")
  }

  let head: Head
  let weights: Weights
  let hidden, embeddingWidth, labels: Int
  let epsilon: Double
  let activation: Activation
  let isTied: Bool
  let words, tokenTypes: Embedding
  /// `nil` where attention knows the distances.
  let positionTable: Embedding?
  let embeddingNorm: LayerNorm
  let projection: Linear
  let layers: [PostNormLayer]
  let maximumLength: Int

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    let sizes = try EncoderSizes(
      config,
      absent: .init(vocabulary: 30_000, hidden: 4096, intermediate: 16_384, heads: 64))
    let (hidden, heads, intermediate) = (sizes.hidden, sizes.heads, sizes.intermediate)
    let (count, longest) = (sizes.layers, sizes.positions)
    let narrow = try config["embedding_size"].width(default: 128)
    let epsilon = try config["layer_norm_eps"].epsilon(default: 1e-12)
    let activation = try config["hidden_act"].activation(default: "gelu_new")
    let kind = try EncoderPositions(config)
    let groups = try config["num_hidden_groups"].int(in: 1...4096, default: 1)
    let inner = try config["inner_group_num"].int(in: 1...4096, default: 1)
    guard groups <= count else {
      throw config["num_hidden_groups"].error(expected: "at most the \(count) layers")
    }
    self.head = head
    self.hidden = hidden
    self.epsilon = epsilon
    self.activation = activation
    weights = body
    embeddingWidth = narrow
    labels = try config.labelCount()
    isTied = try config["tie_word_embeddings"].flag(default: true)
    maximumLength = longest
    let embeddings = body["embeddings"]
    words = Embedding(sizes.vocabulary, narrow, embeddings["word_embeddings"])
    positionTable =
      kind == .absolute ? Embedding(longest, narrow, embeddings["position_embeddings"]) : nil
    tokenTypes = Embedding(
      try config["type_vocab_size"].int(in: 1...1 << 16, default: 2), narrow,
      embeddings["token_type_embeddings"])
    embeddingNorm = LayerNorm(narrow, embeddings["LayerNorm"], epsilon: epsilon)
    projection = Linear(narrow, hidden, body["encoder"]["embedding_hidden_mapping_in"])
    layers = (0..<count).flatMap { index in
      // In floats, as transformers has it: a quotient that rounds down ends in the group before.
      let place = Int(Double(index) / (Double(count) / Double(groups)))
      let group = body["encoder"]["albert_layer_groups"][place]
      return (0..<inner).map { member in
        let layer = group["albert_layers"][member]
        let attention = layer["attention"]
        return PostNormLayer(
          attention: kind.attention(
            SelfAttention(
              heads: heads, query: Linear(hidden, hidden, attention["query"]),
              key: Linear(hidden, hidden, attention["key"]),
              value: Linear(hidden, hidden, attention["value"]),
              output: Linear(hidden, hidden, attention["dense"])),
            distances: attention["distance_embedding"], longest: longest, isScaled: false),
          attentionNorm: LayerNorm(hidden, attention["LayerNorm"], epsilon: epsilon),
          feedForward: FeedForward(
            up: Linear(hidden, intermediate, layer["ffn"]), activation: activation,
            down: Linear(intermediate, hidden, layer["ffn_output"])),
          feedForwardNorm: LayerNorm(
            hidden, layer["full_layer_layer_norm"], epsilon: epsilon))
      }
    }
  }

  let takesTokenTypes = true
  let takesPositions = true

  func positions(_ ids: Tensor) -> Tensor { ids.trace.iota(ids.shape, axis: 1) }

  func encode(_ inputs: EncoderInputs) -> Tensor {
    let embedded = inputs.ids.trace.scoped("embeddings") {
      var sum = words(inputs.ids)
      if let types = inputs.tokenTypes { sum = sum + tokenTypes(types) }
      sum = positionTable.map { sum + $0(inputs.positions) } ?? sum.reading(inputs.positions)
      return projection(embeddingNorm(sum))
    }
    return layers(embedded, mask: inputs.mask)
  }

  private func pooled(_ hidden: Tensor) -> Tensor {
    Linear(self.hidden, self.hidden, weights["pooler"])(hidden.first).tanh()
  }

  func outputs(_ hidden: Tensor) -> [(String, Tensor)] {
    let classifier = Linear(self.hidden, labels, Weights("classifier"))
    switch head {
    case .sequenceClassification: return [("logits", classifier(pooled(hidden)))]
    case .tokenClassification: return [("logits", classifier(hidden))]
    case .questionAnswering:
      return Linear(self.hidden, 2, Weights("qa_outputs"))(hidden).spanScores
    case .maskedLanguageModel:
      let predictions = Weights("predictions")
      let dense = Linear(self.hidden, embeddingWidth, predictions["dense"])(hidden)
      let h = LayerNorm(embeddingWidth, predictions["LayerNorm"], epsilon: epsilon)(
        activation(dense))
      let decoder = Linear(embeddingWidth, words.count, predictions["decoder"], bias: false)
      let bias = predictions.tensor("bias", [words.count], in: hidden.trace)
      return [("logits", (isTied ? words.scores(h) : decoder(h)) + bias)]
    default: return [("last_hidden_state", hidden), ("pooler_output", pooled(hidden))]
    }
  }
}
