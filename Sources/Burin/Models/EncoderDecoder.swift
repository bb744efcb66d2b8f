import BurinHub
import BurinIR

/// A family of encoder-decoders: the part of `Family` that its members share.
///
/// `forward` is stateless. `encode` runs the encoder once, and leaves each layer's keys and values
/// of the source behind; `step` continues the target over them.
protocol EncoderDecoderFamily: Family {
  var head: Head { get }
  /// How many tokens there are scores for.
  var vocabulary: Int { get }
  /// The layers of the decoder.
  var decoderLayers: [any CrossDecoderLayer] { get }

  /// The encoder's output `[batch, seq, hidden]`.
  ///
  /// - Parameter padding: `i32[batch, seq]`, 0 where a token is padding.
  func encode(_ ids: Tensor, padding: Tensor) -> Tensor

  /// The decoder's embeddings `[batch, target, hidden]`.
  func embedTarget(_ ids: Tensor, positions: Tensor) -> Tensor

  /// What the layers of a decoder share besides the context: biases by relative position.
  func targetBias(_ context: DecoderContext) -> Tensor?

  /// What follows the decoder's last layer.
  func normalizeTarget(_ x: Tensor) -> Tensor

  /// The scores `[..., vocabulary]` of the tokens that may follow.
  func scores(_ x: Tensor) -> Tensor
}

/// A decoder layer that reads the source too.
protocol CrossDecoderLayer {
  /// The heads of the source's keys, and their width.
  var memoryShape: [Int] { get }

  /// The keys and values of the source, `[batch, seq, heads, width]` each.
  func memory(_ encoded: Tensor) -> (keys: Tensor, values: Tensor)

  /// Gives the layer's output `[batch, target, hidden]`.
  ///
  /// - Parameters:
  ///   - memory: what `memory` gave for the source, and the mask of its padding.
  ///   - bias: added to the scores of self-attention.
  func callAsFunction(
    _ x: Tensor, _ context: DecoderContext, memory: (keys: Tensor, values: Tensor, mask: Tensor),
    bias: Tensor?
  ) -> Tensor
}

extension EncoderDecoderFamily {
  /// Positions are relative: nothing bounds a sequence but memory.
  var maximumLength: Int { 1 << 24 }
  var defaultLength: Int { 2048 }

  func entries(_ limits: Limits, sentence: SentencePipeline?) throws(HubError) -> [Entry] {
    let length = limits.sequence ?? defaultLength
    let batch = Dim(Symbol("batch", maximum: limits.batch))
    let seq = Dim(Symbol("seq", maximum: length))
    let target = Dim(Symbol("target", maximum: length))
    let forward = Entry.trace("forward") { trace in
      let source = Source(trace, batch, seq)
      let encoded = self.encode(source.ids, padding: source.padding)
      if head == .encoder { return [("last_hidden_state", encoded)] }
      let ids = trace.input("decoder_input_ids", .i32, [batch, target])
      let padding = trace.input(
        "decoder_attention_mask", .i32, ids.shape, fallback: trace.full(1, .i32, ids.shape))
      let positions = trace.iota(ids.shape, axis: 1)
      let hidden = stack(ids, positions: positions) { _ in
        DecoderContext(
          positions: positions, lengths: positions.maximum(1) + trace.constant(1, .i32),
          keys: target,
          mask: { _ in
            trace.mask(
              [.padding(padding), .causal(start: nil)], batch: batch, queries: target,
              keys: target)
          }, cached: { $1 })
      } memory: { layer, _ in
        let memory = layer.memory(encoded)
        return (memory.keys, memory.values, source.mask(queries: target))
      }
      let normed = trace.scoped("head") { normalizeTarget(hidden) }
      let output =
        head == .bare
        ? ("last_hidden_state", normed)
        : ("logits", trace.scoped("head") { scores(normed) })
      return [output, ("encoder_last_hidden_state", encoded)]
    }
    guard head == .sequenceToSequence else { return [forward] }
    return [forward, encodeEntry(batch, seq), step(batch, seq, target, length)]
  }

