import BurinHub
import BurinIR

/// T5 and mT5 (Raffel et al., 2019; Xue et al., 2020), as transformers' `modeling_t5`: norms without
/// a mean before each sublayer, scores that are not scaled, and positions only as biases.
struct T5: EncoderDecoderFamily {
  static let modelTypes = ["t5", "mt5"]
  static let bodyPrefix = ""
  static let architectures: KeyValuePairs<String, Head> = [
    "T5Model": .bare, "T5EncoderModel": .encoder,
    "T5ForConditionalGeneration": .sequenceToSequence,
    "MT5Model": .bare, "MT5EncoderModel": .encoder,
    "MT5ForConditionalGeneration": .sequenceToSequence,
  ]

  /// Copies of the shared embeddings, the decoder where only the encoder is wanted, and a bias that
  /// old files hold and nothing reads.
  static func isUnused(_ name: String) -> Bool {
    name.hasSuffix("embed_tokens.weight") || name == "lm_head.weight"
      || name.hasPrefix("decoder.")
  }

  let head: Head
  let hidden: Int
  let words: Embedding
  let isTied: Bool
  let encoder: [T5Layer]
  let decoder: [T5Layer]
  let encoderNorm, decoderNorm: RMSNorm
  let encoderPositions, decoderPositions: RelativePositions

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    let hidden = try config["d_model"].width(default: 512)
    let heads = try config["num_heads"].int(in: 1...65_536, default: 8)
    let width = try config["d_kv"].width(default: 64)
    let intermediate = try config["d_ff"].width(default: 2048)
    let epsilon = try config["layer_norm_epsilon"].epsilon(default: 1e-6)
    let (activation, isGated) = try T5.feedForward(config)
    let count = try config["num_layers"].layers(default: 6)
    let buckets = try config["relative_attention_num_buckets"].int(
      in: 4...1 << 16, default: 32)
    let farthest = try config["relative_attention_max_distance"].int(
      in: buckets...1 << 20, default: 128)
    func layers(_ name: String, _ count: Int, crosses: Bool) -> [T5Layer] {
      (0..<count).map { index in
        let layer = Weights(name)["block"][index]["layer"]
        func attention(_ place: Int, _ name: String) -> T5Attention {
          T5Attention(
            norm: RMSNorm(hidden, layer[place]["layer_norm"], epsilon: epsilon), heads: heads,
            width: width, hidden: hidden, weights: layer[place][name])
        }
        let last = layer[crosses ? 2 : 1]
        let mlp = last["DenseReluDense"]
        func up(_ name: String) -> Linear {
          Linear(hidden, intermediate, mlp[name], bias: false)
        }
        let down = Linear(intermediate, hidden, mlp["wo"], bias: false)
        return T5Layer(
          attention: attention(0, "SelfAttention"),
          cross: crosses ? attention(1, "EncDecAttention") : nil,
          feedForwardNorm: RMSNorm(hidden, last["layer_norm"], epsilon: epsilon),
          feedForward: isGated
            ? GatedFeedForward(
              gate: up("wi_0"), activation: activation, up: up("wi_1"), down: down)
            : FeedForward(up: up("wi"), activation: activation, down: down))
      }
    }
    func positions(_ name: String, isBidirectional: Bool) -> RelativePositions {
      let attention = Weights(name)["block"][0]["layer"][0]["SelfAttention"]
      return RelativePositions(
        table: Embedding(buckets, heads, attention["relative_attention_bias"]),
        buckets: buckets, farthest: farthest, isBidirectional: isBidirectional)
    }
    self.head = head
    self.hidden = hidden
    words = Embedding(
      try config["vocab_size"].int(in: 1...1 << 24, default: 32_128), hidden, Weights("shared"))
    isTied = try config["tie_word_embeddings"].bool(default: true)
    encoder = layers("encoder", count, crosses: false)
    decoder = layers(
      "decoder", try config["num_decoder_layers"].layers(default: count), crosses: true)
    encoderNorm = RMSNorm(hidden, Weights("encoder.final_layer_norm"), epsilon: epsilon)
    decoderNorm = RMSNorm(hidden, Weights("decoder.final_layer_norm"), epsilon: epsilon)
    encoderPositions = positions("encoder", isBidirectional: true)
    decoderPositions = positions("decoder", isBidirectional: false)
  }

  /// Reads `feed_forward_proj`: an activation, with `gated-` before it for a gate.
  private static func feedForward(
    _ config: JSONField
  ) throws(HubError) -> (Activation, isGated: Bool) {
    let field = config["feed_forward_proj"]
    let name = try field.string(default: "relu").utf8String
    // transformers: the gate of T5 1.1 is the approximation.
    if name == "gated-gelu" { return (Activation(.geluTanh), true) }
    let isGated = name.hasPrefix("gated-")
    let plain = isGated ? String(name.dropFirst("gated-".count)) : name
    guard let known = Activation.named.first(where: { $0.key == plain }) else {
      throw field.error(
        expected: "one of " + Activation.named.map(\.key).joined(separator: ", ")
          + ", or one of these after gated-")
    }
    return (Activation(known.value), isGated)
  }

  var vocabulary: Int { words.count }
  var decoderLayers: [any CrossDecoderLayer] { decoder }

  func encode(_ ids: Tensor, padding: Tensor) -> Tensor {
    let trace = ids.trace
    let (batch, seq) = (ids.shape[0], ids.shape[1])
    let bias = trace.scoped("relative positions") {
      encoderPositions(trace.iota([1, seq], axis: 1), keys: seq)
    }
    let mask = trace.mask([.padding(padding)], batch: batch, queries: seq, keys: seq)
    let embedded = trace.scoped("embeddings") { words(ids) }
    let last = encoder.enumerated().reduce(embedded) { x, layer in
      trace.scoped("encoder layer \(layer.offset)") {
        layer.element.encode(x, bias: bias, mask: mask)
      }
    }
    return trace.scoped("encoder norm") { encoderNorm(last) }
  }

  func embedTarget(_ ids: Tensor, positions: Tensor) -> Tensor { words(ids) }

  func targetBias(_ context: DecoderContext) -> Tensor? {
    decoderPositions(context.positions, keys: context.keys)
  }

  func normalizeTarget(_ x: Tensor) -> Tensor { decoderNorm(x) }

  func scores(_ x: Tensor) -> Tensor {
    isTied
      ? words.scores(x * (1 / Double(hidden).squareRoot()))
      : Linear(hidden, vocabulary, Weights("lm_head"), bias: false)(x)
  }
}

