import BurinHub
import BurinIR

/// A family of decoders: the part of `Family` that its members share, from the stateless `forward`
/// to the `step` over a cache.
protocol DecoderFamily: PooledFamily {
  var head: Head { get }
  var body: DecoderBody { get }

  /// Whether positions count only the tokens that are not padding.
  var countsPadding: Bool { get }
  /// Where the weights of a head for token classification are.
  var tokenClassifier: String { get }
}

/// A layer of a decoder.
protocol DecoderLayer {
  /// Gives the layer's output `[batch, seq, hidden]`.
  func callAsFunction(_ x: Tensor, _ context: DecoderContext) -> Tensor
}

extension DecoderFamily {
  var countsPadding: Bool { true }
  var tokenClassifier: String { "score" }
  var maximumLength: Int { body.maximumLength }
  var longContext: LongContext? { body.longContext }

  func entries(_ limits: Limits) throws(HubError) -> [Entry] {
    var entries = [
      Entry.trace("forward") { trace in
        let call = whole(trace, limits)
        return trace.scoped("head") { outputs(call.hidden, ids: call.ids) }
      }
    ]
    if head == .languageModel {
      let shape = tokenShape(limits)
      let (batch, seq) = (shape[0], shape[1])
      let context = Dim(Symbol("context", maximum: limits.sequence ?? defaultLength))
      entries.append(step("step", batch, seq, context) { $0.last(of: $1) })
      let drafts = min(PromptLookup.longest + 1, limits.sequence ?? defaultLength)
      let tokens = Dim(Symbol("drafts", maximum: drafts))
      entries.append(step("verify", batch, tokens, context) { $1 })
    }
    return entries
  }

  func states(_ trace: Trace, _ limits: Limits) -> TokenStates {
    let call = whole(trace, limits)
    return TokenStates(
      hidden: trace.scoped("head") { body.normalize(call.hidden) }, padding: call.padding)
  }

  /// A call that remembers nothing: its inputs, and what the last layer gives.
  private func whole(
    _ trace: Trace, _ limits: Limits
  ) -> (ids: Tensor, padding: Tensor, hidden: Tensor) {
    let ids = trace.input("input_ids", .i32, tokenShape(limits))
    let padding = trace.input(
      "attention_mask", .i32, ids.shape, fallback: trace.full(1, .i32, ids.shape))
    let positions = trace.input(
      "position_ids", .i32, ids.shape,
      fallback: countsPadding ? trace.iota(ids.shape, axis: 1) : padding.countedPositions)
    let context = DecoderContext(
      positions: positions, padding: padding, looksAhead: body.looksAhead)
    // transformers takes positions where nothing follows from them, so they are added times 0.
    let unread = positions * trace.constant(0, .i32)
    let hidden = stack(body.readsPositions ? ids : ids + unread, positions: positions) { _ in
      context
    }
    return (ids, padding, hidden)
  }

  /// The tokens `input_ids[batch, tokens]` appended to each sequence's cache, of which the first
  /// `counts[batch]` count; the logits of the rows that `scored` chooses of the hidden states:
  /// `[batch, vocabulary]` after the last token, or `[batch, tokens, vocabulary]` after each.
  private func step(
    _ name: String, _ batch: Dim, _ tokens: Dim, _ context: Dim,
    scored: (CachedStep, Tensor) -> Tensor
  ) -> Entry {
    Entry.trace(name) { trace in
      let step = CachedStep(
        trace, batch: batch, tokens: tokens, context: context,
        isStretched: body.longContext != nil)
      let hidden = stack(step.ids, positions: step.positions) { step.layer($0) }
      let logits = trace.scoped("head") { body.scores(body.normalize(scored(step, hidden))) }
      return (outputs: [("logits", logits)], successors: step.successors)
    }
  }

  /// The embeddings and all layers, without what follows the last one.
  private func stack(
    _ ids: Tensor, positions: Tensor, _ context: (Int) -> DecoderContext
  ) -> Tensor {
    let trace = ids.trace
    let embedded = trace.scoped("embeddings") { body.embed(ids, positions: positions) }
    return body.layers.enumerated().reduce(embedded) { x, layer in
      trace.scoped("layer \(layer.offset)") { layer.element(x, context(layer.offset)) }
    }
  }

  private func outputs(_ hidden: Tensor, ids: Tensor) -> [(String, Tensor)] {
    let hidden = body.normalize(hidden)
    switch head {
    case .languageModel: return [("logits", body.scores(hidden))]
    case .sequenceClassification:
      let score = Linear(body.outputWidth, body.labels, Weights("score"), bias: false)
      let last = hidden.gather(lastToken(ids))
      return [("logits", score(last).reshaped([ids.shape[0], Dim(body.labels)]))]
    case .tokenClassification:
      let classifier = Linear(body.outputWidth, body.labels, Weights(tokenClassifier))
      return [("logits", classifier(hidden))]
    case .questionAnswering:
      return Linear(body.outputWidth, 2, Weights("qa_outputs"))(hidden).spanScores
    default: return [("last_hidden_state", hidden)]
    }
  }

  /// The place of the rightmost token that is not padding, `[batch, 1]`; without a padding token,
  /// the last one.
  private func lastToken(_ ids: Tensor) -> Tensor {
    let places = ids.trace.iota(ids.shape, axis: 1)
    guard let paddingID = body.paddingID else { return places.maximum(1) }
    let padding = ids.trace.constant(Double(paddingID), .i32)
    return (places * ids.binary(.equal, padding).unary(.not).cast(.i32)).maximum(1)
  }
}

extension Tensor {
  /// Of a mask `i32[batch, seq]`: how many tokens that are not padding stand before each token, and -1
  /// for padding.
  var countedPositions: Tensor {
    cumulativeSum(axis: 1) * self + trace.constant(-1, .i32)
  }
}

extension JSONField {
  /// The token that fills sequences up, if there is one.
  func paddingID() throws(HubError) -> Int? {
    self["pad_token_id"].exists ? try self["pad_token_id"].int(in: -1...1 << 24) : nil
  }
}
