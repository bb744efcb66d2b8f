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
    let hidden = try config["n_embd"].width()
    let heads = try config["n_head"].heads(dividing: hidden)
    let inner = try config["n_inner"].int(in: 1...1 << 22, default: 4 * hidden)
    let epsilon = try config["layer_norm_epsilon"].epsilon(default: 1e-5)
    let activation = try config["activation_function"].activation(default: "gelu_new")
    let scales = try config["scale_attn_weights"].bool(default: true)
    let scalesByLayer = try config["scale_attn_by_inverse_layer_idx"].bool(default: false)
    guard try !config["add_cross_attention"].bool(default: false) else {
      throw config["add_cross_attention"].error(expected: "false")
    }
    let layers = (0..<(try config["n_layer"].layers())).map { index in
      let layer = body["h"][index]
      let scale =
        (scales ? 1 / Double(hidden / heads).squareRoot() : 1)
        / (scalesByLayer ? Double(index + 1) : 1)
      return GPT2Layer(
        attentionNorm: LayerNorm(hidden, layer["ln_1"], epsilon: epsilon),
        attention: GPT2Attention(
          hidden: hidden, heads: heads, scale: scale, weights: layer["attn"]),
        feedForwardNorm: LayerNorm(hidden, layer["ln_2"], epsilon: epsilon),
        feedForward: FeedForward(
          up: Linear(hidden, inner, layer["mlp"]["c_fc"], storage: .inputsByOutputs),
          activation: activation,
          down: Linear(inner, hidden, layer["mlp"]["c_proj"], storage: .inputsByOutputs)))
    }
    var stack = try DecoderBody(
      config, hidden: hidden, words: body["wte"], layers: layers,
      norm: LayerNorm(hidden, body["ln_f"], epsilon: epsilon), isTied: true,
      positionsKey: "n_positions", positions: 1024)
    stack.positions = LearnedPositions(
      table: Embedding(stack.maximumLength, hidden, body["wpe"]))
    self.body = stack
  }
}

/// `h = x + attention(norm(x)); h + feedForward(norm(h))`.
struct GPT2Layer: DecoderLayer {
  let attentionNorm: LayerNorm
  let attention: GPT2Attention
  let feedForwardNorm: LayerNorm
  let feedForward: FeedForward

  func callAsFunction(_ x: Tensor, _ context: DecoderContext) -> Tensor {
    let h = x.trace.scoped("attention") { x + attention(attentionNorm(x), context) }
    return x.trace.scoped("feed forward") { h + feedForward(feedForwardNorm(h)) }
  }
}

/// Self-attention with one matrix for queries, keys and values.
struct GPT2Attention {
  let hidden: Int
  let heads: Int
  let scale: Double
  let weights: Weights

  func callAsFunction(_ x: Tensor, _ context: DecoderContext) -> Tensor {
    let projected = Linear(hidden, 3 * hidden, weights["c_attn"], storage: .inputsByOutputs)(x)
    func part(_ index: Int) -> Tensor {
      projected.slice(axis: 2, from: Dim(index * hidden), count: Dim(hidden)).heads(heads)
    }
    let attended = Burin.attention(
      query: part(0), key: context.cached("keys", part(1)),
      value: context.cached("values", part(2)), scale: scale, mask: context.mask(nil))
    return Linear(hidden, hidden, weights["c_proj"], storage: .inputsByOutputs)(attended)
  }
}
