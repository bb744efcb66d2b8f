import BurinHub
import BurinIR

/// T5, mT5 and UMT5 (Raffel et al., 2019; Xue et al., 2020; Chung et al., 2023), as transformers'
/// `modeling_t5` and its copies: norms without a mean before each sublayer, scores that are not
/// scaled, and positions only as biases, which all layers share, or in UMT5 none.
struct T5: EncoderDecoderFamily, PooledFamily {
  static let modelTypes = ["t5", "mt5", "umt5"]
  static let bodyPrefix = "transformer"
  static let architectures: KeyValuePairs<String, Head> = [
    "T5Model": .bare, "T5EncoderModel": .encoder,
    "T5ForConditionalGeneration": .sequenceToSequence,
    "T5ForSequenceClassification": .sequenceClassification,
    "T5ForTokenClassification": .tokenClassification,
    "T5ForQuestionAnswering": .questionAnswering,
    "MT5Model": .bare, "MT5EncoderModel": .encoder,
    "MT5ForConditionalGeneration": .sequenceToSequence,
    "MT5ForSequenceClassification": .sequenceClassification,
    "MT5ForTokenClassification": .tokenClassification,
    "MT5ForQuestionAnswering": .questionAnswering,
    "UMT5Model": .bare, "UMT5EncoderModel": .encoder,
    "UMT5ForConditionalGeneration": .sequenceToSequence,
    "UMT5ForSequenceClassification": .sequenceClassification,
    "UMT5ForTokenClassification": .tokenClassification,
    "UMT5ForQuestionAnswering": .questionAnswering,
  ]

  static let pooledHead = Head.encoder

  /// Copies of the shared embeddings, the decoder where only the encoder is wanted, and a bias that
  /// old files hold and nothing reads.
  static func isUnused(_ name: String) -> Bool {
    name.hasSuffix("embed_tokens.weight") || name == "lm_head.weight"
      || name.hasPrefix("decoder.") || name.hasPrefix("transformer.decoder.")
  }

