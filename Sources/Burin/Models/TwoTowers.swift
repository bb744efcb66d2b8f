import BurinHub
import BurinIR

/// A model of pictures and captions that turns both into vectors of one space: entries for both
/// together (`forward`), for captions (`embed`) and for pictures (`embed_image`).
struct TwoTowers {
  let text: any TextTower
  let image: any ImageTower
  /// What stands behind a caption's and a picture's pooled vector, if anything.
  let textProjection, imageProjection: Linear?
  /// The logits of the cosines `[captions, pictures]`.
  let logits: (Tensor) -> Tensor

  func entries(_ limits: Limits) -> [Entry] {
    [
      Entry.trace("forward") { trace in
        let texts = self.texts(trace, limits)
        let images = self.images(trace, Symbol("images", maximum: limits.batch))
        return trace.scoped("similarity") {
          let perText = logits(texts.matmul(images.transposed))
          return [
            ("logits_per_image", perText.transposed), ("logits_per_text", perText),
            ("text_embeds", texts), ("image_embeds", images),
          ]
        }
      },
      Entry.trace("embed") { [("sentence_embedding", self.texts($0, limits))] },
      Entry.trace("embed_image") {
        [("image_embeds", self.images($0, Symbol("images", maximum: limits.batch)))]
      },
    ]
  }

  private func texts(_ trace: Trace, _ limits: Limits) -> Tensor {
    trace.scoped("text") {
      let inputs = EncoderInputs(trace, text, limits)
      let pooled = text.pooled(text.encode(inputs), inputs)
      return (textProjection?(pooled) ?? pooled).normalized
    }
  }

  private func images(_ trace: Trace, _ count: Symbol) -> Tensor {
    trace.scoped("image") {
      let pixels = trace.pixels(
        Dim(count), channels: image.patches.channels, image.patches.size)
      let pooled = image.pooled(image.encode(pixels))
      return (imageProjection?(pooled) ?? pooled).normalized
    }
  }
}

/// The half that reads captions.
protocol TextTower {
  /// The longest caption.
  var maximumLength: Int { get }

  /// The last hidden state `[batch, seq, hidden]`.
  func encode(_ inputs: EncoderInputs) -> Tensor

  /// A vector of each caption, `[batch, width]`.
  func pooled(_ hidden: Tensor, _ inputs: EncoderInputs) -> Tensor
}

/// The half that sees pictures.
protocol ImageTower {
  /// Cuts a picture and knows its size.
  var patches: PatchEmbedding { get }

  /// The last hidden state `[batch, positions, hidden]` of `pixels[batch, channels, height, width]`.
  func encode(_ pixels: Tensor) -> Tensor

  /// A vector of each picture, `[batch, width]`.
  func pooled(_ hidden: Tensor) -> Tensor
}

extension TextTower {
  /// The entries of the tower alone: `forward`, and `embed` for a caption's vector.
  ///
  /// - Parameter outputs: the outputs of `forward`, the caption's vector the first of them.
  func entries(
    _ limits: Limits, outputs: (_ hidden: Tensor, _ inputs: EncoderInputs) -> [(String, Tensor)]
  ) -> [Entry] {
    func all(_ trace: Trace) -> [(String, Tensor)] {
      let inputs = EncoderInputs(trace, self, limits)
      return outputs(encode(inputs), inputs)
    }
    return [
      Entry.trace("forward") { all($0) },
      Entry.trace("embed") { [("sentence_embedding", all($0)[0].1)] },
    ]
  }
}

extension EncoderInputs {
  /// The inputs of a text tower: ids, and what stands for an absent mask and absent positions.
  init(_ trace: Trace, _ tower: any TextTower, _ limits: Limits) {
    let batch = Dim(Symbol("batch", maximum: limits.batch))
    let seq = Dim(Symbol("seq", maximum: limits.sequence ?? tower.maximumLength))
    let shape = [batch, seq]
    self.init(
      ids: trace.input("input_ids", .i32, shape),
      positions: trace.input(
        "position_ids", .i32, shape, fallback: trace.iota(shape, axis: 1)),
      padding: trace.input(
        "attention_mask", .i32, shape, fallback: trace.full(1, .i32, shape)),
      tokenTypes: nil)
  }
}

/// A classifier of pictures by the mean of their patches.
struct ImageClassifier {
  let image: any ImageTower
  /// Tokens that stand before the patches and do not count.
  let leading: Int
  let labels: Int

