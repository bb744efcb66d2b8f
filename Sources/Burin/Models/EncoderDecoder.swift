import BurinHub
import BurinIR

/// A family of encoder-decoders, whatever its source is: the part of `Family` that its members share.
///
/// `forward` is stateless. `encode` runs the encoder once, and leaves each layer's keys and values
/// of the source behind; `step` continues the target over them.
protocol SourceToTargetFamily: Family {
  var head: Head { get }
  /// How many tokens there are scores for.
  var vocabulary: Int { get }
  var decoder: [CrossDecoderLayer] { get }
  /// How many positions every source has; `nil` for as many, up to `seq`, as a call gives.
  var sourceLength: Int? { get }
  /// Whether the forward call takes the positions of the target.
  var takesTargetPositions: Bool { get }

  /// Takes the source of a call and encodes it.
  func encodedSource(_ trace: Trace, batch: Dim, seq: Dim) -> EncodedSource

  /// Where each token of a whole target `ids[batch, target]` stands.
  func targetPositions(_ ids: Tensor) -> Tensor

  /// The target where the caller gives none: what forward() derives from the source
  /// `ids[batch, seq]`, of the same shape; `nil` where it cannot do without a target.
  func target(of ids: Tensor) -> Tensor?

  /// The decoder's embeddings `[batch, target, hidden]`.
  func embedTarget(_ ids: Tensor, positions: Tensor) -> Tensor

  /// What follows the decoder's last layer.
  func normalizeTarget(_ x: Tensor) -> Tensor

  /// The scores `[..., vocabulary]` of the tokens that may follow.
  func scores(_ x: Tensor) -> Tensor

  /// What a head other than that of a language model puts on the hidden state `[batch, seq, hidden]`
  /// of the decoder, or of the encoder where `usesEncoderAlone`.
  ///
  /// - Parameter source: the source's ids, where it is text.
  func outputs(_ hidden: Tensor, source: Tensor?) -> [(String, Tensor)]
}

/// A family of encoder-decoders whose source is text.
protocol EncoderDecoderFamily: SourceToTargetFamily {
  /// The encoder's output `[batch, seq, hidden]`.
  ///
  /// - Parameter padding: `i32[batch, seq]`, 0 where a token is padding.
  func encode(_ ids: Tensor, padding: Tensor) -> Tensor
}

extension EncoderDecoderFamily {
  var sourceLength: Int? { nil }
  var takesTargetPositions: Bool { false }

  func encodedSource(_ trace: Trace, batch: Dim, seq: Dim) -> EncodedSource {
    let (ids, padding) = source(trace, [batch, seq])
    return EncodedSource(output: encode(ids, padding: padding), padding: padding, ids: ids)
  }

  /// The vectors of the source's tokens.
  func states(_ trace: Trace, _ limits: Limits) -> TokenStates {
    let (ids, padding) = source(trace, tokenShape(limits))
    return TokenStates(hidden: encode(ids, padding: padding), padding: padding)
  }

  private func source(_ trace: Trace, _ shape: [Dim]) -> (ids: Tensor, padding: Tensor) {
    let ids = trace.input("input_ids", .i32, shape)
    let padding = trace.input(
      "attention_mask", .i32, shape, fallback: trace.full(1, .i32, shape))
    return (ids, padding)
  }
}

/// What an encoder makes of the source of a call.
struct EncodedSource {
  /// `[batch, positions, hidden]`.
  let output: Tensor
  /// `i32[batch, positions]`, 0 where a position does not count; `nil` if all do.
  let padding: Tensor?
  /// A text's, `i32[batch, positions]`.
  var ids: Tensor?

  /// The mask of attention to the source.
  func mask(queries: Dim) -> Tensor? {
    padding.map {
      $0.trace.mask([.padding($0)], batch: $0.shape[0], queries: queries, keys: $0.shape[1])
    }
  }
}