/// `h = x + attention(norm(x))`, in a decoder `h + cross(norm(h), source)`, and
/// `h + feedForward(norm(h))`.
struct T5Layer: CrossDecoderLayer {
  let attention: T5Attention
  let cross: T5Attention?
  let feedForwardNorm: RMSNorm
  let feedForward: any FeedForwardLayer

  /// The layer of an encoder.
  func encode(_ x: Tensor, bias: Tensor, mask: Tensor) -> Tensor {
    let h = x.trace.scoped("attention") {
      let normed = attention.norm(x)
      return x + attention(normed, attention.memory(normed), bias: bias, mask: mask)
    }
    return fed(h)
  }

  var memoryShape: [Int] { [attention.heads, attention.width] }

  func memory(_ encoded: Tensor) -> (keys: Tensor, values: Tensor) {
    (cross ?? attention).memory(encoded)
  }

  func callAsFunction(
    _ x: Tensor, _ context: DecoderContext, memory: (keys: Tensor, values: Tensor, mask: Tensor),
    bias: Tensor?
  ) -> Tensor {
    var h = x.trace.scoped("attention") {
      let normed = attention.norm(x)
      let own = attention.memory(normed)
      let all = (context.cached("keys", own.keys), context.cached("values", own.values))
      return x + attention(normed, all, bias: bias, mask: context.mask(nil))
    }
    if let cross {
      h = x.trace.scoped("cross attention") {
        h + cross(cross.norm(h), (memory.keys, memory.values), bias: nil, mask: memory.mask)
      }
    }
    return fed(h)
  }

  private func fed(_ x: Tensor) -> Tensor {
    x.trace.scoped("feed forward") { x + feedForward(feedForwardNorm(x)) }
  }
}

/// Attention whose scores are not scaled.
struct T5Attention {
  let norm: RMSNorm
  let heads, width, hidden: Int
  let weights: Weights

  private func projection(_ name: String) -> Linear {
    Linear(hidden, heads * width, weights[name], bias: false)
  }

  /// Keys and values, `[batch, seq, heads, width]`.
  func memory(_ x: Tensor) -> (keys: Tensor, values: Tensor) {
    (projection("k")(x).heads(heads), projection("v")(x).heads(heads))
  }

  func callAsFunction(
    _ x: Tensor, _ memory: (keys: Tensor, values: Tensor), bias: Tensor?, mask: Tensor
  ) -> Tensor {
    Linear(heads * width, hidden, weights["o"], bias: false)(
      Burin.attention(
        query: projection("q")(x).heads(heads), key: memory.keys, value: memory.values,
        scale: 1, bias: bias, mask: mask))
  }
}
