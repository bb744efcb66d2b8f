import BurinHub
import BurinIR

/// The families whose stack is Llama's.
protocol LlamaFamily: DecoderFamily {
  var body: LlamaBody { get }
}

extension LlamaFamily {
  static var bodyPrefix: String { "model" }

  /// Buffers of old files, and the copy of a tied output.
  static func isUnused(_ name: String) -> Bool {
    name.hasSuffix("rotary_emb.inv_freq") || name == "lm_head.weight"
  }

  var hidden: Int { body.hidden }
  var vocabulary: Int { body.words.count }
  var labels: Int { body.labels }
  var paddingID: Int? { body.paddingID }
  var layers: [any DecoderLayer] { body.layers }
  var maximumLength: Int { body.maximumLength }

  func embed(_ ids: Tensor, positions: Tensor) -> Tensor { body.words(ids) }

  func normalize(_ x: Tensor) -> Tensor { body.norm(x) }

  func scores(_ x: Tensor) -> Tensor {
    body.isTied
      ? body.words.scores(x) : Linear(hidden, vocabulary, Weights("lm_head"), bias: false)(x)
  }
}

/// The heads that transformers puts on a decoder, by the names of the classes.
func llamaArchitectures(_ name: String) -> KeyValuePairs<String, Head> {
  [
    name + "Model": .bare, name + "ForCausalLM": .languageModel,
    name + "ForSequenceClassification": .sequenceClassification,
    name + "ForTokenClassification": .tokenClassification,
  ]
}

/// What tells the members of Llama's family apart, and what they take for absent keys.
struct LlamaVariant {
  /// Whether the projections of queries, keys and values have biases.
  var projectionBias = false
  /// Whether attention's output has a bias.
  var outputBias = false
  var feedForwardBias = false
  /// Whether the query and the key of each head are normalised.
  var normalizesHeads = false
  /// The number of heads of keys; as many as of queries if `nil`.
  var groups: Int?
  /// The width of a head; the hidden width over the heads if `nil`.
  var headWidth: Int?
  var positions = 2048
  /// How many positions attention reaches back in the layers that `isWindowed` names.
  var window: Int?
  var isWindowed: (_ layer: Int) -> Bool = { _ in false }

  /// Reads the windows of Qwen's configurations: `use_sliding_window`, and then `layer_types`, or
  /// all layers from `max_window_layers` on.
  mutating func readWindows(_ config: JSONField) throws(HubError) {
    if try config["use_sliding_window"].bool(default: false), !config["sliding_window"].isNull {
      window = try config["sliding_window"].int(in: 1...1 << 30, default: 4096)
    }
    let first = try config["max_window_layers"].int(in: 0...1 << 20, default: 28)
    let types = try config.layerTypes()
    isWindowed = { layer in
      if let types { return types[layer] == .sliding }
      return layer >= first
    }
  }
}

/// How far the attention of a layer reaches.
enum LayerType: String, CaseIterable {
  case full = "full_attention"
  case sliding = "sliding_attention"
}

extension JSONField {
  /// `layer_types`, one for each layer; `nil` if it is absent.
  func layerTypes() throws(HubError) -> [LayerType]? {
    guard self["layer_types"].exists else { return nil }
    let fields = try self["layer_types"].array()
    let count = try self["num_hidden_layers"].layers()
    guard fields.count == count else {
      throw self["layer_types"].error(expected: "one type for each of \(count) layers")
    }
    var types: [LayerType] = []
    for field in fields {
      let known = LayerType.allCases.map { ByteString($0.rawValue) }
      types.append(LayerType(rawValue: try field.string(oneOf: known).utf8String) ?? .full)
    }
    return types
  }
}

/// The stack of Llama: root-mean-square norms before each sublayer, grouped heads, rotary positions,
/// and a gated feed-forward network.
struct LlamaBody {
  let hidden: Int
  let words: Embedding
  let layers: [LlamaLayer]
  let norm: RMSNorm
  let isTied: Bool
  let labels: Int
  let paddingID: Int?
  let maximumLength: Int

