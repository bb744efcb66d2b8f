import BurinHub
import BurinIR

/// A family of image encoders: the part of `Family` that its members share, from the pixels to the
/// names of the outputs.
protocol VisionFamily: Family {
  /// Cuts the image and knows its size.
  var patches: PatchEmbedding { get }

  /// Whether images of another size are taken too.
  var takesAnySize: Bool { get }

  /// The last hidden state `[batch, positions, hidden]` of `pixels[batch, channels, height, width]`.
  func encode(_ pixels: Tensor) -> Tensor

  /// The outputs of the head, by transformers' names.
  func outputs(_ hidden: Tensor) -> [(String, Tensor)]
}

extension VisionFamily {
  static var seesPictures: Bool { true }

  /// The size of an image fixes how many positions there are: every limit holds.
  var maximumLength: Int { .max }

  var takesAnySize: Bool { false }

  /// `forward`; and `picture` for images of the size that the directory's preprocessing makes of
  /// pictures, where the model takes it and it is another one.
  func entries(_ limits: Limits) throws(HubError) -> [Entry] {
    let batch = Dim(Symbol("batch", maximum: limits.batch))
    func entry(_ name: String, _ size: PictureSize) -> Entry {
      Entry.trace(name) { trace in
        let pixels = trace.pixels(batch, channels: patches.channels, size)
        let hidden = self.encode(pixels)
        return trace.scoped("head") { self.outputs(hidden) }
      }
    }
    let forward = entry("forward", patches.size)
    guard takesAnySize, let picture = limits.picture, picture != patches.size else {
      return [forward]
    }
    return [forward, entry("picture", picture)]
  }
}

extension Trace {
  /// The input `pixel_values`, `[batch, channels, height, width]`.
  func pixels(_ batch: Dim, channels: Int, _ size: PictureSize) -> Tensor {
    input("pixel_values", .f32, [batch, Dim(channels), Dim(size.height), Dim(size.width)])
  }
}

extension PatchEmbedding {
  /// The size of the images that it was trained on.
  var size: PictureSize { PictureSize(height: height, width: width) }
}

/// What stands before the patches, and where each stands: `concat(tokens, patches) + positions`.
struct ImageEmbedding: Layer {
  let patches: PatchEmbedding
  let hidden: Int
  /// Tensors `[1, 1, hidden]` that stand before the patches.
  let tokens: [String]
  let weights: Weights
  /// Tokens without positions, between the first one and the patches.
  var registers = 0
  /// How the positions of a square of patches become those of another grid; `nil` where they never
  /// have to.
  var resizing: Interpolation?

  /// - Returns: `[batch, tokens + registers + patches, hidden]`.
  func callAsFunction(_ pixels: Tensor) -> Tensor {
    let trace = pixels.trace
    return trace.scoped("embeddings") {
      func repeated(_ name: String, _ count: Int) -> Tensor {
        weights.tensor(name, [1, count, hidden], in: trace)
          .broadcast([pixels.shape[0], Dim(count), Dim(hidden)])
      }
      let leading = tokens.map { repeated($0, 1) }
      let x = trace.concat(leading + [patches(pixels)], axis: 1) + positions(pixels)
      guard registers > 0 else { return x }
      let first = x.slice(axis: 1, count: 1)
      let rest = x.slice(axis: 1, from: 1, count: x.shape[1] - 1)
      return trace.concat([first, repeated("register_tokens", registers), rest], axis: 1)
    }
  }

  /// The positions of the tokens and of the patches of these images, `[1, positions, hidden]`.
  private func positions(_ pixels: Tensor) -> Tensor {
    let trace = pixels.trace
    let table = weights.tensor(
      "position_embeddings", [1, tokens.count + patches.count, hidden], in: trace)
    let (rows, columns) = patches.grid(of: pixels)
    let isTrained = rows * columns == patches.count && pixels.shape[2] == pixels.shape[3]
    guard let resizing, !isTrained else { return table }
    let leading = table.slice(axis: 1, count: Dim(tokens.count))
    let square = table.slice(axis: 1, from: Dim(tokens.count), count: Dim(patches.count))
    let side = Dim(patches.squareSide)
    let resized = resizing(
      square.reshaped([side, side, Dim(hidden)]), rows: rows, columns: columns)
    return trace.concat(
      [leading, resized.reshaped([1, Dim(rows * columns), Dim(hidden)])], axis: 1)
  }
}

extension PatchEmbedding {
  /// The side of the square that has as many patches as the image, or fewer.
  var squareSide: Int { Int(Double(count).squareRoot()) }
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

extension Program {
  /// The sizes of the pictures that the entries take.
  var pictureSizes: [PictureSize] {
    entries.flatMap { entry in
      entry.graph.nodes.compactMap { node in
        guard case .input("pixel_values", let type, _) = node.op, type.rank == 4,
          let height = type.shape[2].constant, let width = type.shape[3].constant
        else { return nil }
        return PictureSize(height: height, width: width)
      }
    }
  }
}
