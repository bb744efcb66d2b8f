import BurinHub
import BurinIR

/// OPT (Zhang et al., 2022), as transformers' `modeling_opt`: learnt positions that count only the
/// tokens that are not padding, in a table whose second row is padding's.
struct OPT: DecoderFamily {
  static let modelTypes = ["opt"]
  static let bodyPrefix = "model.decoder"
  static let architectures: KeyValuePairs<String, Head> = [
    "OPTModel": .bare, "OPTForCausalLM": .languageModel,
    "OPTForSequenceClassification": .sequenceClassification,
    "OPTForQuestionAnswering": .questionAnswering,
  ]

  /// The copy of a tied output.
  static func isUnused(_ name: String) -> Bool { name == "lm_head.weight" }

  let head: Head
  let body: DecoderBody
  let countsPadding = false

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    // A file saved without a head still names the decoder.
    let weights = body.path.isEmpty ? Weights("decoder") : body
    let hidden = try config["hidden_size"].width()
    let heads = try config["num_attention_heads"].heads(dividing: hidden)
    let intermediate = try config["ffn_dim"].width()
    let activation = try config["activation_function"].activation(default: "relu")
    let hasBias = try config["enable_bias"].flag(default: true)
    let hasScales = try config["layer_norm_elementwise_affine"].flag(default: true)
    let isBefore = try config["do_layer_norm_before"].flag(default: true)
    let lacksFinalNorm = try config["_remove_final_layer_norm"].bool(default: false)
    let embeddingWidth = try config["word_embed_proj_dim"].width(default: hidden)
    func norm(_ weights: Weights) -> LayerNorm {
      LayerNorm(hidden, weights, epsilon: 1e-5, scale: hasScales, bias: hasScales)
    }
    func linear(_ inputs: Int, _ outputs: Int, _ weights: Weights) -> Linear {
      Linear(inputs, outputs, weights, bias: hasBias)
    }
    let width = hidden / heads
    let layers = (0..<(try config["num_hidden_layers"].layers())).map { index in
      let layer = weights["layers"][index]
      let attention = layer["self_attn"]
      func residual(_ name: String) -> Residual {
        Residual(
          before: isBefore ? norm(layer[name]) : nil,
          afterSum: isBefore ? nil : norm(layer[name]))
      }
      return SequentialLayer(
        attentionResidual: residual("self_attn_layer_norm"),
        attention: CausalAttention(
          heads: heads, groups: heads, width: width,
          projections: .separate(
            query: linear(hidden, hidden, attention["q_proj"]),
            key: linear(hidden, hidden, attention["k_proj"]),
            value: linear(hidden, hidden, attention["v_proj"])),
          output: linear(hidden, hidden, attention["out_proj"])),
        feedForwardResidual: residual("final_layer_norm"),
        feedForward: FeedForward(
          up: linear(hidden, intermediate, layer["fc1"]), activation: activation,
          down: linear(intermediate, hidden, layer["fc2"])))
    }
    var stack = try DecoderBody(
      config, hidden: hidden, embeddingWidth: embeddingWidth, words: weights["embed_tokens"],
      layers: layers,
      norm: isBefore && !lacksFinalNorm ? norm(weights["final_layer_norm"]) : nil, isTied: true)
    stack.positions = LearnedPositions(
      table: Embedding(stack.maximumLength + 2, hidden, weights["embed_positions"]), offset: 2)
    if embeddingWidth != hidden {
      stack.projectionIn = Linear(
        embeddingWidth, hidden, weights["project_in"], bias: false)
      stack.projectionOut = Linear(
        hidden, embeddingWidth, weights["project_out"], bias: false)
    }
    self.head = head
    self.body = stack
  }
}
