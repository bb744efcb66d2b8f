import BurinHub
import BurinIR

/// A family of image encoders: the part of `Family` that its members share, from the pixels to the
/// names of the outputs.
protocol VisionFamily: Family {
  /// Cuts the image and knows its size.
  var patches: PatchEmbedding { get }

  /// The last hidden state `[batch, positions, hidden]` of `pixels[batch, channels, height, width]`.
  func encode(_ pixels: Tensor) -> Tensor

  /// The outputs of the head, by transformers' names.
  func outputs(_ hidden: Tensor) -> [(String, Tensor)]
}

extension VisionFamily {
  /// The size of an image fixes how many positions there are: every limit holds.
  var maximumLength: Int { .max }

  func entries(_ limits: Limits, sentence: SentencePipeline?) throws(HubError) -> [Entry] {
    let batch = Dim(Symbol("batch", maximum: limits.batch))
    return [
      Entry.trace("forward") { trace in
        let pixels = trace.input(
          "pixel_values", .f32,
          [batch, Dim(patches.channels), Dim(patches.height), Dim(patches.width)])
        let hidden = self.encode(pixels)
        return trace.scoped("head") { self.outputs(hidden) }
      }
    ]
  }
}

/// What stands before the patches, and where each stands: `concat(tokens, patches) + positions`.
struct ImageEmbedding: Layer {
  let patches: PatchEmbedding
  let hidden: Int
  /// Tensors `[1, 1, hidden]` that stand before the patches.
  let tokens: [String]
  let weights: Weights

  /// - Returns: `[batch, tokens + patches, hidden]`.
  func callAsFunction(_ pixels: Tensor) -> Tensor {
    let trace = pixels.trace
    return trace.scoped("embeddings") {
      let leading = tokens.map {
        weights.tensor($0, [1, 1, hidden], in: trace)
          .broadcast([pixels.shape[0], 1, Dim(hidden)])
      }
      let positions = weights.tensor(
        "position_embeddings", [1, tokens.count + patches.count, hidden], in: trace)
      return trace.concat(leading + [patches(pixels)], axis: 1) + positions
    }
  }
}

/// An encoder layer that is normalised before each sublayer:
/// `h = x + attention(norm(x)); h + feedForward(norm(h))`, each sublayer scaled by a learnt vector
/// in families that have one.
struct PreNormLayer: Layer {
  let attentionNorm: LayerNorm
  let attention: SelfAttention
  var attentionScale: LayerScale?
  let feedForwardNorm: LayerNorm
  let feedForward: any FeedForwardLayer
  var feedForwardScale: LayerScale?

  func callAsFunction(_ input: (x: Tensor, mask: Tensor?)) -> Tensor {
    let (x, mask) = input
    let h = x.trace.scoped("attention") {
      let attended = attention((attentionNorm(x), mask))
      return x + (attentionScale?(attended) ?? attended)
    }
    return x.trace.scoped("feed forward") {
      let fed = feedForward(feedForwardNorm(h))
      return h + (feedForwardScale?(fed) ?? fed)
    }
  }
}

extension [PreNormLayer] {
  /// One layer after the other.
  func callAsFunction(_ x: Tensor, mask: Tensor? = nil) -> Tensor {
    enumerated().reduce(x) { x, layer in
      x.trace.scoped("layer \(layer.offset)") { layer.element((x, mask)) }
    }
  }
}

/// A sublayer's output times a learnt vector (Touvron et al., 2021, "Going deeper with Image
/// Transformers").
struct LayerScale: Layer {
  let width: Int
  let weights: Weights

  func callAsFunction(_ x: Tensor) -> Tensor {
    x * weights.tensor("lambda1", [width], in: x.trace)
  }
}

extension JSONField {
  /// A size in pixels: one number for a square, or `[height, width]`.
  func pixels(default absent: Int) throws(HubError) -> (height: Int, width: Int) {
    guard exists, value?.array != nil else {
      let side = try int(in: 1...1 << 14, default: absent)
      return (side, side)
    }
    let sides = try array()
    guard sides.count == 2 else { throw error(expected: "a number, or height and width") }
    return (try sides[0].int(in: 1...1 << 14), try sides[1].int(in: 1...1 << 14))
  }

  /// The patches of a configuration with `image_size`, `patch_size` and `num_channels`.
  func patches(
    image: Int = 224, patch: Int = 16, outputs: Int, _ weights: Weights, bias: Bool = true
  ) throws(HubError) -> PatchEmbedding {
    let image = try self["image_size"].pixels(default: image)
    let patch = try self["patch_size"].pixels(default: patch)
    guard patch.height <= image.height, patch.width <= image.width else {
      throw self["patch_size"].error(
        expected: "at most the \(image.height) x \(image.width) pixels of the image")
    }
    return PatchEmbedding(
      channels: try self["num_channels"].int(in: 1...1024, default: 3), image: image,
      patch: patch, outputs: outputs, weights, bias: bias)
  }
}
