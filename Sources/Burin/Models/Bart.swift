import BurinHub
import BurinIR
import Glibc

/// BART (Lewis et al., 2019), mBART (Liu et al., 2020), Marian (Junczys-Dowmunt et al., 2018) and
/// Pegasus (Zhang et al., 2019), as transformers' `modeling_bart` and its copies: the encoder-decoder
/// of the paper, with learnt or sinusoidal positions, and norms after each sublayer or before.
struct Bart: EncoderDecoderFamily {
  static let modelTypes = ["bart", "mbart", "marian", "pegasus"]
  static let bodyPrefix = "model"
  static let architectures: KeyValuePairs<String, Head> = [
    "BartModel": .bare, "BartForConditionalGeneration": .sequenceToSequence,
    "MBartModel": .bare, "MBartForConditionalGeneration": .sequenceToSequence,
    "MarianModel": .bare, "MarianMTModel": .sequenceToSequence,
    "PegasusModel": .bare, "PegasusForConditionalGeneration": .sequenceToSequence,
  ]

  /// Copies of the shared embeddings, sinusoidal positions that old files hold, and the bias of the
  /// scores where there are none.
  static func isUnused(_ name: String) -> Bool {
    name.hasSuffix("embed_tokens.weight") || name == "lm_head.weight"
      || name.hasSuffix("embed_positions.weight") || name.hasSuffix("final_logits_bias")
      || name == "model.shared.weight" || name == "shared.weight"
  }

  let head: Head
  let hidden: Int
  let sourceWords, targetWords: Embedding
  let embeddingScale: Double
  let isTied: Bool
  let encoder, decoder: BartStack
  let maximumLength: Int
  var defaultLength: Int { maximumLength }

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    let type = try config["model_type"].string().utf8String
    let hidden = try config["d_model"].width(default: 1024)
    let activation = try config["activation_function"].activation(default: "gelu")
    let positions = try config["max_position_embeddings"].int(in: 1...1 << 24, default: 1024)
    let isPreNorm = type == "mbart" || type == "pegasus"
    func stack(_ name: String, _ layers: Int, _ heads: Int, _ width: Int) -> BartStack {
      let weights = body[name]
      let isDecoder = name == "decoder"
      return BartStack(
        positions: type == "marian" || type == "pegasus"
          ? nil
          : LearnedPositions(
            table: Embedding(positions + 2, hidden, weights["embed_positions"]), offset: 2),
        embeddingNorm: type == "bart" || type == "mbart"
          ? LayerNorm(hidden, weights["layernorm_embedding"]) : nil,
        layers: (0..<layers).map {
          BartLayer(
            hidden, heads: heads, intermediate: width, activation: activation,
            isPreNorm: isPreNorm, isDecoder: isDecoder, weights["layers"][$0])
        },
        norm: isPreNorm ? LayerNorm(hidden, weights["layer_norm"]) : nil)
    }
    func stack(_ name: String) throws(HubError) -> BartStack {
      func key(_ rest: String) -> JSONField { config[ByteString(name + rest)] }
      return stack(
        name, try key("_layers").layers(default: 12),
        try key("_attention_heads").heads(dividing: hidden, default: 16),
        try key("_ffn_dim").width(default: 4096))
    }
    self.head = head
    self.hidden = hidden
    let words = try config["vocab_size"].int(in: 1...1 << 24, default: 50_265)
    if try config["share_encoder_decoder_embeddings"].bool(default: true) {
      sourceWords = Embedding(words, hidden, body["shared"])
      targetWords = sourceWords
    } else {
      sourceWords = Embedding(words, hidden, body["encoder"]["embed_tokens"])
      targetWords = Embedding(
        try config["decoder_vocab_size"].int(in: 1...1 << 24, default: words), hidden,
        body["decoder"]["embed_tokens"])
    }
    let isScaled = try config["scale_embedding"].bool(default: false)
    embeddingScale = isScaled ? Double(hidden).squareRoot() : 1
    isTied = try config["tie_word_embeddings"].bool(default: true)
    encoder = try stack("encoder")
    decoder = try stack("decoder")
    maximumLength = positions
  }

  var vocabulary: Int { targetWords.count }
  var decoderLayers: [any CrossDecoderLayer] { decoder.layers }

  func encode(_ ids: Tensor, padding: Tensor) -> Tensor {
    let trace = ids.trace
    let (batch, seq) = (ids.shape[0], ids.shape[1])
    let mask = trace.mask([.padding(padding)], batch: batch, queries: seq, keys: seq)
    let embedded = trace.scoped("encoder embeddings") {
      encoder.embed(sourceWords(ids) * embeddingScale, trace.iota(ids.shape, axis: 1))
    }
    let last = encoder.layers.enumerated().reduce(embedded) { x, layer in
      trace.scoped("encoder layer \(layer.offset)") { layer.element.encode(x, mask: mask) }
    }
    return trace.scoped("encoder norm") { encoder.norm?(last) ?? last }
  }

  func embedTarget(_ ids: Tensor, positions: Tensor) -> Tensor {
    decoder.embed(targetWords(ids) * embeddingScale, positions)
  }

  func targetBias(_ context: DecoderContext) -> Tensor? { nil }

  func normalizeTarget(_ x: Tensor) -> Tensor { decoder.norm?(x) ?? x }

  func scores(_ x: Tensor) -> Tensor {
    let output = Linear(hidden, vocabulary, Weights("lm_head"), bias: false)
    let bias = x.trace.weight("final_logits_bias", [1, vocabulary])
    return (isTied ? targetWords.scores(x) : output(x)) + bias.reshaped([Dim(vocabulary)])
  }
}

