import BurinHub
import BurinIR

/// CLIP (Radford et al., 2021), as transformers' `modeling_clip`: both towers, or a classifier on the
/// one for pictures.
struct CLIP: Family {
  static let modelTypes = ["clip"]
  static let bodyPrefix = "clip"
  static let architectures: KeyValuePairs<String, Head> = [
    "CLIPModel": .bare, "CLIPForImageClassification": .imageClassification,
  ]
  static let seesPictures = true
  static let captions: Captions? = Captions(problem: .single)

  /// Buffers of old files; the norm of the pooled vector under a classifier, which pools otherwise.
  static func isUnused(_ name: String) -> Bool {
    name.hasSuffix("embeddings.position_ids")
      || name.hasSuffix("vision_model.post_layernorm.weight")
      || name.hasSuffix("vision_model.post_layernorm.bias")
  }

  private enum Kind {
    case both(TwoTowers)
    case classifier(ImageClassifier)
  }

  private let kind: Kind
  let maximumLength: Int

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    let image = try CLIPImageTower(config.tower("vision"), body)
    if head == .imageClassification {
      kind = .classifier(
        ImageClassifier(image: image, leading: 1, labels: try config.labelCount()))
      maximumLength = .max
      return
    }
    let text = try CLIPTextTower(config.tower("text"), body)
    let width = try config["projection_dim"].width(default: 512)
    kind = .both(
      TwoTowers(
        text: text, image: image, textProjection: text.projection(to: width, body),
        imageProjection: image.projection(to: width, body)
      ) { cosines in
        cosines * body.tensor("logit_scale", [], in: cosines.trace).exp()
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

/// CLIP's half for captions alone.
struct CLIPText: Family {
  static let modelTypes = ["clip_text_model"]
  static let bodyPrefix = "clip"
  static let architectures: KeyValuePairs<String, Head> = [
    "CLIPTextModel": .bare, "CLIPTextModelWithProjection": .projection,
  ]
  static let captions = CLIP.captions

  static func isUnused(_ name: String) -> Bool { CLIP.isUnused(name) }

  let tower: CLIPTextTower
  let projection: Linear?
  var maximumLength: Int { tower.maximumLength }

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    tower = try CLIPTextTower(config, body)
    let width = try config["projection_dim"].width(default: 512)
    projection = head == .projection ? tower.projection(to: width, body) : nil
  }

  func entries(_ limits: Limits) throws(HubError) -> [Entry] {
    tower.entries(limits) { hidden, inputs in
      let pooled = tower.pooled(hidden, inputs)
      let vector = projection.map { ("text_embeds", $0(pooled)) } ?? ("pooler_output", pooled)
      return [vector, ("last_hidden_state", hidden)]
    }
  }
}

/// CLIP's half for pictures alone.
struct CLIPVision: VisionFamily {
  static let modelTypes = ["clip_vision_model"]
  static let bodyPrefix = "clip"
  static let architectures: KeyValuePairs<String, Head> = [
    "CLIPVisionModel": .bare, "CLIPVisionModelWithProjection": .projection,
  ]

  static func isUnused(_ name: String) -> Bool { CLIP.isUnused(name) }

  let tower: CLIPImageTower
  let projection: Linear?

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    tower = try CLIPImageTower(config, body)
    let width = try config["projection_dim"].width(default: 512)
    projection = head == .projection ? tower.projection(to: width, body) : nil
  }

  var patches: PatchEmbedding { tower.patches }

  func encode(_ pixels: Tensor) -> Tensor { tower.encode(pixels) }

  func outputs(_ hidden: Tensor) -> [(String, Tensor)] {
    let pooled = tower.pooled(hidden)
    let vector = projection.map { ("image_embeds", $0(pooled)) } ?? ("pooler_output", pooled)
    return [vector, ("last_hidden_state", hidden)]
  }
}

/// CLIP's encoder of captions: every token sees those before it, and the end of the text stands for
/// the whole.
struct CLIPTextTower: TextTower {
  let stack: TowerLayers
  let embeddings: CaptionEmbedding
  let norm: LayerNorm
  /// The token that ends a text; where `nil`, it is the one of the largest id.
  let end: Int?

  init(_ config: JSONField, _ body: Weights) throws(HubError) {
    let weights = body["text_model"]
    stack = try TowerLayers(
      config, weights,
      .init(
        hidden: 512, intermediate: 2048, heads: 8, activation: "quick_gelu", epsilon: 1e-5))
    embeddings = try CaptionEmbedding(
      config, hidden: stack.hidden, vocabulary: 49408, length: 77, weights["embeddings"])
    norm = stack.norm(weights["final_layer_norm"])
    let end = try config["eos_token_id"].int(in: 0...1 << 24, default: 49407)
    // The first configurations said 2, which is not the end in their vocabulary.
    self.end = end == 2 ? nil : end
  }

  var maximumLength: Int { embeddings.positions.count }

  func encode(_ inputs: EncoderInputs) -> Tensor {
    let ids = inputs.ids
    let mask = ids.trace.mask(
      [.padding(inputs.padding), .causal(start: nil)], batch: ids.shape[0], queries: ids.shape[1],
      keys: ids.shape[1])
    return norm(stack.layers(embeddings(inputs), mask: mask))
  }

  func pooled(_ hidden: Tensor, _ inputs: EncoderInputs) -> Tensor {
    let ids = inputs.ids
    let marks =
      end.map { ids.binary(.equal, ids.trace.constant(Double($0), .i32)).cast(.i32) } ?? ids
    return hidden.gather(marks.firstMaximum).reshaped([hidden.shape[0], hidden.shape[2]])
  }

  func projection(to width: Int, _ body: Weights) -> Linear {
    Linear(stack.hidden, width, body["text_projection"], bias: false)
  }
}

/// CLIP's encoder of pictures.
struct CLIPImageTower: ImageTower {
  let stack: TowerLayers
  let patches: PatchEmbedding
  let weights: Weights

  init(_ config: JSONField, _ body: Weights) throws(HubError) {
    weights = body["vision_model"]
    stack = try TowerLayers(
      config, weights, .init(activation: "quick_gelu", epsilon: 1e-5))
    patches = try config.patches(
      patch: 32, outputs: stack.hidden, weights["embeddings"]["patch_embedding"], bias: false)
  }

  func encode(_ pixels: Tensor) -> Tensor {
    let trace = pixels.trace
    let x = trace.scoped("embeddings") {
      let embeddings = weights["embeddings"]
      let first = embeddings.tensor("class_embedding", [stack.hidden], in: trace)
        .broadcast([pixels.shape[0], 1, Dim(stack.hidden)])
      let positions = embeddings["position_embedding"].tensor(
        "weight", [1 + patches.count, stack.hidden], in: trace)
      let placed = trace.concat([first, patches(pixels)], axis: 1) + positions
      // transformers' own spelling.
      return stack.norm(weights["pre_layrnorm"])(placed)
    }
    return stack.layers(x)
  }

  func pooled(_ hidden: Tensor) -> Tensor {
    stack.norm(weights["post_layernorm"])(hidden.vector(at: 0))
  }

  func projection(to width: Int, _ body: Weights) -> Linear {
    Linear(stack.hidden, width, body["visual_projection"], bias: false)
  }
}

extension JSONField {
  /// The configuration of one tower. The dictionary of the same name with `_dict` behind it, which
  /// files of 2022 carry, replaces all of it.
  fileprivate func tower(_ name: String) -> JSONField {
    let old = self[ByteString(name + "_config_dict")]
    return old.exists ? old : self[ByteString(name + "_config")]
  }
}
