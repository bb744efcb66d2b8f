import BurinHub
import BurinIR

/// ViT (Dosovitskiy et al., 2020), as transformers' `modeling_vit`.
struct ViT: VisionFamily {
  static let modelTypes = ["vit"]
  static let bodyPrefix = "vit"
  static let architectures: KeyValuePairs<String, Head> = [
    "ViTModel": .bare, "ViTForImageClassification": .imageClassification,
  ]

  static func isUnused(_ name: String) -> Bool { ViTBody.isUnused(name) }

  let head: Head
  let body: ViTBody
  let labels: Int

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    self.head = head
    self.body = try ViTBody(config, body, tokens: ["cls_token"])
    labels = try config.labelCount()
  }

  var patches: PatchEmbedding { body.embeddings.patches }

  func encode(_ pixels: Tensor) -> Tensor { body(pixels) }

  func outputs(_ hidden: Tensor) -> [(String, Tensor)] {
    if head == .imageClassification {
      let classifier = Linear(body.hidden, labels, Weights("classifier"))
      return [("logits", classifier(hidden.vector(at: 0)))]
    }
    return [("last_hidden_state", hidden), ("pooler_output", body.pooled(hidden))]
  }
}

/// DeiT (Touvron et al., 2020), as transformers' `modeling_deit`: ViT with a second leading token,
/// whose output learnt from a teacher.
struct DeiT: VisionFamily {
  static let modelTypes = ["deit"]
  static let bodyPrefix = "deit"
  static let architectures: KeyValuePairs<String, Head> = [
    "DeiTModel": .bare, "DeiTForImageClassification": .imageClassification,
    "DeiTForImageClassificationWithTeacher": .distilledImageClassification,
  ]

  static func isUnused(_ name: String) -> Bool {
    ViTBody.isUnused(name) || name.hasPrefix("cls_classifier.")
      || name.hasPrefix("distillation_classifier.")
  }

  let head: Head
  let body: ViTBody
  let labels: Int

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    self.head = head
    self.body = try ViTBody(config, body, tokens: ["cls_token", "distillation_token"])
    labels = try config.labelCount()
  }

  var patches: PatchEmbedding { body.embeddings.patches }

  func encode(_ pixels: Tensor) -> Tensor { body(pixels) }

  func outputs(_ hidden: Tensor) -> [(String, Tensor)] {
    func scores(_ name: String, at position: Int) -> Tensor {
      Linear(body.hidden, labels, Weights(name))(hidden.vector(at: position))
    }
    switch head {
    case .imageClassification: return [("logits", scores("classifier", at: 0))]
    case .distilledImageClassification:
      let own = scores("cls_classifier", at: 0)
      let taught = scores("distillation_classifier", at: 1)
      return [
        ("logits", (own + taught) * 0.5), ("cls_logits", own), ("distillation_logits", taught),
      ]
    default: return [("last_hidden_state", hidden), ("pooler_output", body.pooled(hidden))]
    }
  }
}

/// The stack that ViT and DeiT share.
struct ViTBody: Layer {
  let hidden: Int
  let embeddings: ImageEmbedding
  let layers: [PreNormLayer]
  let norm: LayerNorm
  let pooler: Linear
  let poolerActivation: Activation

  /// - Parameter tokens: the tensors that stand before the patches.
  init(_ config: JSONField, _ weights: Weights, tokens: [String]) throws(HubError) {
    let hidden = try config["hidden_size"].width(default: 768)
    let heads = try config["num_attention_heads"].heads(dividing: hidden, default: 12)
    let intermediate = try config["intermediate_size"].width(default: 3072)
    let epsilon = try config["layer_norm_eps"].epsilon(default: 1e-12)
    let activation = try config["hidden_act"].activation(default: "gelu")
    let hasBias = try config["qkv_bias"].flag(default: true)
    let patches = try config.patches(
      outputs: hidden, weights["embeddings"]["patch_embeddings"]["projection"])
    self.hidden = hidden
    embeddings = ImageEmbedding(
      patches: patches, hidden: hidden, tokens: tokens, weights: weights["embeddings"])
    layers = (0..<(try config["num_hidden_layers"].layers(default: 12))).map { index in
      let layer = weights["encoder"]["layer"][index]
      return PreNormLayer(
        attentionNorm: LayerNorm(hidden, layer["layernorm_before"], epsilon: epsilon),
        attention: .ofImages(hidden, heads: heads, bias: hasBias, layer["attention"]),
        feedForwardNorm: LayerNorm(hidden, layer["layernorm_after"], epsilon: epsilon),
        feedForward: FeedForward(
          up: Linear(hidden, intermediate, layer["intermediate"]["dense"]),
          activation: activation, down: Linear(intermediate, hidden, layer["output"]["dense"])))
    }
    norm = LayerNorm(hidden, weights["layernorm"], epsilon: epsilon)
    pooler = Linear(
      hidden, try config["pooler_output_size"].width(default: hidden), weights["pooler"]["dense"])
    poolerActivation = try config["pooler_act"].activation(default: "tanh")
  }

  func callAsFunction(_ pixels: Tensor) -> Tensor { norm(layers(embeddings(pixels))) }

  /// The pooler's vector `[batch, width]`.
  func pooled(_ hidden: Tensor) -> Tensor {
    poolerActivation(pooler(hidden.vector(at: 0)))
  }

  /// The mask token of pre-training, and the pooler where a head stands instead.
  static func isUnused(_ name: String) -> Bool {
    name.hasSuffix("embeddings.mask_token") || name.contains("pooler.dense.")
  }
}

extension SelfAttention {
  /// The attention of ViT and DINOv2, by the names of its tensors.
  static func ofImages(
    _ hidden: Int, heads: Int, bias: Bool, _ weights: Weights
  ) -> SelfAttention {
    let projections = weights["attention"]
    func projection(_ name: String) -> Linear {
      Linear(hidden, hidden, projections[name], bias: bias)
    }
    return SelfAttention(
      heads: heads, query: projection("query"), key: projection("key"),
      value: projection("value"), output: Linear(hidden, hidden, weights["output"]["dense"]))
  }
}
