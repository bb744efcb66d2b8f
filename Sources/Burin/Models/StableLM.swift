import BurinHub
import BurinIR

/// StableLM 2 (Bellagente et al., 2024), as transformers' `modeling_stablelm`.
struct StableLM: DecoderFamily {
  static let modelTypes = ["stablelm"]
  static let bodyPrefix = "model"
  static let architectures = decoderArchitectures("StableLm")

  /// Buffers of old files, and the copy of a tied output.
  static func isUnused(_ name: String) -> Bool { DecoderBody.isUnused(name) }

  let head: Head
  let body: DecoderBody

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    let hidden = try config["hidden_size"].width()
    let heads = try config["num_attention_heads"].heads(dividing: hidden)
    let groups = try config["num_key_value_heads"].groups(dividing: heads, default: 32)
    let intermediate = try config["intermediate_size"].width()
    let epsilon = try config["layer_norm_eps"].epsilon(default: 1e-5)
    let activation = try config["hidden_act"].activation(default: "silu")
    let hasBias = try config["use_qkv_bias"].bool(default: false)
    let normalizesHeads = try config["qk_layernorm"].bool(default: false)
    let isParallel = try config["use_parallel_residual"].bool(default: false)
    let width = hidden / heads
    let rotary = try Rotary(config, width: width, partial: 0.25, isCut: true)
    let layers = (0..<(try config["num_hidden_layers"].layers())).map { index in
      let layer = body["layers"][index]
      let (attention, mlp) = (layer["self_attn"], layer["mlp"])
      func projection(_ name: String, _ heads: Int) -> Linear {
        Linear(hidden, heads * width, attention[name], bias: hasBias)
      }
      func headNorm(_ name: String, _ heads: Int) -> NormPerHead {
        NormPerHead(
          heads: heads, width: width, weights: attention[name]["norms"], epsilon: epsilon)
      }
      let norm = LayerNorm(hidden, layer["input_layernorm"], epsilon: epsilon)
      return preNormLayer(
        isParallel: isParallel, attentionNorm: norm,
        attention: CausalAttention(
          heads: heads, groups: groups, width: width,
          projections: .separate(
            query: projection("q_proj", heads), key: projection("k_proj", groups),
            value: projection("v_proj", groups)),
          output: Linear(hidden, hidden, attention["o_proj"], bias: false),
          norms: normalizesHeads
            ? .perHead(
              query: headNorm("q_layernorm", heads), key: headNorm("k_layernorm", groups))
            : .none,
          rotary: rotary),
        feedForwardNorm: isParallel
          ? norm : LayerNorm(hidden, layer["post_attention_layernorm"], epsilon: epsilon),
        feedForward: GatedFeedForward(
          gate: Linear(hidden, intermediate, mlp["gate_proj"], bias: false),
          activation: activation,
          up: Linear(hidden, intermediate, mlp["up_proj"], bias: false),
          down: Linear(intermediate, hidden, mlp["down_proj"], bias: false)))
    }
    self.head = head
    self.body = try DecoderBody(
      config, hidden: hidden, words: body["embed_tokens"], layers: layers,
      norm: LayerNorm(hidden, body["norm"], epsilon: epsilon), isTied: false)
  }
}

/// Layer normalisation of each head `[batch, seq, heads, width]` with a scale of its own, without a
/// bias.
private struct NormPerHead: NormLayer {
  let heads, width: Int
  let weights: Weights
  let epsilon: Double

  func callAsFunction(_ x: Tensor) -> Tensor {
    let scales = (0..<heads).map { weights[$0].tensor("weight", [width], in: x.trace) }
    let all = x.trace.concat(scales, axis: 0).reshaped([Dim(heads), Dim(width)])
    return x.layerNorm(scale: nil, bias: nil, epsilon: epsilon) * all
  }
}
