import BurinHub
import BurinIR

/// GPT-2 (Radford et al., 2019), as transformers' `modeling_gpt2`: a decoder normalised before each
/// sublayer, with learned positions.
struct GPT2: Family {
  static let modelTypes = ["gpt2"]
  static let bodyPrefix = "transformer"
  static let architectures: KeyValuePairs<String, Head> = [
    "GPT2Model": .bare, "GPT2LMHeadModel": .languageModel,
    "GPT2ForSequenceClassification": .sequenceClassification,
  ]

  static func isUnused(_ name: String) -> Bool {
    name.hasSuffix("attn.bias") || name.hasSuffix("attn.masked_bias") || name == "lm_head.weight"
  }

  let head: Head
  let hidden: Int
  let heads: Int
  let layers: [GPT2Layer]
  let words, positions: Embedding
  let finalNorm: LayerNorm
  let output: Linear
  let isTied: Bool
  let paddingID: Int?
  let labels: Int
  let maximumLength: Int

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    self.head = head
    let hidden = try config["n_embd"].width()
    let heads = try config["n_head"].heads(dividing: hidden)
    let inner = try config["n_inner"].int(in: 1...1 << 22, default: 4 * hidden)
    let epsilon = try config["layer_norm_epsilon"].epsilon(default: 1e-5)
    let activation = try config["activation_function"].activation(default: "gelu_new")
    let scales = try config["scale_attn_weights"].bool(default: true)
    let scalesByLayer = try config["scale_attn_by_inverse_layer_idx"].bool(default: false)
    guard try !config["add_cross_attention"].bool(default: false) else {
      throw config["add_cross_attention"].error(expected: "false")
    }
    self.hidden = hidden
    self.heads = heads
    maximumLength = try config["n_positions"].int(in: 1...1 << 24, default: 1024)
    words = Embedding(try config["vocab_size"].int(in: 1...1 << 24), hidden, body["wte"])
    positions = Embedding(maximumLength, hidden, body["wpe"])
    finalNorm = LayerNorm(hidden, body["ln_f"], epsilon: epsilon)
    isTied = try config["tie_word_embeddings"].bool(default: true)
    output = Linear(hidden, words.count, Weights("lm_head"), bias: false)
    paddingID =
      config["pad_token_id"].exists ? try config["pad_token_id"].int(in: 0...1 << 24) : nil
    labels = head == .sequenceClassification ? try config.labelCount() : 0
    layers = (0..<(try config["n_layer"].layers())).map { index in
      let layer = body["h"][index]
      let scale =
        (scales ? 1 / Double(hidden / heads).squareRoot() : 1)
        / (scalesByLayer ? Double(index + 1) : 1)
      return GPT2Layer(
        attentionNorm: LayerNorm(hidden, layer["ln_1"], epsilon: epsilon),
        attention: GPT2Attention(
          hidden: hidden, heads: heads, scale: scale, weights: layer["attn"]),
        feedForwardNorm: LayerNorm(hidden, layer["ln_2"], epsilon: epsilon),
        feedForward: FeedForward(
          up: Linear(hidden, inner, layer["mlp"]["c_fc"], storage: .inputsByOutputs),
          activation: activation,
          down: Linear(inner, hidden, layer["mlp"]["c_proj"], storage: .inputsByOutputs)))
    }
  }

  func entries(_ limits: Limits, sentence: SentencePipeline?) throws(HubError) -> [Entry] {
    let batch = Dim(Symbol("batch", maximum: limits.batch))
    let seq = Dim(Symbol("seq", maximum: limits.sequence ?? maximumLength))
    var entries = [
      Entry.trace("forward") { trace in
        let ids = trace.input("input_ids", .i32, [batch, seq])
        let padding = trace.input(
          "attention_mask", .i32, ids.shape, fallback: trace.full(1, .i32, ids.shape))
        let positions = trace.input(
          "position_ids", .i32, ids.shape, fallback: trace.iota(ids.shape, axis: 1))
        let mask = trace.mask(
          [.padding(padding), .causal(start: nil)], batch: batch, queries: seq, keys: seq)
        let hidden = stack(ids, positions: positions) { layer, x, _ in layer((x, mask)) }
        return trace.scoped("head") { outputs(hidden, ids: ids) }
      }
    ]
    if head == .languageModel { entries.append(step(batch, seq, limits)) }
    return entries
  }

  /// The tokens `input_ids[batch, seq]` appended to each sequence's cache, of which the first
  /// `counts[batch]` count; the logits `[batch, vocabulary]` after the last of them.
  private func step(_ batch: Dim, _ seq: Dim, _ limits: Limits) -> Entry {
    let context = Dim(Symbol("context", maximum: limits.sequence ?? maximumLength))
    return Entry.trace("step") { trace in
      let ids = trace.input("input_ids", .i32, [batch, seq])
      let counts = trace.input(
        "counts", .i32, [batch], fallback: trace.extent(seq).broadcast([batch]))
      let lengths = trace.state("lengths", .i32, [batch])
      let positions =
        lengths.reshaped([batch, 1]).broadcast(ids.shape) + trace.iota(ids.shape, axis: 1)
      let total = lengths + counts
      let mask = trace.mask(
        [.lengths(total), .causal(start: lengths)], batch: batch, queries: seq, keys: context)
      var caches: [(name: String, value: Tensor)] = []
      let cacheShape = [batch, context, Dim(heads), Dim(hidden / heads)]
      let hidden = stack(ids, positions: positions) { layer, x, index in
        layer((x, mask)) { name, rows in
          let state = "layer.\(index).\(name)"
          let cache = trace.state(state, .f32, cacheShape)
            .appending(rows, at: lengths, counts: counts)
          caches.append((state, cache))
          return cache
        }
      }
      let last = (counts + trace.constant(-1, .i32)).reshaped([batch, 1])
      let logits = trace.scoped("head") {
        scores(finalNorm(hidden.gather(last))).reshaped([batch, Dim(words.count)])
      }
      return (outputs: [("logits", logits)], successors: caches + [("lengths", total)])
    }
  }

  /// The embeddings and all layers, without the final norm.
  private func stack(
    _ ids: Tensor, positions: Tensor, _ apply: (GPT2Layer, Tensor, Int) -> Tensor
  ) -> Tensor {
    let trace = ids.trace
    let embedded = trace.scoped("embeddings") { words(ids) + self.positions(positions) }
    return layers.enumerated().reduce(embedded) { x, layer in
      trace.scoped("layer \(layer.offset)") { apply(layer.element, x, layer.offset) }
    }
  }

  private func scores(_ x: Tensor) -> Tensor { isTied ? words.scores(x) : output(x) }

  private func outputs(_ hidden: Tensor, ids: Tensor) -> [(String, Tensor)] {
    let hidden = finalNorm(hidden)
    switch head {
    case .languageModel: return [("logits", scores(hidden))]
    case .sequenceClassification:
      let score = Linear(self.hidden, labels, Weights("score"), bias: false)
      let last = hidden.gather(lastToken(ids))
      return [("logits", score(last).reshaped([ids.shape[0], Dim(labels)]))]
    default: return [("last_hidden_state", hidden)]
    }
  }

  /// The place of the rightmost token that is not padding, `[batch, 1]`; without a padding token,
  /// the last one.
  private func lastToken(_ ids: Tensor) -> Tensor {
    let places = ids.trace.iota(ids.shape, axis: 1)
    guard let paddingID else { return places.maximum(1) }
    let padding = ids.trace.constant(Double(paddingID), .i32)
    return (places * ids.binary(.equal, padding).unary(.not).cast(.i32)).maximum(1)
  }
}

