import BurinHub
import BurinIR

/// DINOv2 (Oquab et al., 2023), as transformers' `modeling_dinov2`. Images of a size that it was not
/// trained on get interpolated positions.
struct DINOv2: VisionFamily {
  static let modelTypes = ["dinov2"]
  static let bodyPrefix = "dinov2"
  static let architectures: KeyValuePairs<String, Head> = [
    "Dinov2Model": .bare, "Dinov2ForImageClassification": .imageClassification,
  ]

  static func isUnused(_ name: String) -> Bool { name.hasSuffix("embeddings.mask_token") }

  let head: Head
  let hidden, labels: Int
  let embeddings: ImageEmbedding
  let layers: [PreNormLayer]
  let norm: LayerNorm

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    try self.init(config, head: head, body: body, registers: 0, patch: 14, resizing: .bicubic)
  }

  /// - Parameters:
  ///   - registers: tokens that stand between the first one and the patches.
  ///   - patch: the side of a patch where the configuration names none.
  ///   - resizing: how positions become those of an image of another size.
  fileprivate init(
    _ config: JSONField, head: Head, body: Weights, registers: Int, patch: Int,
    resizing: Interpolation
  ) throws(HubError) {
    let hidden = try config["hidden_size"].width(default: 768)
    let heads = try config["num_attention_heads"].heads(dividing: hidden, default: 12)
    let ratio = try config["mlp_ratio"].double(above: 0, default: 4)
    let epsilon = try config["layer_norm_eps"].epsilon(default: 1e-6)
    let activation = try config["hidden_act"].activation(default: "gelu")
    let hasBias = try config["qkv_bias"].flag(default: true)
    let isGated = try config["use_swiglu_ffn"].bool(default: false)
    let wide = Double(hidden) * ratio
    guard wide >= 1, wide <= 16_777_216 else {
      throw config["mlp_ratio"].error(expected: "a ratio that gives a width of 1 to 2^24")
    }
    let intermediate = Int(wide)
    self.head = head
    self.hidden = hidden
    labels = try config.labelCount()
    embeddings = ImageEmbedding(
      patches: try config.patches(
        patch: patch, outputs: hidden, body["embeddings"]["patch_embeddings"]["projection"]),
      hidden: hidden, tokens: ["cls_token"], weights: body["embeddings"], registers: registers,
      resizing: resizing)
    let patches = embeddings.patches
    guard
      patches.height == patches.width || patches.squareSide * patches.squareSide == patches.count
    else { throw config["image_size"].error(expected: "an image with as many patches as a square") }
    layers = (0..<(try config["num_hidden_layers"].layers(default: 12))).map { index in
      let layer = body["encoder"]["layer"][index]
      let mlp = layer["mlp"]
      // The gated width keeps the number of parameters, rounded up to a multiple of 8.
      let gated = (intermediate * 2 / 3 + 7) / 8 * 8
      return PreNormLayer(
        attentionNorm: LayerNorm(hidden, layer["norm1"], epsilon: epsilon),
        attention: .ofImages(hidden, heads: heads, bias: hasBias, layer["attention"]),
        attentionScale: LayerScale(width: hidden, weights: layer["layer_scale1"]),
        feedForwardNorm: LayerNorm(hidden, layer["norm2"], epsilon: epsilon),
        feedForward: isGated
          ? JoinedGatedFeedForward(
            width: gated, up: Linear(hidden, 2 * gated, mlp["weights_in"]),
            activation: Activation(.silu),
            down: Linear(gated, hidden, mlp["weights_out"]))
          : FeedForward(
            up: Linear(hidden, intermediate, mlp["fc1"]), activation: activation,
            down: Linear(intermediate, hidden, mlp["fc2"])),
        feedForwardScale: LayerScale(width: hidden, weights: layer["layer_scale2"]))
    }
    norm = LayerNorm(hidden, body["layernorm"], epsilon: epsilon)
  }

  var patches: PatchEmbedding { embeddings.patches }
  var takesAnySize: Bool { true }

  func encode(_ pixels: Tensor) -> Tensor { norm(layers(embeddings(pixels))) }

  func outputs(_ hidden: Tensor) -> [(String, Tensor)] {
    let first = hidden.vector(at: 0)
    guard head == .imageClassification else {
      return [("last_hidden_state", hidden), ("pooler_output", first)]
    }
    let leading = Dim(1 + embeddings.registers)
    let mean = hidden.slice(axis: 1, from: leading, count: hidden.shape[1] - leading).mean(1)
      .reshaped([hidden.shape[0], Dim(self.hidden)])
    let both = hidden.trace.concat([first, mean], axis: 1)
    return [("logits", Linear(2 * self.hidden, labels, Weights("classifier"))(both))]
  }
}

/// DINOv2 with registers (Darcet et al., 2023), as transformers' `modeling_dinov2_with_registers`.
struct DINOv2WithRegisters: VisionFamily {
  static let modelTypes = ["dinov2_with_registers"]
  static let bodyPrefix = "dinov2_with_registers"
  static let architectures: KeyValuePairs<String, Head> = [
    "Dinov2WithRegistersModel": .bare,
    "Dinov2WithRegistersForImageClassification": .imageClassification,
  ]

  static func isUnused(_ name: String) -> Bool {
    DINOv2.isUnused(name) || name.hasSuffix("embeddings.register_tokens")
  }

  private let model: DINOv2

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    model = try DINOv2(
      config, head: head, body: body,
      registers: config["num_register_tokens"].int(in: 0...1024, default: 4), patch: 16,
      resizing: .smoothBicubic)
  }

  var patches: PatchEmbedding { model.patches }
  var takesAnySize: Bool { true }

  func encode(_ pixels: Tensor) -> Tensor { model.encode(pixels) }

  func outputs(_ hidden: Tensor) -> [(String, Tensor)] { model.outputs(hidden) }
}