  let head: Head
  let hidden: Int
  let words: Embedding
  /// Whether scores are products with the embeddings, and whether what they are products of is scaled.
  let isTied, isScaled: Bool
  let encoder: [EncoderLayer]
  let decoder: [CrossDecoderLayer]
  let encoderNorm, decoderNorm: RMSNorm
  let heads: SequenceHeads
  let startID: Int

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    let type = try config["model_type"].string().utf8String
    let isOldest = type == "t5"
    let hidden = try config.first(of: "hidden_size", "d_model").width(default: 512)
    let heads = try config.first(of: "num_attention_heads", "num_heads").int(
      in: 1...65_536, default: isOldest ? 8 : 6)
    let width = try config.first(of: "head_dim", "d_kv").width(default: 64)
    let intermediate = try config["d_ff"].width(default: isOldest ? 2048 : 1024)
    let epsilon = try config["layer_norm_epsilon"].epsilon(default: 1e-6)
    let (activation, isGated) = try T5.feedForward(
      config, default: isOldest ? "relu" : "gated-gelu")
    let decoderCount = try config["num_layers"].layers(default: isOldest ? 6 : 8)
    let count = try config["num_hidden_layers"].layers(default: decoderCount)
    let buckets = try config["relative_attention_num_buckets"].int(
      in: 4...1 << 16, default: 32)
    // Half of a direction's buckets are for one distance each; a decoder has one direction.
    let isEncoder = head == .encoder || head == .tokenClassification
    let farthest = try config["relative_attention_max_distance"].int(
      in: buckets / (isEncoder ? 4 : 2) + 1...1 << 20, default: 128)
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
    /// - Parameter last: the last sublayer, which feeds forward.
    func layer(_ stack: String, _ index: Int, last: Int) -> EncoderLayer {
      let blocks = body[stack]["block"]
      let sublayers = blocks[index]["layer"]
      let table = blocks[type == "umt5" ? index : 0]["layer"][0]["SelfAttention"]
      let mlp = sublayers[last]["DenseReluDense"]
      func up(_ name: String) -> Linear { Linear(hidden, intermediate, mlp[name], bias: false) }
      let down = Linear(intermediate, hidden, mlp["wo"], bias: false)
      return EncoderLayer(
        attention: attention(sublayers[0]["SelfAttention"]),
        attentionResidual: residual(sublayers[0]),
        feedForward: isGated
          ? GatedFeedForward(gate: up("wi_0"), activation: activation, up: up("wi_1"), down: down)
          : FeedForward(up: up("wi"), activation: activation, down: down),
        feedForwardResidual: residual(sublayers[last]),
        relativePositions: RelativePositions(
          table: Embedding(buckets, heads, table["relative_attention_bias"]), buckets: buckets,
          farthest: farthest, isBidirectional: stack == "encoder"))
    }
    self.head = head
    self.hidden = hidden
    words = Embedding(
      try config["vocab_size"].int(
        in: 1...1 << 24, default: isOldest ? 32_128 : 250_112), hidden, body["shared"])
    // From transformers 5 on, `tie_word_embeddings` is always true, and the files say what is tied;
    // whether the output is scaled has a key of its own, but in mT5, whose outputs never are.
    let scale = config["scale_decoder_outputs"]
    let isRecent = type == "mt5" ? try config.isOfTransformers5() : scale.exists
    if isRecent {
      isTied = !body["lm_head"].holds("weight")
      isScaled = try scale.bool(default: false)
    } else {
      isTied = try config["tie_word_embeddings"].bool(default: type != "mt5")
      isScaled = isTied
    }
    encoder = (0..<count).map { layer("encoder", $0, last: 1) }
    decoder = (0..<(try config["num_decoder_layers"].layers(default: decoderCount))).map {
      let sublayers = body["decoder"]["block"][$0]["layer"]
      return CrossDecoderLayer(
        own: layer("decoder", $0, last: 2), cross: attention(sublayers[1]["EncDecAttention"]),
        crossResidual: residual(sublayers[1]))
    }
    func norm(_ stack: String) -> RMSNorm {
      RMSNorm(hidden, body[stack]["final_layer_norm"], epsilon: epsilon)
    }
    encoderNorm = norm("encoder")
    decoderNorm = norm("decoder")
    self.heads = try SequenceHeads(config, head, hidden: hidden, endID: 1)
    startID = try config["decoder_start_token_id"].int(in: 0...1 << 24, default: 0)
  }

  /// Reads `feed_forward_proj`: an activation, with `gated-` before it for a gate; and what
  /// transformers makes of it, `dense_act_fn` and `is_gated_act`, where a file has these.
  private static func feedForward(
    _ config: JSONField, default absent: ByteString
  ) throws(HubError) -> (Activation, isGated: Bool) {
    let field = config["feed_forward_proj"]
    let name = try field.string(default: absent).utf8String
    let isGated = name.hasPrefix("gated-")
    let plain = isGated ? String(name.dropFirst("gated-".count)) : name
    guard let known = Activation.named.first(where: { $0.key == plain }) else {
      throw field.error(
        expected: "one of " + Activation.named.map(\.key).joined(separator: ", ")
          + ", or one of these after gated-")
    }
    // transformers: the gate of T5 1.1 is the approximation.
    let activation = name == "gated-gelu" ? Activation(.geluTanh) : known.value
    let dense = config["dense_act_fn"]
    return (
      dense.exists ? try dense.activation() : activation,
      try config["is_gated_act"].bool(default: isGated)
    )
  }

  var vocabulary: Int { words.count }

  func encode(_ ids: Tensor, padding: Tensor) -> Tensor {
    let trace = ids.trace
    let (batch, seq) = (ids.shape[0], ids.shape[1])
    let mask = trace.mask([.padding(padding)], batch: batch, queries: seq, keys: seq)
    let last = encoder(trace.scoped("embeddings") { words(ids) }, mask: mask)
    return trace.scoped("encoder norm") { encoderNorm(last) }
  }

  func target(of ids: Tensor) -> Tensor? {
    head == .bare || head == .sequenceToSequence
      ? nil
      : ids.shiftedRight(
        after: ids.trace.full(Double(startID), .i32, [ids.shape[0], 1]))
  }

  func embedTarget(_ ids: Tensor, positions: Tensor) -> Tensor { words(ids) }

  func normalizeTarget(_ x: Tensor) -> Tensor { decoderNorm(x) }

  func scores(_ x: Tensor) -> Tensor {
    let x = isScaled ? x * (1 / Double(hidden).squareRoot()) : x
    return isTied
      ? words.scores(x) : Linear(hidden, vocabulary, Weights("lm_head"), bias: false)(x)
  }
  func outputs(_ hidden: Tensor, source: Tensor?) -> [(String, Tensor)] {
    heads(hidden, source: source)
  }
}
