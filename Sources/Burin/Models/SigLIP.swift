import BurinHub
import BurinIR

/// SigLIP (Zhai et al., 2023), as transformers' `modeling_siglip`: both towers, or a classifier on the
/// one for pictures.
struct SigLIP: Family {
  static let modelTypes = ["siglip"]
  static let bodyPrefix = "siglip"
  static let architectures: KeyValuePairs<String, Head> = [
    "SiglipModel": .bare, "SiglipForImageClassification": .imageClassification,
  ]
  static let seesPictures = true
  static let captions: Captions? = Captions(length: 64, problem: .multiple)

  /// Buffers of old files; the pooling head under a classifier, which takes the mean.
  static func isUnused(_ name: String) -> Bool {
    name.hasSuffix("embeddings.position_ids") || name.contains("vision_model.head.")
  }

  private enum Kind {
    case both(TwoTowers)
    case classifier(ImageClassifier)
  }

  private let kind: Kind
  let maximumLength: Int

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    let image = try SigLIPImageTower(config["vision_config"], body)
    if head == .imageClassification {
      kind = .classifier(
        ImageClassifier(image: image, leading: 0, labels: try config.labelCount()))
      maximumLength = .max
      return
    }
    guard image.pooling != nil else {
      throw config["vision_config"]["vision_use_head"].error(expected: "true under both towers")
    }
    let text = try SigLIPTextTower(config["text_config"], body)
    guard text.head.outputs == image.stack.hidden else {
      throw config["text_config"]["projection_size"].error(
        expected: "the \(image.stack.hidden) of the pictures' hidden_size")
    }
    kind = .both(
      TwoTowers(text: text, image: image, textProjection: nil, imageProjection: nil) { cosines in
        cosines * body.tensor("logit_scale", [1], in: cosines.trace).exp()
          + body.tensor("logit_bias", [1], in: cosines.trace)
      })
    maximumLength = text.maximumLength
  }

  func entries(_ limits: Limits) throws(HubError) -> [Entry] {
    switch kind {
    case .both(let towers): towers.entries(limits)
    case .classifier(let classifier): [classifier.entry(limits)]
    }
  }
}

/// SigLIP's half for captions alone.
struct SigLIPText: Family {
  static let modelTypes = ["siglip_text_model"]
  static let bodyPrefix = "siglip"
  static let architectures: KeyValuePairs<String, Head> = ["SiglipTextModel": .bare]
  static let captions = SigLIP.captions

  static func isUnused(_ name: String) -> Bool { SigLIP.isUnused(name) }

  let tower: SigLIPTextTower
  var maximumLength: Int { tower.maximumLength }

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    tower = try SigLIPTextTower(config, body)
  }

  func entries(_ limits: Limits) throws(HubError) -> [Entry] {
    tower.entries(limits) { hidden, inputs in
      [("pooler_output", tower.pooled(hidden, inputs)), ("last_hidden_state", hidden)]
    }
  }
}

/// SigLIP's half for pictures alone.
struct SigLIPVision: VisionFamily {
  static let modelTypes = ["siglip_vision_model"]
  static let bodyPrefix = "siglip"
  static let architectures: KeyValuePairs<String, Head> = ["SiglipVisionModel": .bare]

  static func isUnused(_ name: String) -> Bool { SigLIP.isUnused(name) }

  let tower: SigLIPImageTower

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    tower = try SigLIPImageTower(config, body)
  }

  var patches: PatchEmbedding { tower.patches }

  func encode(_ pixels: Tensor) -> Tensor { tower.encode(pixels) }

  func outputs(_ hidden: Tensor) -> [(String, Tensor)] {
    let pooled = tower.pooling.map { [("pooler_output", $0(hidden))] } ?? []
    return pooled + [("last_hidden_state", hidden)]
  }
}

/// SigLIP's encoder of captions: every token sees all, and the last one stands for the whole, be it
/// padding.
struct SigLIPTextTower: TextTower {
  let stack: TowerLayers
  let embeddings: CaptionEmbedding
  let norm: LayerNorm
  let head: Linear

