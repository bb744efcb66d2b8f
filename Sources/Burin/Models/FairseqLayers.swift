import BurinHub

/// The layers of an encoder-decoder whose parts are called as fairseq called them (`self_attn`,
/// `encoder_attn`, `fc1`, `fc2`): those of BART and its relatives, of Whisper and of the Time Series
/// Transformer.
struct FairseqLayers {
  /// What a configuration that says nothing else means, for one of the two sides.
  struct Sizes {
    let layers, heads, intermediate: Int
  }

  let hidden: Int
  let activation: Activation
  /// Whether norms stand before the sublayers instead of after them.
  var isPreNorm = false
  /// Whether keys have a bias, as queries and values have.
  var hasKeyBias = true
  /// Another name of `encoder_layers`, if it has one.
  var countAlias: ByteString?

  /// The layers of the encoder, whose tensors `weights` has.
  func encoder(
    _ config: JSONField, _ weights: Weights, absent: Sizes
  ) throws(HubError) -> [EncoderLayer] {
    try layers("encoder", config, weights, absent: absent).map(\.0)
  }

  /// The layers of the decoder, with attention to the source.
  func decoder(
    _ config: JSONField, _ weights: Weights, absent: Sizes
  ) throws(HubError) -> [CrossDecoderLayer] {
    try layers("decoder", config, weights, absent: absent).map { layer, weights in
      CrossDecoderLayer(
        own: layer, cross: attention(layer.attention.heads, weights["encoder_attn"]),
        crossResidual: residual(weights["encoder_attn_layer_norm"]))
    }
  }

  private func layers(
    _ side: String, _ config: JSONField, _ weights: Weights, absent: Sizes
  ) throws(HubError) -> [(EncoderLayer, Weights)] {
    // Other names mean the encoder.
    func key(_ rest: String, _ alias: ByteString?) -> JSONField {
      let own = ByteString(side + rest)
      return side == "encoder" ? config.first(of: alias ?? own, own) : config[own]
    }
    let heads = try key("_attention_heads", "num_attention_heads")
      .heads(dividing: hidden, default: absent.heads)
    let intermediate = try key("_ffn_dim", nil).width(default: absent.intermediate)
    let count = try key("_layers", countAlias).layers(default: absent.layers)
    return (0..<count).map { index in
      let weights = weights["layers"][index]
      let layer = EncoderLayer(
        attention: attention(heads, weights["self_attn"]),
        attentionResidual: residual(weights["self_attn_layer_norm"]),
        feedForward: FeedForward(
          up: Linear(hidden, intermediate, weights["fc1"]), activation: activation,
          down: Linear(intermediate, hidden, weights["fc2"])),
        feedForwardResidual: residual(weights["final_layer_norm"]))
      return (layer, weights)
    }
  }

  private func attention(_ heads: Int, _ weights: Weights) -> CrossAttention {
    func projection(_ name: String, bias: Bool = true) -> Linear {
      Linear(hidden, hidden, weights[name], bias: bias)
    }
    return CrossAttention(
      heads: heads, query: projection("q_proj"), key: projection("k_proj", bias: hasKeyBias),
      value: projection("v_proj"), output: projection("out_proj"))
  }

  private func residual(_ weights: Weights) -> Residual {
    let norm = LayerNorm(hidden, weights)
    return isPreNorm ? Residual(before: norm) : Residual(afterSum: norm)
  }
}
