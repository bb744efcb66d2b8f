import BurinIR

/// What a decoder's layer sees besides its input.
struct DecoderContext {
  /// Where each token stands, `i32[batch, seq]`.
  let positions: Tensor
  /// How many positions each sequence has or will have, this call's among them, `i32[batch, 1]`.
  let lengths: Tensor
  /// How many keys there may be.
  let keys: Dim
  /// Where each key stands among those that count, `i32[batch or 1, 1, 1, keys]`.
  let keyPlaces: Tensor
  /// Which keys count, besides those that a window leaves out.
  private let masks: [Mask<Tensor>]
  /// The position of the first query of each sequence, `i32[batch]`; 0 if `nil`.
  private let start: Tensor?
  /// Puts new keys or values (`keys`, `values`; `[batch, seq, groups, width]`) behind those of
  /// earlier calls, and gives all of them.
  let cached: (_ name: String, _ rows: Tensor) -> Tensor

  /// A call that remembers nothing: all tokens are here.
  ///
  /// - Parameters:
  ///   - padding: `i32[batch, seq]`, 0 where a token is padding.
  ///   - looksAhead: whether queries see the tokens behind them too.
  init(positions: Tensor, padding: Tensor, looksAhead: Bool = false) {
    self.positions = positions
    keyPlaces = padding.countedPositions.reshaped([padding.shape[0], 1, 1, padding.shape[1]])
    lengths = positions.maximum(1) + positions.trace.constant(1, .i32)
    keys = padding.shape[1]
    masks = [.padding(padding)] + (looksAhead ? [] : [.causal(start: nil)])
    start = nil
    cached = { $1 }
  }

  fileprivate init(_ step: CachedStep, cached: @escaping (String, Tensor) -> Tensor) {
    positions = step.positions
    lengths = step.spans.reshaped([step.total.shape[0], 1])
    keys = step.context
    keyPlaces = step.ids.trace.iota([1, 1, 1, step.context], axis: 3)
    masks = [.lengths(step.total), .causal(start: step.lengths)]
    start = step.lengths
    self.cached = cached
  }

  /// The mask of self-attention; keys that lie `window` or more positions back do not count.
  func mask(_ window: Int? = nil) -> Tensor {
    let windows: [Mask<Tensor>] = window.map { [.window($0, start: start)] } ?? []
    return positions.trace.mask(
      masks + windows, batch: positions.shape[0], queries: positions.shape[1], keys: keys)
  }
}

/// A call that continues sequences over a cache, while it is built: its inputs, and the caches of the
/// layers so far.
final class CachedStep {
  /// The tokens `i32[batch, tokens]`, of which the first `counts[batch]` of each sequence count.
  let ids, counts: Tensor
  /// How many positions each sequence had before, and has now, `i32[batch]`.
  let lengths, total: Tensor
  /// For how long a sequence positions are turned, `i32[batch]`.
  let spans: Tensor
  /// Where each token stands, `i32[batch, tokens]`.
  let positions: Tensor
  /// How many positions a sequence may have.
  let context: Dim
  private var caches: [(name: String, value: Tensor)] = []

  /// - Parameter isStretched: whether positions turn otherwise in long sequences, so that who reads a
  ///   long prompt in pieces has to say so, by `rope_lengths[batch]`.
  init(_ trace: Trace, batch: Dim, tokens: Dim, context: Dim, isStretched: Bool = false) {
    self.context = context
    ids = trace.input("input_ids", .i32, [batch, tokens])
    counts = trace.input(
      "counts", .i32, [batch], fallback: trace.extent(tokens).broadcast([batch]))
    lengths = trace.state("lengths", .i32, [batch])
    positions =
      lengths.reshaped([batch, 1]).broadcast(ids.shape) + trace.iota(ids.shape, axis: 1)
    total = lengths + counts
    spans =
      isStretched ? trace.input("rope_lengths", .i32, [batch], fallback: total) : total
  }

  /// What the `index`-th layer sees.
  func layer(_ index: Int) -> DecoderContext {
    DecoderContext(self) { name, rows in
      let state = "layer.\(index).\(name)"
      let shape = [rows.shape[0], self.context] + rows.shape[2...]
      let cache = rows.trace.state(state, .f32, shape)
        .appending(rows, at: self.lengths, counts: self.counts)
      self.caches.append((state, cache))
      return cache
    }
  }

  /// Of `x[batch, tokens, width]` the rows `[batch, width]` of the last tokens that count.
  func last(of x: Tensor) -> Tensor {
    let batch = x.shape[0]
    let place = (counts + x.trace.constant(-1, .i32)).reshaped([batch, 1])
    return x.gather(place).reshaped([batch, x.shape[2]])
  }

  /// What the states hold after the call.
  var successors: [(String, Tensor)] { caches + [("lengths", total)] }
}
