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
  let encoder: [EncoderLayer]
  let decoder: [CrossDecoderLayer]
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
    func residual(_ weights: Weights) -> Residual {
      Residual(before: RMSNorm(hidden, weights["layer_norm"], epsilon: epsilon))
    }
    func attention(_ weights: Weights) -> CrossAttention {
      func projection(_ name: String) -> Linear {
        Linear(hidden, heads * width, weights[name], bias: false)
      }
      return CrossAttention(
        heads: heads, query: projection("q"), key: projection("k"), value: projection("v"),
        output: Linear(heads * width, hidden, weights["o"], bias: false), scale: 1)
    }
    /// - Parameter sublayers: where the sublayers are, of which the last feeds forward.
    func layer(_ sublayers: Weights, last: Int) -> EncoderLayer {
      let mlp = sublayers[last]["DenseReluDense"]
      func up(_ name: String) -> Linear { Linear(hidden, intermediate, mlp[name], bias: false) }
      let down = Linear(intermediate, hidden, mlp["wo"], bias: false)
      return EncoderLayer(
        attention: attention(sublayers[0]["SelfAttention"]),
        attentionResidual: residual(sublayers[0]),
        feedForward: isGated
          ? GatedFeedForward(gate: up("wi_0"), activation: activation, up: up("wi_1"), down: down)
          : FeedForward(up: up("wi"), activation: activation, down: down),
        feedForwardResidual: residual(sublayers[last]))
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
    encoder = (0..<count).map { layer(Weights("encoder")["block"][$0]["layer"], last: 1) }
    decoder = (0..<(try config["num_decoder_layers"].layers(default: count))).map {
      let sublayers = Weights("decoder")["block"][$0]["layer"]
      return CrossDecoderLayer(
        own: layer(sublayers, last: 2), cross: attention(sublayers[1]["EncDecAttention"]),
        crossResidual: residual(sublayers[1]))
    }
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
    return (known.value, isGated)
  }

  var vocabulary: Int { words.count }

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
        layer.element(x, bias: bias, mask: mask)
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
