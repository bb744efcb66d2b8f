import BurinHub
import BurinIR

/// DistilBERT (Sanh et al., 2019), as transformers' `modeling_distilbert`: BERT's layers under other
/// names, without token types and pooler.
struct DistilBert: EncoderFamily {
  static let modelTypes = ["distilbert"]
  static let bodyPrefix = "distilbert"
  static let architectures: KeyValuePairs<String, Head> = [
    "DistilBertModel": .bare, "DistilBertForSequenceClassification": .sequenceClassification,
    "DistilBertForTokenClassification": .tokenClassification,
    "DistilBertForQuestionAnswering": .questionAnswering,
    "DistilBertForMaskedLM": .maskedLanguageModel,
  ]

  static func isUnused(_ name: String) -> Bool {
    name.hasSuffix("embeddings.position_ids") || name.hasPrefix("vocab_")
  }

  let head: Head
  let hidden: Int
  let labels: Int
  let maximumLength: Int
  let activation: Activation
  /// Whether the output projection is the word embeddings.
  let isTied: Bool
  let words, positionTable: Embedding
  let embeddingNorm: LayerNorm
  let layers: [PostNormLayer]
  let top = Weights()

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    self.head = head
    let hidden = try config.first(of: "hidden_size", "dim").width(default: 768)
    let heads = try config.first(of: "num_attention_heads", "n_heads").heads(
      dividing: hidden, default: 12)
    let intermediate = try config["hidden_dim"].width(default: 3072)
    let activation = try config["activation"].activation(default: "gelu")
    self.hidden = hidden
    self.activation = activation
    labels = try config.labelCount()
    isTied = try config["tie_word_embeddings"].flag(default: true)
    maximumLength = try config["max_position_embeddings"].int(in: 1...1 << 24, default: 512)
    let embeddings = body["embeddings"]
    words = Embedding(
      try config["vocab_size"].int(in: 1...1 << 24, default: 30_522), hidden,
      embeddings["word_embeddings"])
    positionTable = Embedding(maximumLength, hidden, embeddings["position_embeddings"])
    embeddingNorm = LayerNorm(hidden, embeddings["LayerNorm"], epsilon: 1e-12)
    let count = try config.first(of: "num_hidden_layers", "n_layers").layers(default: 6)
    layers = (0..<count).map { index in
      let layer = body["transformer"]["layer"][index]
      let attention = layer["attention"]
      return PostNormLayer(
        attention: SelfAttention(
          heads: heads, query: Linear(hidden, hidden, attention["q_lin"]),
          key: Linear(hidden, hidden, attention["k_lin"]),
          value: Linear(hidden, hidden, attention["v_lin"]),
          output: Linear(hidden, hidden, attention["out_lin"])),
        attentionNorm: LayerNorm(hidden, layer["sa_layer_norm"], epsilon: 1e-12),
        feedForward: FeedForward(
          up: Linear(hidden, intermediate, layer["ffn"]["lin1"]), activation: activation,
          down: Linear(intermediate, hidden, layer["ffn"]["lin2"])),
        feedForwardNorm: LayerNorm(hidden, layer["output_layer_norm"], epsilon: 1e-12))
    }
  }

  let takesTokenTypes = false
  let takesPositions = false

  func positions(_ ids: Tensor) -> Tensor { ids.trace.iota(ids.shape, axis: 1) }

  func encode(_ inputs: EncoderInputs) -> Tensor {
    let embedded = inputs.ids.trace.scoped("embeddings") {
      embeddingNorm(words(inputs.ids) + positionTable(inputs.positions))
    }
    return layers(embedded, mask: inputs.mask)
  }

  func outputs(_ hidden: Tensor) -> [(String, Tensor)] {
    let width = self.hidden
    switch head {
    case .sequenceClassification:
      let dense = Linear(width, width, top["pre_classifier"])(hidden.first).relu()
      return [("logits", Linear(width, labels, top["classifier"])(dense))]
    case .tokenClassification:
      return [("logits", Linear(width, labels, top["classifier"])(hidden))]
    case .questionAnswering:
      return Linear(width, 2, top["qa_outputs"])(hidden).spanScores
    case .maskedLanguageModel:
      let norm = LayerNorm(width, top["vocab_layer_norm"], epsilon: 1e-12)
      let h = norm(activation(Linear(width, width, top["vocab_transform"])(hidden)))
      let projector = top["vocab_projector"]
      let output = Linear(width, words.count, projector, bias: false)
      let bias = projector.tensor("bias", [words.count], in: hidden.trace)
      return [("logits", (isTied ? words.scores(h) : output(h)) + bias)]
    default: return [("last_hidden_state", hidden)]
    }
  }
}
