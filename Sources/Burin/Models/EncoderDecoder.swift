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

  /// The decoder's embeddings `[batch, target, hidden]`.
  func embedTarget(_ ids: Tensor, positions: Tensor) -> Tensor

  /// What the layers of a decoder share besides the context: biases by relative position.
  func targetBias(_ context: DecoderContext) -> Tensor?

  /// What follows the decoder's last layer.
  func normalizeTarget(_ x: Tensor) -> Tensor

  /// The scores `[..., vocabulary]` of the tokens that may follow.
  func scores(_ x: Tensor) -> Tensor
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
    let ids = trace.input("input_ids", .i32, [batch, seq])
    let padding = trace.input(
      "attention_mask", .i32, ids.shape, fallback: trace.full(1, .i32, ids.shape))
    return EncodedSource(output: encode(ids, padding: padding), padding: padding)
  }
}

/// What an encoder makes of the source of a call.
struct EncodedSource {
  /// `[batch, positions, hidden]`.
  let output: Tensor
  /// `i32[batch, positions]`, 0 where a position does not count; `nil` if all do.
  let padding: Tensor?

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

  /// - Parameter bias: added to the scores.
  func callAsFunction(_ x: Tensor, bias: Tensor?, mask: Tensor?) -> Tensor {
    fed(
      x.trace.scoped("attention") {
        attentionResidual(x) { attention($0, to: attention.memory($0), bias: bias, mask: mask) }
      })
  }

  fileprivate func fed(_ x: Tensor) -> Tensor {
    x.trace.scoped("feed forward") { feedForwardResidual(x) { feedForward($0) } }
  }
}

/// A layer of a decoder: that of an encoder, with attention to the source in its middle.
struct CrossDecoderLayer {
  /// The keys and values of the source, and the mask of its padding; `nil` where nothing is padding.
  typealias Source = (memory: CrossAttention.Memory, mask: Tensor?)

  let own: EncoderLayer
  let cross: CrossAttention
  let crossResidual: Residual

  /// - Parameter bias: added to the scores of self-attention.
  func callAsFunction(
    _ x: Tensor, _ context: DecoderContext, _ source: Source, bias: Tensor?
  ) -> Tensor {
    let attention = own.attention
    let h = x.trace.scoped("attention") {
      own.attentionResidual(x) {
        let memory = attention.memory($0)
        let all = (
          context.cached("keys", memory.keys), context.cached("values", memory.values)
        )
        return attention($0, to: all, bias: bias, mask: context.mask())
      }
    }
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

  func entries(_ limits: Limits, sentence: SentencePipeline?) throws(HubError) -> [Entry] {
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
      if head == .encoder { return [("last_hidden_state", source.output)] }
      let ids = trace.input("decoder_input_ids", .i32, [batch, target])
      let padding = trace.input(
        "decoder_attention_mask", .i32, ids.shape, fallback: trace.full(1, .i32, ids.shape))
      let places = trace.iota(ids.shape, axis: 1)
      let context = DecoderContext(
        positions: takesTargetPositions
          ? trace.input("decoder_position_ids", .i32, ids.shape, fallback: places) : places,
        padding: padding)
      let hidden = stack(ids) { _ in
        context
      } source: { cross, _ in
        (cross.memory(source.output), source.mask(queries: target))
      }
      let normed = trace.scoped("head") { normalizeTarget(hidden) }
      let output =
        head == .bare
        ? ("last_hidden_state", normed)
        : ("logits", trace.scoped("head") { scores(normed) })
      return [output, ("encoder_last_hidden_state", source.output)]
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
    let bias = trace.scoped("relative positions") { targetBias(first) }
    return decoder.enumerated().reduce(embedded) { x, layer in
      trace.scoped("layer \(layer.offset)") {
        layer.element(
          x, context(layer.offset), source(layer.element.cross, layer.offset), bias: bias)
      }
    }
  }
}
