import BurinHub
import BurinIR

/// RoBERTa (Liu et al., 2019), as transformers' `modeling_roberta`: BERT with positions counted
/// from the padding token's id on, and heads of its own.
struct Roberta: EncoderFamily {
  static let modelTypes = ["roberta", "xlm-roberta", "camembert"]
  static let bodyPrefix = "roberta"
  static let architectures: KeyValuePairs<String, Head> = [
    "RobertaModel": .bare, "RobertaForSequenceClassification": .sequenceClassification,
    "RobertaForTokenClassification": .tokenClassification,
    "RobertaForQuestionAnswering": .questionAnswering, "RobertaForMaskedLM": .maskedLanguageModel,
    "XLMRobertaModel": .bare, "XLMRobertaForSequenceClassification": .sequenceClassification,
    "XLMRobertaForTokenClassification": .tokenClassification,
    "XLMRobertaForQuestionAnswering": .questionAnswering,
    "XLMRobertaForMaskedLM": .maskedLanguageModel,
    "CamembertModel": .bare, "CamembertForSequenceClassification": .sequenceClassification,
    "CamembertForTokenClassification": .tokenClassification,
    "CamembertForQuestionAnswering": .questionAnswering,
    "CamembertForMaskedLM": .maskedLanguageModel,
  ]

  static func isUnused(_ name: String) -> Bool {
    BertBody.isUnused(name) || name.hasPrefix("lm_head.") || name.hasPrefix("roberta.pooler.")
      || name.hasPrefix("pooler.")
  }

  let head: Head
  let body: BertBody
  let labels: Int
  let paddingID: Int
  let top = Weights()

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    self.head = head
    let isFirst = try config["model_type"].string() == "roberta"
    let sizes = try EncoderSizes(config, absent: .init(vocabulary: isFirst ? 50_265 : 30_522))
    self.body = try BertBody(config, body, sizes)
    labels = try config.labelCount()
    paddingID = try config["pad_token_id"].int(in: 0...1 << 24, default: 1)
    guard self.body.positions == nil || paddingID + 1 < self.body.maximumPositions else {
      throw config["max_position_embeddings"].error(
        expected: "more positions than the \(paddingID + 1) that padding takes")
    }
  }

  let takesTokenTypes = true
  let takesPositions = true
  var maximumLength: Int {
    body.positions == nil ? body.maximumPositions : body.maximumPositions - paddingID - 1
  }

  func positions(_ ids: Tensor) -> Tensor { ids.positions(afterPadding: paddingID) }

  func encode(_ inputs: EncoderInputs) -> Tensor { body(inputs) }

  func outputs(_ hidden: Tensor) -> [(String, Tensor)] {
    let width = body.hidden
    let classifier = top["classifier"]
    switch head {
    case .sequenceClassification:
      let dense = Linear(width, width, classifier["dense"])(hidden.first).tanh()
      return [("logits", Linear(width, labels, classifier["out_proj"])(dense))]
    case .tokenClassification:
      return [("logits", Linear(width, labels, classifier)(hidden))]
    case .questionAnswering:
      return Linear(width, 2, top["qa_outputs"])(hidden).spanScores
    case .maskedLanguageModel:
      let lmHead = top["lm_head"]
      let norm = LayerNorm(width, lmHead["layer_norm"], epsilon: body.epsilon)
      let h = norm(Linear(width, width, lmHead["dense"])(hidden).gelu())
      return [("logits", body.vocabularyScores(h, bias: lmHead, decoder: lmHead["decoder"]))]
    default:
      let pooler = Linear(width, width, body.weights["pooler"]["dense"])
      return [("last_hidden_state", hidden), ("pooler_output", pooler(hidden.first).tanh())]
    }
  }
}
