import BurinHub
import BurinIR

/// MPNet (Song et al., 2020), as transformers' `modeling_mpnet`: RoBERTa with biases by relative
/// position that all layers share.
struct MPNet: EncoderFamily {
  static let modelTypes = ["mpnet"]
  static let bodyPrefix = "mpnet"
  static let architectures: KeyValuePairs<String, Head> = [
    "MPNetModel": .bare, "MPNetForSequenceClassification": .sequenceClassification,
    "MPNetForTokenClassification": .tokenClassification,
    "MPNetForQuestionAnswering": .questionAnswering, "MPNetForMaskedLM": .maskedLanguageModel,
  ]

  static func isUnused(_ name: String) -> Bool {
    name.hasSuffix("embeddings.position_ids") || name.contains("pooler.dense.")
      || name.hasPrefix("lm_head.")
  }

  /// transformers' code fixes the padding of positions, and the buckets.
  private static let paddingID = 1
  private static let buckets = 32

  let head: Head
  let weights: Weights
  let hidden, labels: Int
  let epsilon: Double
  let isTied: Bool
  let words, positionTable: Embedding
  let embeddingNorm: LayerNorm
  let relativePositions: RelativePositions
  let layers: [PostNormLayer]

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    let sizes = try EncoderSizes(config, absent: .init(vocabulary: 30_527))
    let (hidden, heads, intermediate) = (sizes.hidden, sizes.heads, sizes.intermediate)
    let epsilon = try config["layer_norm_eps"].epsilon(default: 1e-12)
    let activation = try config["hidden_act"].activation(default: "gelu")
    guard sizes.positions > MPNet.paddingID + 1 else {
      throw config["max_position_embeddings"].error(
        expected: "more positions than the \(MPNet.paddingID + 1) that padding takes")
    }
    self.head = head
    self.hidden = hidden
    self.epsilon = epsilon
    weights = body
    labels = try config.labelCount()
    isTied = try config["tie_word_embeddings"].flag(default: true)
    let embeddings = body["embeddings"]
    words = Embedding(sizes.vocabulary, hidden, embeddings["word_embeddings"])
    positionTable = Embedding(sizes.positions, hidden, embeddings["position_embeddings"])
    embeddingNorm = LayerNorm(hidden, embeddings["LayerNorm"], epsilon: epsilon)
    let rows = try config["relative_attention_num_buckets"].int(
      in: MPNet.buckets...1 << 16, default: MPNet.buckets)
    relativePositions = RelativePositions(
      table: Embedding(rows, heads, body["encoder"]["relative_attention_bias"]),
      buckets: MPNet.buckets, farthest: 128, isBidirectional: true)
    layers = (0..<sizes.layers).map { index in
      let layer = body["encoder"]["layer"][index]
      let attention = layer["attention"]["attn"]
      return PostNormLayer(
        attention: SelfAttention(
          heads: heads, query: Linear(hidden, hidden, attention["q"]),
          key: Linear(hidden, hidden, attention["k"]),
          value: Linear(hidden, hidden, attention["v"]),
          output: Linear(hidden, hidden, attention["o"])),
        attentionNorm: LayerNorm(hidden, layer["attention"]["LayerNorm"], epsilon: epsilon),
        feedForward: FeedForward(
          up: Linear(hidden, intermediate, layer["intermediate"]["dense"]),
          activation: activation, down: Linear(intermediate, hidden, layer["output"]["dense"])),
        feedForwardNorm: LayerNorm(hidden, layer["output"]["LayerNorm"], epsilon: epsilon))
    }
  }

  let takesTokenTypes = false
  let takesPositions = true
  var maximumLength: Int { positionTable.count - MPNet.paddingID - 1 }

  func positions(_ ids: Tensor) -> Tensor { ids.positions(afterPadding: MPNet.paddingID) }

  func encode(_ inputs: EncoderInputs) -> Tensor {
    let trace = inputs.ids.trace
    let seq = inputs.ids.shape[1]
    let embedded = trace.scoped("embeddings") {
      embeddingNorm(words(inputs.ids) + positionTable(inputs.positions))
    }
    let biases = trace.scoped("relative positions") {
      relativePositions(trace.iota([1, seq], axis: 1), keys: seq)
    }
    return layers(embedded, mask: biases + inputs.mask)
  }

  func outputs(_ hidden: Tensor) -> [(String, Tensor)] {
    let width = self.hidden
    let classifier = Weights("classifier")
    switch head {
    case .sequenceClassification:
      let dense = Linear(width, width, classifier["dense"])(hidden.first).tanh()
      return [("logits", Linear(width, labels, classifier["out_proj"])(dense))]
    case .tokenClassification: return [("logits", Linear(width, labels, classifier)(hidden))]
    case .questionAnswering:
      return Linear(width, 2, Weights("qa_outputs"))(hidden).spanScores
    case .maskedLanguageModel:
      let lmHead = Weights("lm_head")
      let h = LayerNorm(width, lmHead["layer_norm"], epsilon: epsilon)(
        Linear(width, width, lmHead["dense"])(hidden).gelu())
      let decoder = Linear(width, words.count, lmHead["decoder"], bias: false)
      let bias = lmHead.tensor("bias", [words.count], in: hidden.trace)
      return [("logits", (isTied ? words.scores(h) : decoder(h)) + bias)]
    default:
      let pooler = Linear(width, width, weights["pooler"]["dense"])
      return [("last_hidden_state", hidden), ("pooler_output", pooler(hidden.first).tanh())]
    }
  }
}