  func entry(_ limits: Limits) -> Entry {
    Entry.trace("forward") { trace in
      let pixels = trace.pixels(
        Dim(Symbol("batch", maximum: limits.batch)), channels: image.patches.channels,
        image.patches.size)
      let hidden = image.encode(pixels)
      let (first, width) = (Dim(leading), hidden.shape[2].constant ?? 0)
      let mean = hidden.slice(axis: 1, from: first, count: hidden.shape[1] - first).mean(1)
        .reshaped([hidden.shape[0], Dim(width)])
      return [("logits", Linear(width, labels, Weights("classifier"))(mean))]
    }
  }
}

/// The stack of layers that CLIP and SigLIP have in both towers.
struct TowerLayers {
  /// What stands in the place of absent keys of a tower's configuration.
  struct Defaults {
    var hidden = 768
    var intermediate = 3072
    var heads = 12
    var activation: String
    var epsilon: Double
  }

  let hidden, intermediate, heads: Int
  let activation: Activation
  let epsilon: Double
  let layers: [PreNormLayer]

  /// - Parameter weights: the tower's.
  init(_ config: JSONField, _ weights: Weights, _ absent: Defaults) throws(HubError) {
    hidden = try config["hidden_size"].width(default: absent.hidden)
    intermediate = try config["intermediate_size"].width(default: absent.intermediate)
    heads = try config["num_attention_heads"].heads(dividing: hidden, default: absent.heads)
    activation = try config["hidden_act"].activation(default: absent.activation)
    epsilon = try config["layer_norm_eps"].epsilon(default: absent.epsilon)
    let (hidden, heads, epsilon) = (hidden, heads, epsilon)
    let (intermediate, activation) = (intermediate, activation)
    layers = (0..<(try config["num_hidden_layers"].layers(default: 12))).map { index in
      let layer = weights["encoder"]["layers"][index]
      func projection(_ name: String) -> Linear {
        Linear(hidden, hidden, layer["self_attn"][name])
      }
      return PreNormLayer(
        attentionNorm: LayerNorm(hidden, layer["layer_norm1"], epsilon: epsilon),
        attention: SelfAttention(
          heads: heads, query: projection("q_proj"), key: projection("k_proj"),
          value: projection("v_proj"), output: projection("out_proj")),
        feedForwardNorm: LayerNorm(hidden, layer["layer_norm2"], epsilon: epsilon),
        feedForward: FeedForward(
          hidden, intermediate, activation: activation, layer["mlp"]))
    }
  }

  func norm(_ weights: Weights) -> LayerNorm { LayerNorm(hidden, weights, epsilon: epsilon) }

  func feedForward(_ weights: Weights) -> FeedForward {
    FeedForward(hidden, intermediate, activation: activation, weights)
  }
}

/// The tokens of a caption and where they stand.
struct CaptionEmbedding: Layer {
  let words, positions: Embedding

  init(
    _ config: JSONField, hidden: Int, vocabulary: Int, length: Int, _ weights: Weights
  ) throws(HubError) {
    words = Embedding(
      try config["vocab_size"].width(default: vocabulary), hidden, weights["token_embedding"])
    positions = Embedding(
      try config["max_position_embeddings"].width(default: length), hidden,
      weights["position_embedding"])
  }

  func callAsFunction(_ inputs: EncoderInputs) -> Tensor {
    inputs.ids.trace.scoped("embeddings") { words(inputs.ids) + positions(inputs.positions) }
  }
}

extension FeedForward {
  /// The feed-forward network by the names of CLIP's tensors.
  fileprivate init(_ hidden: Int, _ intermediate: Int, activation: Activation, _ weights: Weights) {
    self.init(
      up: Linear(hidden, intermediate, weights["fc1"]), activation: activation,
      down: Linear(intermediate, hidden, weights["fc2"]))
  }
}

extension Tensor {
  /// Rows of length 1.
  fileprivate var normalized: Tensor { self / (self * self).sum(-1).squareRoot() }

  /// Of `i32[batch, seq]` the first place of each row's largest value, `[batch, 1]`.
  var firstMaximum: Tensor {
    let seq = trace.extent(shape[1])
    let fromEnd = seq - trace.iota(shape, axis: 1)
    let isLargest = binary(.equal, maximum(1)).cast(.i32)
    return seq - (isLargest * fromEnd).maximum(1)
  }
}