  init(_ config: JSONField, _ body: Weights) throws(HubError) {
    let weights = body["text_model"]
    stack = try TowerLayers(config, weights, .siglip)
    embeddings = try CaptionEmbedding(
      config, hidden: stack.hidden, vocabulary: 32000, length: 64, weights["embeddings"])
    norm = stack.norm(weights["final_layer_norm"])
    head = Linear(
      stack.hidden, try config["projection_size"].width(default: stack.hidden), weights["head"])
  }

  var maximumLength: Int { embeddings.positions.count }

  func encode(_ inputs: EncoderInputs) -> Tensor {
    norm(stack.layers(embeddings(inputs), mask: inputs.mask))
  }

  func pooled(_ hidden: Tensor, _ inputs: EncoderInputs) -> Tensor {
    let last = hidden.slice(axis: 1, from: hidden.shape[1] - 1, count: 1)
    return head(last.reshaped([hidden.shape[0], hidden.shape[2]]))
  }
}

/// SigLIP's encoder of pictures.
struct SigLIPImageTower: ImageTower {
  let stack: TowerLayers
  let patches: PatchEmbedding
  let weights: Weights
  /// What gives a picture one vector, where the model has it.
  let pooling: AttentionPooling?

  init(_ config: JSONField, _ body: Weights) throws(HubError) {
    weights = body["vision_model"]
    stack = try TowerLayers(config, weights, .siglip)
    patches = try config.patches(
      outputs: stack.hidden, weights["embeddings"]["patch_embedding"])
    pooling =
      try config["vision_use_head"].flag(default: true)
      ? AttentionPooling(stack: stack, weights: weights["head"]) : nil
  }

  func encode(_ pixels: Tensor) -> Tensor {
    let x = pixels.trace.scoped("embeddings") {
      patches(pixels)
        + weights["embeddings"]["position_embedding"].tensor(
          "weight", [patches.count, stack.hidden], in: pixels.trace)
    }
    return stack.norm(weights["post_layernorm"])(stack.layers(x))
  }

  func pooled(_ hidden: Tensor) -> Tensor { pooling?(hidden) ?? hidden.vector(at: 0) }
}

/// One vector of many: a learnt query attends to them, and a feed-forward network follows.
struct AttentionPooling: Layer {
  let stack: TowerLayers
  let weights: Weights

  /// - Returns: `[batch, hidden]` of `x[batch, positions, hidden]`.
  func callAsFunction(_ x: Tensor) -> Tensor {
    let (trace, hidden, batch) = (x.trace, stack.hidden, x.shape[0])
    return trace.scoped("pooling") {
      // Query, key and value lie above each other in one matrix.
      let attention = weights["attention"]
      let matrix = attention.tensor("in_proj_weight", [3 * hidden, hidden], in: trace)
      let bias = attention.tensor("in_proj_bias", [3 * hidden], in: trace)
      func projected(_ x: Tensor, _ part: Int) -> Tensor {
        let (start, count) = (Dim(part * hidden), Dim(hidden))
        let rows = matrix.slice(axis: 0, from: start, count: count)
        return (x.matmul(rows.transposed) + bias.slice(axis: 0, from: start, count: count))
          .heads(stack.heads)
      }
      let query = projected(weights.tensor("probe", [1, 1, hidden], in: trace), 0)
      let width = hidden / stack.heads
      let attended = Burin.attention(
        query: query.broadcast([batch, 1, Dim(stack.heads), Dim(width)]), key: projected(x, 1),
        value: projected(x, 2), scale: 1 / Double(width).squareRoot(), mask: nil)
      let h = Linear(hidden, hidden, attention["out_proj"])(attended)
      let fed = stack.feedForward(weights["mlp"])(stack.norm(weights["layernorm"])(h))
      return (h + fed).reshaped([batch, Dim(hidden)])
    }
  }
}

extension TowerLayers.Defaults {
  fileprivate static let siglip = TowerLayers.Defaults(
    activation: "gelu_pytorch_tanh", epsilon: 1e-6)
}