/// The encoder or the decoder.
struct BartStack {
  /// `nil` for sinusoidal ones.
  let positions: LearnedPositions?
  let embeddingNorm: LayerNorm?
  let layers: [BartLayer]
  let norm: LayerNorm?

  /// The embeddings `x[batch, seq, hidden]` with the positions `[batch, seq]`, normalised.
  func embed(_ x: Tensor, _ places: Tensor) -> Tensor {
    let sum = x + (positions?(places) ?? places.sinusoids(x.shape[2].constant ?? 1))
    return embeddingNorm?(sum) ?? sum
  }
}

extension Tensor {
  /// Of positions `i32[batch, seq]`: the sines of each at falling frequencies, and then the cosines
  /// (Vaswani et al., 2017, section 3.5, with the two kept apart); `f32[batch, seq, width]`.
  fileprivate func sinusoids(_ width: Int) -> Tensor {
    func angles(_ count: Int) -> Tensor {
      let rates = (0..<count).map { pow(10_000, -2 * Double($0) / Double(width)) }
      return cast(.f32).reshaped([shape[0], shape[1], 1]) * trace.constant(rates)
    }
    let (sines, cosines) = ((width + 1) / 2, width / 2)
    guard cosines > 0 else { return angles(sines).unary(.sin) }
    return trace.concat(
      [angles(sines).unary(.sin), angles(cosines).unary(.cos)], axis: 2)
  }
}

/// Self-attention, in a decoder attention to the source, and a feed-forward network; each is
/// normalised after the sum, or its input is.
struct BartLayer: CrossDecoderLayer {
  let heads, width: Int
  let isPreNorm: Bool
  let attention: BartAttention
  let attentionNorm: LayerNorm
  let cross: (attention: BartAttention, norm: LayerNorm)?
  let feedForward: FeedForward
  let feedForwardNorm: LayerNorm

  init(
    _ hidden: Int, heads: Int, intermediate: Int, activation: Activation, isPreNorm: Bool,
    isDecoder: Bool, _ weights: Weights
  ) {
    self.heads = heads
    width = hidden / heads
    self.isPreNorm = isPreNorm
    attention = BartAttention(hidden: hidden, heads: heads, weights: weights["self_attn"])
    attentionNorm = LayerNorm(hidden, weights["self_attn_layer_norm"])
    cross =
      isDecoder
      ? (
        BartAttention(hidden: hidden, heads: heads, weights: weights["encoder_attn"]),
        LayerNorm(hidden, weights["encoder_attn_layer_norm"])
      ) : nil
    feedForward = FeedForward(
      up: Linear(hidden, intermediate, weights["fc1"]), activation: activation,
      down: Linear(intermediate, hidden, weights["fc2"]))
    feedForwardNorm = LayerNorm(hidden, weights["final_layer_norm"])
  }

  private func sublayer(_ x: Tensor, _ norm: LayerNorm, _ apply: (Tensor) -> Tensor) -> Tensor {
    isPreNorm ? x + apply(norm(x)) : norm(x + apply(x))
  }

  private func fed(_ x: Tensor) -> Tensor {
    x.trace.scoped("feed forward") { sublayer(x, feedForwardNorm) { feedForward($0) } }
  }

  /// The layer of an encoder.
  func encode(_ x: Tensor, mask: Tensor) -> Tensor {
    let h = x.trace.scoped("attention") {
      sublayer(x, attentionNorm) { attention($0, attention.memory($0), mask: mask) }
    }
    return fed(h)
  }

  var memoryShape: [Int] { [heads, width] }

  func memory(_ encoded: Tensor) -> (keys: Tensor, values: Tensor) {
    (cross?.attention ?? attention).memory(encoded)
  }

  func callAsFunction(
    _ x: Tensor, _ context: DecoderContext, memory: (keys: Tensor, values: Tensor, mask: Tensor),
    bias: Tensor?
  ) -> Tensor {
    var h = x.trace.scoped("attention") {
      sublayer(x, attentionNorm) {
        let own = attention.memory($0)
        let all = (context.cached("keys", own.keys), context.cached("values", own.values))
        return attention($0, all, mask: context.mask(nil))
      }
    }
    if let cross {
      h = x.trace.scoped("cross attention") {
        sublayer(h, cross.norm) {
          cross.attention($0, (memory.keys, memory.values), mask: memory.mask)
        }
      }
    }
    return fed(h)
  }
}

/// Multi-head attention with a bias in every projection.
struct BartAttention {
  let hidden, heads: Int
  let weights: Weights

  private func projection(_ name: String) -> Linear { Linear(hidden, hidden, weights[name]) }

  /// Keys and values, `[batch, seq, heads, width]`.
  func memory(_ x: Tensor) -> (keys: Tensor, values: Tensor) {
    (projection("k_proj")(x).heads(heads), projection("v_proj")(x).heads(heads))
  }

  func callAsFunction(
    _ x: Tensor, _ memory: (keys: Tensor, values: Tensor), mask: Tensor
  ) -> Tensor {
    projection("out_proj")(
      Burin.attention(
        query: projection("q_proj")(x).heads(heads), key: memory.keys, value: memory.values,
        scale: 1 / Double(hidden / heads).squareRoot(), mask: mask))
  }
}
