import BurinHub
import BurinIR

/// PatchTST (Nie et al., 2022), as transformers' `modeling_patchtst`: each channel of a time series is
/// cut into patches, and an encoder attends over them, over the channels too if asked for.
struct PatchTST: Family {
  static let modelTypes = ["patchtst"]
  static let bodyPrefix = "model"
  static let architectures: KeyValuePairs<String, Head> = [
    "PatchTSTModel": .bare, "PatchTSTForPrediction": .seriesPrediction,
    "PatchTSTForClassification": .seriesClassification,
    "PatchTSTForRegression": .seriesRegression, "PatchTSTForPretraining": .maskedPatches,
  ]

  /// How many batches the statistics of the norms were taken over.
  static func isUnused(_ name: String) -> Bool { name.hasSuffix("num_batches_tracked") }

  let shape: SeriesShape
  let scaler: SeriesScaler
  let covering: PatchCovering?
  let embeddings: PatchTSTEmbeddings
  let layers: [PatchTSTLayer]
  let output: PatchTSTHead
  let series: SeriesDescription?

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    let hidden = try config.first(of: "hidden_size", "d_model").width(default: 128)
    let shape = try SeriesShape(config)
    self.shape = shape
    scaler = try config.seriesScaler(default: .standardDeviation)
    let isCovered = try config["do_mask_input"].bool(default: false)
    covering =
      head == .maskedPatches || head == .bare && isCovered
      ? try PatchCovering(config, patches: shape.patches) : nil
    let heads = try config["num_attention_heads"].heads(dividing: hidden, default: 4)
    let inner = try config["ffn_dim"].width(default: 512)
    let hasBias = try config["bias"].flag(default: true)
    let activation = try config["activation_function"].activation(default: "gelu")
    let epsilon = try config["norm_eps"].epsilon(default: 1e-5)
    let attendsOverChannels = try config["channel_attention"].bool(default: false)
    let normsBefore = try config["pre_norm"].flag(default: true)
    let kind = try config["norm_type"].string(default: "batchnorm")
    guard kind == "batchnorm" || kind == "layernorm" else {
      throw config["norm_type"].error(expected: "one of batchnorm, layernorm")
    }
    func residual(_ weights: Weights) -> Residual {
      let norm: any NormLayer =
        kind == "batchnorm"
        ? BatchNorm(hidden, weights["batchnorm"], epsilon: epsilon)
        : LayerNorm(hidden, weights, epsilon: epsilon)
      return normsBefore ? Residual(before: norm) : Residual(afterSum: norm)
    }
    let encoder = body["encoder"]
    embeddings = PatchTSTEmbeddings(
      hidden: hidden, shape: shape,
      isShared: try config["share_embedding"].flag(default: true),
      hasLeadingToken: try config["use_cls_token"].bool(default: false), weights: encoder)
    layers = (0..<(try config["num_hidden_layers"].layers(default: 3))).map { index in
      let weights = encoder["layers"][index]
      func projection(_ name: String) -> Linear {
        Linear(hidden, hidden, weights["self_attn"][name])
      }
      return PatchTSTLayer(
        attention: SelfAttention(
          heads: heads, query: projection("q_proj"), key: projection("k_proj"),
          value: projection("v_proj"), output: projection("out_proj")),
        overTime: residual(weights["norm_sublayer1"]),
        overChannels: attendsOverChannels ? residual(weights["norm_sublayer2"]) : nil,
        feedForward: FeedForward(
          up: Linear(hidden, inner, weights["ff"][0], bias: hasBias), activation: activation,
          down: Linear(inner, hidden, weights["ff"][3], bias: hasBias)),
        feedForwardResidual: residual(weights["norm_sublayer3"]))
    }
    output = try PatchTSTHead(
      config, head: head, hidden: hidden, shape: shape,
      hasLeadingToken: embeddings.hasLeadingToken)
    guard head == .seriesPrediction else {
      series = nil
      return
    }
    var series = SeriesDescription(
      past: shape.context, horizon: output.targets, channels: shape.channels)
    series.distribution = output.distribution
    series.samples = try config.sampleCount()
    self.series = series
  }

  /// The context is of one length: every limit holds.
  var maximumLength: Int { .max }

  func entries(_ limits: Limits) throws(HubError) -> [Entry] {
    let batch = Dim(Symbol("batch", maximum: limits.batch))
    return [
      Entry.trace("forward") { trace in
        let values = trace.input(
          "past_values", .f32, [batch, Dim(shape.context), Dim(shape.channels)])
        let observed = trace.input(
          "past_observed_mask", .f32, values.shape, fallback: trace.full(1, .f32, values.shape))
        let scales = trace.scoped("scale") { scaler(values, observed: observed) }
        let patches = trace.scoped("patches") {
          self.patches((values - scales.shift) / scales.scale)
        }
        let covered = covering?(patches) ?? patches
        let embedded = trace.scoped("embeddings") { embeddings(covered) }
        let hidden = layers.enumerated().reduce(embedded) { x, layer in
          trace.scoped("layer \(layer.offset)") { layer.element(x) }
        }
        return trace.scoped("head") {
          output(hidden, patches: patches, covered: covering?.places(in: patches), scales: scales)
        }
      }
    ]
  }

  /// The patches `[batch, channels, patches, length]` of `values[batch, context, channels]`; what is
  /// left over before whole patches is not read.
  private func patches(_ values: Tensor) -> Tensor {
    let trace = values.trace
    let (batch, count, length) = (values.shape[0], Dim(shape.patches), Dim(shape.patchLength))
    let grid = [1, count, length]
    let starts = trace.iota(grid, axis: 1).binary(
      .multiply, trace.constant(Double(shape.stride), .i32))
    let places = starts + trace.iota(grid, axis: 2) + trace.constant(Double(shape.start), .i32)
    let rows = places.reshaped([1, count * length]).broadcast([batch, count * length])
    return values.gather(rows)
      .reshaped([batch, count, length, Dim(shape.channels)]).transposed([0, 3, 1, 2])
  }
}

