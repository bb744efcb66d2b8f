import BurinHub
import BurinIR

/// What encoder-decoders put on top to classify and to answer, as transformers' copies of BART have it.
struct SequenceHeads {
  let kind: Head
  let hidden, labels: Int
  /// The id whose last place in the source is what a classifier of sequences looks at.
  let endID: Int

  init(_ config: JSONField, _ head: Head, hidden: Int, endID: Int) throws(HubError) {
    kind = head
    self.hidden = hidden
    labels = try config.labelCount()
    self.endID = try config["eos_token_id"].int(in: 0...1 << 24, default: endID)
  }

  func callAsFunction(_ x: Tensor, source: Tensor?) -> [(String, Tensor)] {
    switch kind {
    case .sequenceClassification:
      guard let source else { return [] }
      let top = Weights("classification_head")
      let ends = source.binary(.equal, x.trace.constant(Double(endID), .i32)).cast(.i32)
      let last = (ends * x.trace.iota(source.shape, axis: 1)).maximum(1)
      let vector = x.gather(last).reshaped([x.shape[0], Dim(hidden)])
      let dense = Linear(hidden, hidden, top["dense"])(vector).tanh()
      return [("logits", Linear(hidden, labels, top["out_proj"])(dense))]
    case .tokenClassification:
      return [("logits", Linear(hidden, labels, Weights("classifier"))(x))]
    case .questionAnswering: return Linear(hidden, 2, Weights("qa_outputs"))(x).spanScores
    default: return [("last_hidden_state", x)]
    }
  }
}

extension Tensor {
  /// Ids `[batch, seq]` one place further, after `start[batch, 1]`.
  func shiftedRight(after start: Tensor) -> Tensor {
    let places = trace.iota(shape, axis: 1)
    let isFirst = places.binary(.equal, trace.constant(0, .i32))
    let before = (places + trace.constant(-1, .i32)).binary(.maximum, trace.constant(0, .i32))
    return isFirst.select(start.broadcast(shape), gather(before))
  }
}