/// A layer of an encoder: self-attention and a feed-forward network, each with a residual connection.
struct EncoderLayer {
  let attention: CrossAttention
  let attentionResidual: Residual
  let feedForward: any FeedForwardLayer
  let feedForwardResidual: Residual
  /// Biases of self-attention by relative position.
  var relativePositions: RelativePositions?

  func callAsFunction(_ x: Tensor, mask: Tensor?) -> Tensor {
    let bias = bias(x.trace.iota([1, x.shape[1]], axis: 1), keys: x.shape[1])
    return fed(
      x.trace.scoped("attention") {
        attentionResidual(x) { attention($0, to: attention.memory($0), bias: bias, mask: mask) }
      })
  }

  /// The biases of queries at `positions`; layers that share a table share them.
  fileprivate func bias(_ positions: Tensor, keys: Dim) -> Tensor? {
    relativePositions.map { biases in
      positions.trace.scoped("relative positions") { biases(positions, keys: keys) }
    }
  }

  fileprivate func fed(_ x: Tensor) -> Tensor {
    x.trace.scoped("feed forward") { feedForwardResidual(x) { feedForward($0) } }
  }
}

extension EncoderLayer: DecoderLayer {
  /// The layer in a decoder without a source.
  func callAsFunction(_ x: Tensor, _ context: DecoderContext) -> Tensor {
    fed(attended(x, context))
  }

  /// Self-attention to the tokens so far.
  fileprivate func attended(_ x: Tensor, _ context: DecoderContext) -> Tensor {
    let bias = bias(context.positions, keys: context.keys)
    return x.trace.scoped("attention") {
      attentionResidual(x) {
        let memory = attention.memory($0)
        let all = (
          context.cached("keys", memory.keys), context.cached("values", memory.values)
        )
        return attention($0, to: all, bias: bias, mask: context.mask())
      }
    }
  }
}

/// A layer of a decoder: that of an encoder, with attention to the source in its middle.
struct CrossDecoderLayer {
  /// The keys and values of the source, and the mask of its padding; `nil` where nothing is padding.
  typealias Source = (memory: CrossAttention.Memory, mask: Tensor?)

  let own: EncoderLayer
  let cross: CrossAttention
  let crossResidual: Residual

  func callAsFunction(_ x: Tensor, _ context: DecoderContext, _ source: Source) -> Tensor {
    let h = own.attended(x, context)
    return own.fed(
      x.trace.scoped("cross attention") {
        crossResidual(h) { cross($0, to: source.memory, mask: source.mask) }
      })
  }
}

extension SourceToTargetFamily {
  /// Positions are relative: nothing bounds a sequence but memory.
  var maximumLength: Int { 1 << 24 }
  var defaultLength: Int { 2048 }

  func targetPositions(_ ids: Tensor) -> Tensor { ids.trace.iota(ids.shape, axis: 1) }
  func target(of ids: Tensor) -> Tensor? { nil }
  func outputs(_ hidden: Tensor, source: Tensor?) -> [(String, Tensor)] {
    [("last_hidden_state", hidden)]
  }

  /// Whether the head stands on the encoder, so that there is no decoder.
  private var usesEncoderAlone: Bool { head == .encoder || head == .tokenClassification }

  func entries(_ limits: Limits) throws(HubError) -> [Entry] {
    sourceToTargetEntries(limits)
  }

