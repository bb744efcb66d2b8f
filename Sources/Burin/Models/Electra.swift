import BurinHub
import BurinIR

/// ELECTRA (Clark et al., 2020), as transformers' `modeling_electra`: BERT's stack behind embeddings
/// that may be narrower, without a pooler.
struct Electra: EncoderFamily {
  static let modelTypes = ["electra"]
  static let bodyPrefix = "electra"
  static let architectures: KeyValuePairs<String, Head> = [
    "ElectraModel": .bare, "ElectraForPreTraining": .replacedTokenDetection,
    "ElectraForSequenceClassification": .sequenceClassification,
    "ElectraForTokenClassification": .tokenClassification,
    "ElectraForQuestionAnswering": .questionAnswering, "ElectraForMaskedLM": .maskedLanguageModel,
  ]

  static func isUnused(_ name: String) -> Bool {
    BertBody.isUnused(name) || name.hasPrefix("discriminator_predictions.")
      || name.hasPrefix("generator_predictions.") || name.hasPrefix("generator_lm_head.")
  }

  let head: Head
  let body: BertBody
  let labels: Int
  let top = Weights()

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    self.head = head
    let sizes = try EncoderSizes(config, absent: .init(hidden: 256, intermediate: 1024, heads: 4))
    self.body = try BertBody(
      config, body, sizes, embeddingWidth: config["embedding_size"].width(default: 128))
    labels = try config.labelCount()
  }

  let takesTokenTypes = true
  let takesPositions = true
  var maximumLength: Int { body.maximumPositions }

  func positions(_ ids: Tensor) -> Tensor { ids.trace.iota(ids.shape, axis: 1) }

  func encode(_ inputs: EncoderInputs) -> Tensor { body(inputs) }

  func outputs(_ hidden: Tensor) -> [(String, Tensor)] {
    let width = body.hidden
    let classifier = top["classifier"]
    switch head {
    case .sequenceClassification:
      let dense = Linear(width, width, classifier["dense"])(hidden.first).gelu()
      return [("logits", Linear(width, labels, classifier["out_proj"])(dense))]
    case .tokenClassification:
      return [("logits", Linear(width, labels, classifier)(hidden))]
    case .questionAnswering:
      return Linear(width, 2, top["qa_outputs"])(hidden).spanScores
    case .maskedLanguageModel:
      let predictions = top["generator_predictions"]
      let narrow = body.embeddingWidth
      let norm = LayerNorm(narrow, predictions["LayerNorm"], epsilon: body.epsilon)
      let h = norm(Linear(width, narrow, predictions["dense"])(hidden).gelu())
      return [
        (
          "logits",
          body.vocabularyScores(
            h, bias: top["generator_lm_head"], decoder: top["generator_lm_head"])
        )
      ]
    case .replacedTokenDetection:
      let predictions = top["discriminator_predictions"]
      let dense = Linear(width, width, predictions["dense"])(hidden)
      let logits = Linear(width, 1, predictions["dense_prediction"])(
        body.activation(dense))
      return [("logits", logits.reshaped(Array(hidden.shape[..<2])))]
    default: return [("last_hidden_state", hidden)]
    }
  }
}
