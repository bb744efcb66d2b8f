import BurinHub

/// What tells Llama and its relatives apart, and what they take for absent keys.
struct LlamaVariant {
  /// How hidden states are normalised.
  enum NormKind {
    /// With a scale of the stored values plus `offset`.
    case rms(offset: Double)
    case layer
  }

  /// Where norms stand around a sublayer.
  enum Placement { case before, after, around }

  /// How queries and keys are normalised.
  enum HeadNormKind { case none, perHead, together }

  /// Whether the projections of queries, keys and values have biases.
  var projectionBias = false
  /// Whether attention's output has a bias.
  var outputBias = false
  var feedForwardBias = false
  /// Whether queries, keys and values are one matrix, and the gate and its input another.
  var isJoined = false
  var isGated = true
  var norm = NormKind.rms(offset: 0)
  var placement = Placement.before
  var headNorms = HeadNormKind.none
  var epsilonKey: ByteString = "rms_norm_eps"
  var epsilon = 1e-6
  var activationKey: ByteString = "hidden_act"
  var activation = "silu"
  /// The number of heads of keys; as many as of queries if `nil`.
  var groups: Int?
  /// The width of a head; the hidden width over the heads if `nil`.
  var headWidth: Int?
  var theta = 10_000.0
  var isTied = false
  /// What embeddings are multiplied by, given the hidden width.
  var embeddingScale: (_ hidden: Int) -> Double = { _ in 1 }
  var residualScale = 1.0
  var outputScale = 1.0
  /// What scores are multiplied by; the inverse root of a head's width if `nil`.
  var attentionScale: Double?
  /// The bounds of attention's scores and of the tokens'.
  var softCap, finalSoftCap: Double?
  /// How many positions attention reaches back in the layers that `isWindowed` names.
  var window: Int?
  var isWindowed: (_ layer: Int) -> Bool = { _ in false }
  /// Whether tokens see those behind them too.
  var looksAhead = false
  /// Whether a layer turns its heads by their positions.
  var isTurned: (_ layer: Int) -> Bool = { _ in true }
  /// Between its negative and this queries, keys and values are kept.
  var bound: Double?
  /// The experts of a layer; `nil` where it has one feed-forward network.
  var mixture: (_ layer: Int) -> Mixture? = { _ in nil }
  /// The original context of LongRoPE where the configuration names none, in Phi-3, which knows no
  /// other scaling and reads a sequence that outgrows it again.
  var originalPositions: Int?
  /// Whether layers with a window have rotary positions of their own.
  var hasLocalPositions = false

  /// Reads `attention_bias`, which is that of all four projections.
  mutating func readAttentionBias(_ config: JSONField) throws(HubError) {
    projectionBias = try config["attention_bias"].bool(default: false)
    outputBias = projectionBias
  }

  /// Reads `attention_bias`, and `mlp_bias`, which is that of all products of the feed-forward network.
  mutating func readBiases(_ config: JSONField) throws(HubError) {
    try readAttentionBias(config)
    feedForwardBias = try config["mlp_bias"].bool(default: false)
  }

  /// Reads the windows of Qwen's configurations: `use_sliding_window`, and then `layer_types`, or
  /// all layers from `max_window_layers` on.
  mutating func readWindows(_ config: JSONField) throws(HubError) {
    if try config["use_sliding_window"].bool(default: false) {
      try readWindow(config, default: 4096)
    }
    let first = try config["max_window_layers"].int(in: 0...1 << 20, default: 28)
    try readLayerTypes(config) { $0 >= first }
  }

  /// Reads `sliding_window`, of which `null` is none.
  mutating func readWindow(_ config: JSONField, default absent: Int?) throws(HubError) {
    let field = config["sliding_window"]
    if field.exists {
      window = try field.int(in: 1...1 << 30)
    } else {
      window = field.isNull ? nil : absent
    }
  }

  /// Reads `layer_types`; where they are absent, `isWindowed` says which layers have a window.
  mutating func readLayerTypes(
    _ config: JSONField, default isWindowed: @escaping (Int) -> Bool
  ) throws(HubError) {
    let types = try config.layerTypes()
    self.isWindowed = { layer in types.map { $0[layer] == .sliding } ?? isWindowed(layer) }
  }
}

extension JSONField {
  /// The bound of a soft cap; `nil` for `null`.
  func softCap(default absent: Double?) throws(HubError) -> Double? {
    exists ? try double(above: 0) : isNull ? nil : absent
  }
}

/// How far the attention of a layer reaches.
enum LayerType: String, CaseIterable {
  case full = "full_attention"
  case sliding = "sliding_attention"
}

extension JSONField {
  /// `layer_types`, one for each layer; `nil` if it is absent.
  ///
  /// - Parameter absent: how many layers there are where the configuration does not say.
  func layerTypes(layers absent: Int? = nil) throws(HubError) -> [LayerType]? {
    guard self["layer_types"].exists else { return nil }
    let fields = try self["layer_types"].array()
    let count = try self["num_hidden_layers"].layers(default: absent)
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
