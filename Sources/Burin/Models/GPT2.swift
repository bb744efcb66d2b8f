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
  ]

  static func isUnused(_ name: String) -> Bool {
    name.hasSuffix("attn.bias") || name.hasSuffix("attn.masked_bias") || name == "lm_head.weight"
  }

  let head: Head
  let hidden: Int
  let layers: [any DecoderLayer]
  let words, positions: Embedding
  let finalNorm: LayerNorm
  let output: Linear
  let isTied: Bool
  let paddingID: Int?
  let labels: Int
  let maximumLength: Int

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
    self.hidden = hidden
    maximumLength = try config["n_positions"].int(in: 1...1 << 24, default: 1024)
    words = Embedding(try config["vocab_size"].int(in: 1...1 << 24), hidden, body["wte"])
    positions = Embedding(maximumLength, hidden, body["wpe"])
    finalNorm = LayerNorm(hidden, body["ln_f"], epsilon: epsilon)
    isTied = try config["tie_word_embeddings"].bool(default: true)
    output = Linear(hidden, words.count, Weights("lm_head"), bias: false)
    paddingID = try config.paddingID()
    labels = head == .sequenceClassification ? try config.labelCount() : 0
    layers = (0..<(try config["n_layer"].layers())).map { index in
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
  }

  var vocabulary: Int { words.count }

  func embed(_ ids: Tensor, positions: Tensor) -> Tensor { words(ids) + self.positions(positions) }

  func normalize(_ x: Tensor) -> Tensor { finalNorm(x) }

  func scores(_ x: Tensor) -> Tensor { isTied ? words.scores(x) : output(x) }
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