/// `h = x + attention(norm(x)); h + feedForward(norm(h))`.
struct GPT2Layer {
  let attentionNorm: LayerNorm
  let attention: GPT2Attention
  let feedForwardNorm: LayerNorm
  let feedForward: FeedForward

  /// - Parameter cached: puts new keys or values (`keys`, `values`; `[batch, seq, heads, width]`)
  ///   behind those of earlier calls, and gives all of them.
  func callAsFunction(
    _ input: (x: Tensor, mask: Tensor), cached: (String, Tensor) -> Tensor = { $1 }
  ) -> Tensor {
    let (x, mask) = input
    let h = x.trace.scoped("attention") { x + attention(attentionNorm(x), mask, cached) }
    return x.trace.scoped("feed forward") { h + feedForward(feedForwardNorm(h)) }
  }
}

/// Self-attention with one matrix for queries, keys and values.
struct GPT2Attention {
  let hidden: Int
  let heads: Int
  let scale: Double
  let weights: Weights

  func callAsFunction(
    _ x: Tensor, _ mask: Tensor, _ cached: (String, Tensor) -> Tensor
  ) -> Tensor {
    let projected = Linear(hidden, 3 * hidden, weights["c_attn"], storage: .inputsByOutputs)(x)
    let width = hidden / heads
    func part(_ index: Int) -> Tensor {
      projected.slice(axis: 2, from: Dim(index * hidden), count: Dim(hidden))
        .reshaped([x.shape[0], x.shape[1], Dim(heads), Dim(width)])
    }
    let attended = Burin.attention(
      part(0).transposed([0, 2, 1, 3]), cached("keys", part(1)).transposed([0, 2, 1, 3]),
      cached("values", part(2)).transposed([0, 2, 1, 3]), scale: scale, mask: mask)
    return Linear(hidden, hidden, weights["c_proj"], storage: .inputsByOutputs)(
      attended.mergedHeads)
  }
}