  /// The entries `forward` and, to generate, `encode` and `step`.
  func sourceToTargetEntries(_ limits: Limits) -> [Entry] {
    let length = limits.sequence ?? defaultLength
    let batch = Dim(Symbol("batch", maximum: limits.batch))
    let seq = Dim(Symbol("seq", maximum: length))
    let target = Dim(Symbol("target", maximum: length))
    let forward = Entry.trace("forward") { trace in
      let source = encodedSource(trace, batch: batch, seq: seq)
      guard !usesEncoderAlone else {
        return trace.scoped("head") { outputs(source.output, source: source.ids) }
      }
      // A classifier of sequences looks for its place in the target by the source.
      let ids = trace.input(
        "decoder_input_ids", .i32, [batch, head == .sequenceClassification ? seq : target],
        fallback: source.ids.flatMap { self.target(of: $0) })
      let padding = trace.input(
        "decoder_attention_mask", .i32, ids.shape, fallback: trace.full(1, .i32, ids.shape))
      let places = targetPositions(ids)
      let context = DecoderContext(
        positions: takesTargetPositions
          ? trace.input("decoder_position_ids", .i32, ids.shape, fallback: places) : places,
        padding: padding)
      let hidden = stack(ids) { _ in
        context
      } source: { cross, _ in
        (cross.memory(source.output), source.mask(queries: ids.shape[1]))
      }
      let normed = trace.scoped("head") { normalizeTarget(hidden) }
      let results = trace.scoped("head") {
        switch head {
        case .bare: [("last_hidden_state", normed)]
        case .sequenceToSequence: [("logits", scores(normed))]
        default: outputs(normed, source: source.ids)
        }
      }
      return results + [("encoder_last_hidden_state", source.output)]
    }
    guard head == .sequenceToSequence else { return [forward] }
    return [forward, encodeEntry(batch, seq), step(batch, seq, target, length)]
  }

  /// The source of a call.
  private func encodeEntry(_ batch: Dim, _ seq: Dim) -> Entry {
    Entry.trace("encode") { trace in
      let encoded = encodedSource(trace, batch: batch, seq: seq).output
      var successors: [(String, Tensor)] = []
      for (index, layer) in decoder.enumerated() {
        let memory = trace.scoped("memory \(index)") { layer.cross.memory(encoded) }
        successors.append(("memory.\(index).keys", memory.keys))
        successors.append(("memory.\(index).values", memory.values))
      }
      return (outputs: [("encoder_last_hidden_state", encoded)], successors: successors)
    }
  }

  /// The tokens `input_ids[batch, target]` appended to each sequence's cache, of which the first
  /// `counts[batch]` count; the logits `[batch, vocabulary]` after the last of them. The source is
  /// that of the last `encode`, whose mask, where sources differ in length, is given again.
  private func step(_ batch: Dim, _ seq: Dim, _ target: Dim, _ length: Int) -> Entry {
    let context = Dim(Symbol("context", maximum: length))
    return Entry.trace("step") { trace in
      let step = CachedStep(trace, batch: batch, tokens: target, context: context)
      let keys = sourceLength.map { Dim($0) } ?? seq
      let mask =
        sourceLength == nil
        ? trace.mask(
          [.padding(trace.input("encoder_attention_mask", .i32, [batch, seq]))], batch: batch,
          queries: target, keys: seq) : nil
      let hidden = stack(step.ids) {
        step.layer($0)
      } source: { cross, index in
        let shape = [batch, keys, Dim(cross.heads), Dim(cross.width)]
        let memory = (
          keys: trace.state("memory.\(index).keys", .f32, shape),
          values: trace.state("memory.\(index).values", .f32, shape)
        )
        return (memory, mask)
      }
      let logits = trace.scoped("head") { scores(normalizeTarget(step.last(of: hidden))) }
      return (outputs: [("logits", logits)], successors: step.successors)
    }
  }

  private func stack(
    _ ids: Tensor, _ context: (Int) -> DecoderContext,
    source: (CrossAttention, Int) -> CrossDecoderLayer.Source
  ) -> Tensor {
    let trace = ids.trace
    let first = context(0)
    let embedded = trace.scoped("embeddings") { embedTarget(ids, positions: first.positions) }
    return decoder.enumerated().reduce(embedded) { x, layer in
      trace.scoped("layer \(layer.offset)") {
        layer.element(x, context(layer.offset), source(layer.element.cross, layer.offset))
      }
    }
  }
}

extension [EncoderLayer] {
  /// One layer after the other.
  func callAsFunction(_ x: Tensor, mask: Tensor?) -> Tensor {
    enumerated().reduce(x) { x, layer in
      x.trace.scoped("encoder layer \(layer.offset)") { layer.element(x, mask: mask) }
    }
  }
}