  init(_ config: JSONField, _ weights: Weights, _ variant: LlamaVariant) throws(HubError) {
    let hidden = try config["hidden_size"].width()
    let heads = try config["num_attention_heads"].int(in: 1...65_536)
    let groups = try config["num_key_value_heads"].int(
      in: 1...65_536, default: variant.groups ?? heads)
    guard heads % groups == 0 else {
      throw config["num_key_value_heads"].error(expected: "a divisor of \(heads)")
    }
    let width: Int
    if config["head_dim"].exists {
      width = try config["head_dim"].width()
    } else if let known = variant.headWidth {
      width = known
    } else {
      width = hidden / (try config["num_attention_heads"].heads(dividing: hidden))
    }
    let intermediate = try config["intermediate_size"].width()
    let epsilon = try config["rms_norm_eps"].epsilon(default: 1e-6)
    let activation = try config["hidden_act"].activation(default: "silu")
    let rotary = try Rotary(config, width: width)
    self.hidden = hidden
    words = Embedding(
      try config["vocab_size"].int(in: 1...1 << 24), hidden, weights["embed_tokens"])
    norm = RMSNorm(hidden, weights["norm"], epsilon: epsilon)
    isTied = try config["tie_word_embeddings"].bool(default: false)
    labels = try config.labelCount()
    paddingID = try config.paddingID()
    maximumLength = try config["max_position_embeddings"].int(
      in: 1...1 << 24, default: variant.positions)
    layers = (0..<(try config["num_hidden_layers"].layers())).map { index in
      let layer = weights["layers"][index]
      let (attention, mlp) = (layer["self_attn"], layer["mlp"])
      func headNorm(_ name: String) -> RMSNorm? {
        variant.normalizesHeads ? RMSNorm(width, attention[name], epsilon: epsilon) : nil
      }
      func up(_ name: String) -> Linear {
        Linear(hidden, intermediate, mlp[name], bias: variant.feedForwardBias)
      }
      return LlamaLayer(
        attentionNorm: RMSNorm(hidden, layer["input_layernorm"], epsilon: epsilon),
        attention: RotaryAttention(
          heads: heads, groups: groups,
          query: Linear(
            hidden, heads * width, attention["q_proj"], bias: variant.projectionBias),
          key: Linear(
            hidden, groups * width, attention["k_proj"], bias: variant.projectionBias),
          value: Linear(
            hidden, groups * width, attention["v_proj"], bias: variant.projectionBias),
          output: Linear(heads * width, hidden, attention["o_proj"], bias: variant.outputBias),
          queryNorm: headNorm("q_norm"), keyNorm: headNorm("k_norm"), rotary: rotary,
          scale: 1 / Double(width).squareRoot(),
          window: variant.isWindowed(index) ? variant.window : nil),
        feedForwardNorm: RMSNorm(hidden, layer["post_attention_layernorm"], epsilon: epsilon),
        feedForward: GatedFeedForward(
          gate: up("gate_proj"), activation: activation, up: up("up_proj"),
          down: Linear(
            intermediate, hidden, mlp["down_proj"], bias: variant.feedForwardBias)))
    }
  }
}

/// `h = x + attention(norm(x)); h + feedForward(norm(h))`.
struct LlamaLayer: DecoderLayer {
  let attentionNorm: RMSNorm
  let attention: RotaryAttention
  let feedForwardNorm: RMSNorm
  let feedForward: GatedFeedForward

  func callAsFunction(_ x: Tensor, _ context: DecoderContext) -> Tensor {
    let h = x.trace.scoped("attention") { x + attention(attentionNorm(x), context) }
    return x.trace.scoped("feed forward") { h + feedForward(feedForwardNorm(h)) }
  }
}

/// Causal self-attention with rotary positions, in groups of heads.
struct RotaryAttention {
  let heads, groups: Int
  let query, key, value, output: Linear
  let queryNorm, keyNorm: RMSNorm?
  let rotary: Rotary
  let scale: Double
  /// How many positions attention reaches back; all of them if `nil`.
  let window: Int?

  func callAsFunction(_ x: Tensor, _ context: DecoderContext) -> Tensor {
    func turned(_ x: Tensor, _ norm: RMSNorm?) -> Tensor {
      rotary(norm?(x) ?? x, context.positions)
    }
    let keys = turned(key(x).heads(groups), keyNorm)
    return output(
      Burin.attention(
        query: turned(query(x).heads(heads), queryNorm), key: context.cached("keys", keys),
        value: context.cached("values", value(x).heads(groups)), scale: scale,
        mask: context.mask(window)))
  }
}
