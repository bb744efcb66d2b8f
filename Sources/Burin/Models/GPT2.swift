import BurinHub
import BurinIR

/// GPT-2 (Radford et al., 2019), as transformers' `modeling_gpt2`: a decoder normalised before each
/// sublayer, with learned positions.
struct GPT2: DecoderFamily {
  static let modelTypes = ["gpt2"]
  static let bodyPrefix = "transformer"
  static let architectures: KeyValuePairs<String, Head> = [
    "GPT2Model": .bare, "GPT2LMHeadModel": .languageModel,
    "GPT2ForSequenceClassification": .sequenceClassification,
    "GPT2ForTokenClassification": .tokenClassification,
    "GPT2ForQuestionAnswering": .questionAnswering,
  ]

  static func isUnused(_ name: String) -> Bool {
    name.hasSuffix("attn.bias") || name.hasSuffix("attn.masked_bias") || name == "lm_head.weight"
  }

  let head: Head
  let body: DecoderBody
  let tokenClassifier = "classifier"

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    self.head = head
    let hidden = try config.either("hidden_size", "n_embd").width()
    let heads = try config.either("num_attention_heads", "n_head").heads(dividing: hidden)
    let inner = try config["n_inner"].int(in: 1...1 << 22, default: 4 * hidden)
    let epsilon = try config["layer_norm_epsilon"].epsilon(default: 1e-5)
    let activation = try config["activation_function"].activation(default: "gelu_new")
    let scales = try config["scale_attn_weights"].flag(default: true)
    let scalesByLayer = try config["scale_attn_by_inverse_layer_idx"].bool(default: false)
    guard try !config["add_cross_attention"].bool(default: false) else {
      throw config["add_cross_attention"].error(expected: "false")
    }
    let layers = (0..<(try config.either("num_hidden_layers", "n_layer").layers())).map { index in
      let layer = body["h"][index]
      let scale =
        (scales ? 1 / Double(hidden / heads).squareRoot() : 1)
        / (scalesByLayer ? Double(index + 1) : 1)
      func linear(_ inputs: Int, _ outputs: Int, _ weights: Weights) -> Linear {
        Linear(inputs, outputs, weights, storage: .inputsByOutputs)
      }
      return preNormLayer(
        attentionNorm: LayerNorm(hidden, layer["ln_1"], epsilon: epsilon),
        attention: CausalAttention(
          heads: heads, groups: heads, width: hidden / heads,
          projections: .joined(linear(hidden, 3 * hidden, layer["attn"]["c_attn"])),
          output: linear(hidden, hidden, layer["attn"]["c_proj"]), scale: scale),
        feedForwardNorm: LayerNorm(hidden, layer["ln_2"], epsilon: epsilon),
        feedForward: FeedForward(
          up: linear(hidden, inner, layer["mlp"]["c_fc"]), activation: activation,
          down: linear(inner, hidden, layer["mlp"]["c_proj"])))
    }
    var stack = try DecoderBody(
      config, hidden: hidden, words: body["wte"], layers: layers,
      norm: LayerNorm(hidden, body["ln_f"], epsilon: epsilon), isTied: true,
      positionsKey: config["max_position_embeddings"].exists
        ? "max_position_embeddings" : "n_positions")
    stack.positions = LearnedPositions(
      table: Embedding(stack.maximumLength, hidden, body["wpe"]))
    self.body = stack
  }
}
