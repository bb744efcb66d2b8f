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
  let encoder: [EncoderLayer]
  let decoder: [CrossDecoderLayer]
  let encoderEnds, decoderEnds: BartEnds
  let maximumLength: Int
  var defaultLength: Int { maximumLength }

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    let type = try config["model_type"].string().utf8String
    let hidden = try config["d_model"].width(default: 1024)
    let activation = try config["activation_function"].activation(default: "gelu")
    let positions = try config["max_position_embeddings"].int(in: 1...1 << 24, default: 1024)
    let isSinusoidal = type == "marian" || type == "pegasus"
    let isPreNorm = type == "mbart" || type == "pegasus"
    func attention(_ heads: Int, _ weights: Weights) -> CrossAttention {
      func projection(_ name: String) -> Linear { Linear(hidden, hidden, weights[name]) }
      return CrossAttention(
        heads: heads, query: projection("q_proj"), key: projection("k_proj"),
        value: projection("v_proj"), output: projection("out_proj"))
    }
    func residual(_ weights: Weights) -> Residual {
      let norm = LayerNorm(hidden, weights)
      return isPreNorm ? Residual(before: norm) : Residual(afterSum: norm)
    }
    func ends(_ weights: Weights) -> BartEnds {
      BartEnds(
        positions: isSinusoidal
          ? nil
          : LearnedPositions(
            table: Embedding(positions + 2, hidden, weights["embed_positions"]), offset: 2),
        embeddingNorm: isSinusoidal ? nil : LayerNorm(hidden, weights["layernorm_embedding"]),
        norm: isPreNorm ? LayerNorm(hidden, weights["layer_norm"]) : nil)
    }
    /// The layers of the encoder or the decoder, without attention to the source.
    func layers(_ name: String) throws(HubError) -> [(EncoderLayer, Weights, heads: Int)] {
      func key(_ rest: String) -> JSONField { config[ByteString(name + rest)] }
      let heads = try key("_attention_heads").heads(dividing: hidden, default: 16)
      let intermediate = try key("_ffn_dim").width(default: 4096)
      return (0..<(try key("_layers").layers(default: 12))).map { index in
        let weights = body[name]["layers"][index]
        let layer = EncoderLayer(
          attention: attention(heads, weights["self_attn"]),
          attentionResidual: residual(weights["self_attn_layer_norm"]),
          feedForward: FeedForward(
            up: Linear(hidden, intermediate, weights["fc1"]), activation: activation,
            down: Linear(intermediate, hidden, weights["fc2"])),
          feedForwardResidual: residual(weights["final_layer_norm"]))
        return (layer, weights, heads)
      }
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
    encoder = try layers("encoder").map(\.0)
    decoder = try layers("decoder").map { layer, weights, heads in
      CrossDecoderLayer(
        own: layer, cross: attention(heads, weights["encoder_attn"]),
        crossResidual: residual(weights["encoder_attn_layer_norm"]))
    }
    encoderEnds = ends(body["encoder"])
    decoderEnds = ends(body["decoder"])
    maximumLength = positions
  }

  var vocabulary: Int { targetWords.count }

  func encode(_ ids: Tensor, padding: Tensor) -> Tensor {
    let trace = ids.trace
    let (batch, seq) = (ids.shape[0], ids.shape[1])
    let mask = trace.mask([.padding(padding)], batch: batch, queries: seq, keys: seq)
    let embedded = trace.scoped("encoder embeddings") {
      encoderEnds.embed(sourceWords(ids) * embeddingScale, trace.iota(ids.shape, axis: 1))
    }
    let last = encoder.enumerated().reduce(embedded) { x, layer in
      trace.scoped("encoder layer \(layer.offset)") { layer.element(x, bias: nil, mask: mask) }
    }
    return trace.scoped("encoder norm") { encoderEnds.norm?(last) ?? last }
  }

  func embedTarget(_ ids: Tensor, positions: Tensor) -> Tensor {
    decoderEnds.embed(targetWords(ids) * embeddingScale, positions)
  }

  func targetBias(_ context: DecoderContext) -> Tensor? { nil }

  func normalizeTarget(_ x: Tensor) -> Tensor { decoderEnds.norm?(x) ?? x }

  func scores(_ x: Tensor) -> Tensor {
    let output = Linear(hidden, vocabulary, Weights("lm_head"), bias: false)
    let bias = x.trace.weight("final_logits_bias", [1, vocabulary])
    return (isTied ? targetWords.scores(x) : output(x)) + bias.reshaped([Dim(vocabulary)])
  }
}

/// What stands before the layers of the encoder or the decoder, and after them.
struct BartEnds {
  /// `nil` for sinusoidal ones.
  let positions: LearnedPositions?
  let embeddingNorm, norm: LayerNorm?

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