/// How PatchTST cuts a series.
struct SeriesShape: Sendable {
  let context, channels, patchLength, stride: Int

  init(_ config: JSONField) throws(HubError) {
    context = try config["context_length"].int(in: 2...1 << 20, default: 32)
    channels = try config["num_input_channels"].int(in: 1...1 << 16, default: 1)
    patchLength = try config["patch_length"].int(in: 1...context - 1, default: 1)
    stride = try config["patch_stride"].int(in: 1...1 << 20, default: 1)
  }

  /// How many patches there are.
  var patches: Int { (context - patchLength) / stride + 1 }
  /// Where the first patch begins.
  var start: Int { context - patchLength - stride * (patches - 1) }
}

/// Patches that the model must not see, where it is certain which: the last ones, or none.
struct PatchCovering {
  let last: Int
  let value: Double
  /// Channels that stay.
  let uncovered: [Int]

  init(_ config: JSONField, patches: Int) throws(HubError) {
    value = try config["mask_value"].double(default: 0)
    let kept =
      config["unmasked_channel_indices"].exists
      ? try config["unmasked_channel_indices"].array() : []
    var channels: [Int] = []
    for channel in kept { channels.append(try channel.int(in: 0...1 << 16)) }
    uncovered = channels
    guard try config["mask_type"].string(default: "random") == "forecast" else {
      guard try config["random_mask_ratio"].double(default: 0.5) == 0 else {
        throw config["mask_type"].error(
          expected: "forecast: patches that are covered at random are for training")
      }
      last = 0
      return
    }
    let field = config["num_forecast_mask_patches"]
    let counts = field.value?.array == nil ? [field] : try field.array()
    guard let count = counts.first, counts.count == 1 else {
      throw field.error(expected: "one number: a choice at random is for training")
    }
    last = try count.int(in: 1...max(1, patches - 1), default: 2)
  }

  /// - Parameter patches: `[batch, channels, patches, length]`.
  func callAsFunction(_ patches: Tensor) -> Tensor {
    guard last > 0 else { return patches }
    let shape = patches.shape
    return places(in: patches).reshaped([shape[0], shape[1], shape[2], 1]).broadcast(shape)
      .select(patches.trace.full(value, .f32, shape), patches)
  }

  /// Which patches are covered, `bool[batch, channels, patches]`.
  func places(in patches: Tensor) -> Tensor {
    let (trace, shape) = (patches.trace, patches.shape)
    let (channels, count) = (shape[1].constant ?? 1, shape[2].constant ?? 1)
    let covered = (0..<channels).flatMap { channel in
      (0..<count).map { $0 >= count - last && !uncovered.contains(channel) ? 1.0 : 0 }
    }
    return trace.constant(0)
      .binary(.less, trace.constant(covered, shape: [1, channels, count]))
      .broadcast([shape[0], shape[1], shape[2]])
  }
}

/// The vectors of the patches and where each stands, with a token before them if there is one.
struct PatchTSTEmbeddings: Layer {
  let hidden: Int
  let shape: SeriesShape
  /// Whether all channels share one projection.
  let isShared: Bool
  let hasLeadingToken: Bool
  let weights: Weights

  /// - Parameter patches: `[batch, channels, patches, length]`.
  /// - Returns: `[batch, channels, positions, hidden]`.
  func callAsFunction(_ patches: Tensor) -> Tensor {
    let trace = patches.trace
    func projection(_ weights: Weights) -> Linear { Linear(shape.patchLength, hidden, weights) }
    let input = weights["embedder"]["input_embedding"]
    let vectors =
      isShared
      ? projection(input)(patches)
      : trace.concat(
        (0..<shape.channels).map { channel in
          projection(input[channel])(patches.slice(axis: 1, from: Dim(channel), count: 1))
        }, axis: 1)
    let positional = weights["positional_encoder"]
    let leading = hasLeadingToken ? 1 : 0
    let positions = positional.tensor("position_enc", [shape.patches + leading, hidden], in: trace)
    guard hasLeadingToken else { return vectors + positions }
    let token = positional.tensor("cls_token", [1, 1, 1, hidden], in: trace)
    let first = (token + positions.slice(axis: 0, count: 1))
      .broadcast([patches.shape[0], patches.shape[1], 1, Dim(hidden)])
    let others = positions.slice(axis: 0, from: 1, count: Dim(shape.patches))
    return trace.concat([first, vectors + others], axis: 2)
  }
}

/// A layer of PatchTST's encoder.
struct PatchTSTLayer: Layer {
  let attention: SelfAttention
  let overTime: Residual
  /// The same attention once more, over the channels at each position.
  let overChannels: Residual?
  let feedForward: FeedForward
  let feedForwardResidual: Residual

  /// - Parameter x: `[batch, channels, positions, hidden]`.
  func callAsFunction(_ x: Tensor) -> Tensor {
    let trace = x.trace
    func attended(_ x: Tensor, _ residual: Residual) -> Tensor {
      let rows = x.reshaped([x.shape[0] * x.shape[1], x.shape[2], x.shape[3]])
      return residual(rows) { attention(($0, nil)) }.reshaped(x.shape)
    }
    var h = trace.scoped("attention") { attended(x, overTime) }
    if let overChannels {
      h = trace.scoped("channel attention") {
        attended(h.transposed([0, 2, 1, 3]), overChannels).transposed([0, 2, 1, 3])
      }
    }
    return trace.scoped("feed forward") { feedForwardResidual(h) { feedForward($0) } }
  }
}