  /// The source of a call.
  private func encodeEntry(_ batch: Dim, _ seq: Dim) -> Entry {
    Entry.trace("encode") { trace in
      let source = Source(trace, batch, seq)
      let encoded = self.encode(source.ids, padding: source.padding)
      var successors: [(String, Tensor)] = []
      for (index, layer) in decoderLayers.enumerated() {
        let memory = trace.scoped("memory \(index)") { layer.memory(encoded) }
        successors.append(("memory.\(index).keys", memory.keys))
        successors.append(("memory.\(index).values", memory.values))
      }
      return (outputs: [("encoder_last_hidden_state", encoded)], successors: successors)
    }
  }

  /// The tokens `input_ids[batch, target]` appended to each sequence's cache, of which the first
  /// `counts[batch]` count; the logits `[batch, vocabulary]` after the last of them. The source is
  /// that of the last `encode`, whose mask is given again.
  private func step(_ batch: Dim, _ seq: Dim, _ target: Dim, _ length: Int) -> Entry {
    let context = Dim(Symbol("context", maximum: length))
    return Entry.trace("step") { trace in
      let ids = trace.input("input_ids", .i32, [batch, target])
      let padding = trace.input("encoder_attention_mask", .i32, [batch, seq])
      let counts = trace.input(
        "counts", .i32, [batch], fallback: trace.extent(target).broadcast([batch]))
      let lengths = trace.state("lengths", .i32, [batch])
      let positions =
        lengths.reshaped([batch, 1]).broadcast(ids.shape) + trace.iota(ids.shape, axis: 1)
      let total = lengths + counts
      var caches: [(name: String, value: Tensor)] = []
      let memoryMask = trace.mask([.padding(padding)], batch: batch, queries: target, keys: seq)
      let hidden = stack(ids, positions: positions) { index in
        DecoderContext(
          positions: positions, lengths: total.reshaped([batch, 1]), keys: context,
          mask: { _ in
            trace.mask(
              [.lengths(total), .causal(start: lengths)], batch: batch, queries: target,
              keys: context)
          },
          cached: { name, rows in
            let state = "layer.\(index).\(name)"
            let cache = trace.state(state, .f32, [batch, context] + rows.shape[2...])
              .appending(rows, at: lengths, counts: counts)
            caches.append((state, cache))
            return cache
          })
      } memory: { layer, index in
        let shape = [batch, seq] + layer.memoryShape.map { Dim($0) }
        return (
          trace.state("memory.\(index).keys", .f32, shape),
          trace.state("memory.\(index).values", .f32, shape), memoryMask
        )
      }
      let last = (counts + trace.constant(-1, .i32)).reshaped([batch, 1])
      let logits = trace.scoped("head") {
        scores(normalizeTarget(hidden.gather(last))).reshaped([batch, Dim(vocabulary)])
      }
      return (outputs: [("logits", logits)], successors: caches + [("lengths", total)])
    }
  }

  private func stack(
    _ ids: Tensor, positions: Tensor, _ context: (Int) -> DecoderContext,
    memory: (any CrossDecoderLayer, Int) -> (keys: Tensor, values: Tensor, mask: Tensor)
  ) -> Tensor {
    let trace = ids.trace
    let embedded = trace.scoped("embeddings") { embedTarget(ids, positions: positions) }
    let bias = trace.scoped("relative positions") { targetBias(context(0)) }
    return decoderLayers.enumerated().reduce(embedded) { x, layer in
      trace.scoped("layer \(layer.offset)") {
        layer.element(
          x, context(layer.offset), memory: memory(layer.element, layer.offset), bias: bias)
      }
    }
  }
}

/// The source of a call.
private struct Source {
  /// `i32[batch, seq]`.
  let ids, padding: Tensor

  init(_ trace: Trace, _ batch: Dim, _ seq: Dim) {
    ids = trace.input("input_ids", .i32, [batch, seq])
    padding = trace.input(
      "attention_mask", .i32, ids.shape, fallback: trace.full(1, .i32, ids.shape))
  }

  func mask(queries: Dim) -> Tensor {
    ids.trace.mask(
      [.padding(padding)], batch: ids.shape[0], queries: queries, keys: ids.shape[1])
  }
}
