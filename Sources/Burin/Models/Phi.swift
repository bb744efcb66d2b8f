import BurinHub
import BurinIR

/// Phi-1 and Phi-2 (Li et al., 2023), as transformers' `modeling_phi`: sublayers side by side behind
/// one norm, rotary positions in a part of each head.
struct Phi: DecoderFamily {
  static let modelTypes = ["phi"]
  static let bodyPrefix = "model"
  static let architectures = decoderArchitectures("Phi")

  /// Buffers of old files, and the copy of a tied output.
  static func isUnused(_ name: String) -> Bool {
    DecoderBody.isUnused(name) || name == "lm_head.bias"
  }

  let head: Head
  let body: DecoderBody

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    let hidden = try config["hidden_size"].width()
    let heads = try config["num_attention_heads"].int(in: 1...65_536)
    let groups = try config["num_key_value_heads"].groups(dividing: heads)
    let width =
      config["head_dim"].exists
      ? try config["head_dim"].width()
      : hidden / (try config["num_attention_heads"].heads(dividing: hidden))
    let intermediate = try config["intermediate_size"].width()
    let epsilon = try config["layer_norm_eps"].epsilon(default: 1e-5)
    let activation = try config["hidden_act"].activation(default: "gelu_new")
    let normalizesHeads = try config["qk_layernorm"].bool(default: false)
    guard !normalizesHeads || width * heads == hidden else {
      throw config["head_dim"].error(
        expected: "\(hidden / heads), the width that the norms of qk_layernorm have")
    }
    let rotary = try Rotary(config, width: width, partial: 0.5, isCut: true)
    let layers = (0..<(try config["num_hidden_layers"].layers())).map { index in
      let layer = body["layers"][index]
      let attention = layer["self_attn"]
      let norm = LayerNorm(hidden, layer["input_layernorm"], epsilon: epsilon)
      func headNorm(_ name: String) -> LayerNorm {
        LayerNorm(width, attention[name], epsilon: epsilon)
      }
      return ParallelLayer(
        attentionNorm: norm,
        attention: CausalAttention(
          heads: heads, groups: groups, width: width,
          projections: .separate(
            query: Linear(hidden, heads * width, attention["q_proj"]),
            key: Linear(hidden, groups * width, attention["k_proj"]),
            value: Linear(hidden, groups * width, attention["v_proj"])),
          output: Linear(heads * width, hidden, attention["dense"]),
          norms: normalizesHeads
            ? .perHead(query: headNorm("q_layernorm"), key: headNorm("k_layernorm")) : .none,
          rotary: rotary),
        feedForwardNorm: norm,
        feedForward: FeedForward(
          up: Linear(hidden, intermediate, layer["mlp"]["fc1"]), activation: activation,
          down: Linear(intermediate, hidden, layer["mlp"]["fc2"])))
    }
    var stack = try DecoderBody(
      config, hidden: hidden, words: body["embed_tokens"], layers: layers,
      norm: LayerNorm(hidden, body["final_layernorm"], epsilon: epsilon), isTied: false)
    stack.output = Linear(hidden, stack.words.count, Weights("lm_head"))
    stack.tiedBias = Weights("lm_head")
    self.head = head
    self.body = stack
  }
}
