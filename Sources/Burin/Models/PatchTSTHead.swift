import BurinHub
import BurinIR

/// What PatchTST puts on top of its encoder.
struct PatchTSTHead {
  /// How the positions of a channel become one vector.
  enum Pooling: Hashable, Sendable { case first, mean, maximum, none }

  let head: Head
  let hidden: Int
  let shape: SeriesShape
  let hasLeadingToken: Bool
  let pooling: Pooling
  /// How many values are predicted: steps of time, classes, or numbers.
  let targets: Int
  /// `nil` where the values themselves are predicted.
  let distribution: SeriesDistribution?
  /// Between what a regression lies.
  let range: ClosedRange<Double>?

  init(
    _ config: JSONField, head: Head, hidden: Int, shape: SeriesShape, hasLeadingToken: Bool
  ) throws(HubError) {
    self.head = head
    self.hidden = hidden
    self.shape = shape
    self.hasLeadingToken = hasLeadingToken
    let field = config["pooling_type"]
    switch (hasLeadingToken, field.isNull ? "" : try field.string(default: "mean")) {
    case (true, _): pooling = .first
    case (_, "mean"): pooling = .mean
    case (_, "max"): pooling = .maximum
    case (_, "") where head != .seriesClassification && head != .seriesRegression: pooling = .none
    default: throw field.error(expected: "one of mean, max")
    }
    targets =
      head == .seriesPrediction
      ? try config["prediction_length"].int(in: 1...1 << 20, default: 24)
      : try config["num_targets"].int(in: 1...1 << 20, default: 1)
    let isDistributed = try config["loss"].string(default: "mse") != "mse"
    distribution =
      isDistributed && (head == .seriesPrediction || head == .seriesRegression)
      ? try config.seriesDistribution() : nil
    let isShared = try config["share_projection"].flag(default: true)
    if head == .seriesPrediction && !isShared {
      throw config["share_projection"].error(
        expected: "true: transformers cannot run a projection for each channel either")
    }
    range = try config["output_range"].exists ? config["output_range"].range() : nil
  }

  /// The outputs by transformers' names; those that are tuples there have numbers.
  ///
  /// - Parameters:
  ///   - x: `[batch, channels, positions, hidden]`.
  ///   - patches: `[batch, channels, patches, length]`, before any was covered.
  ///   - covered: which of them were, `bool[batch, channels, patches]`; `nil` where none can be.
  ///   - scales: what the series were shifted and divided by.
  func callAsFunction(
    _ x: Tensor, patches: Tensor, covered: Tensor?, scales: (shift: Tensor, scale: Tensor)
  ) -> [(String, Tensor)] {
    let (weights, batch) = (Weights("head"), x.shape[0])
    let statistics = [("loc", scales.shift), ("scale", scales.scale)]
    switch head {
    case .maskedPatches:
      let values = Linear(hidden, shape.patchLength, weights["linear"])(x)
      let body = values.slice(
        axis: 2, from: hasLeadingToken ? 1 : 0, count: Dim(shape.patches))
      return [("prediction_output", body)]
    case .seriesClassification:
      let projection = Linear(shape.channels * hidden, targets, weights["linear"])
      return [("prediction_logits", projection(allChannels(x)))]
    case .seriesRegression:
      let projection = weights["projection"]
      let width = shape.channels * hidden
      if let distribution {
        let parameters = DistributionHead(
          distribution: distribution, inputs: width, values: targets, weights: projection)
        // Of one value, transformers leaves the axis out.
        return numbered("regression_outputs", parameters(allChannels(x))) {
          targets == 1 ? $0.reshaped([batch]) : $0
        }
      }
      let values = Linear(width, targets, projection)(allChannels(x))
      guard let range else { return [("regression_outputs", values)] }
      let bounded =
        values.sigmoid() * (range.upperBound - range.lowerBound) + range.lowerBound
      return [("regression_outputs", bounded)]
    case .seriesPrediction:
      let vectors = pooled(x)
      let width = pooling == .none ? shape.patches * hidden : hidden
      let projection = weights["projection"]
      if let distribution {
        let parameters = DistributionHead(
          distribution: distribution, inputs: width, values: targets, weights: projection)
        return numbered("prediction_outputs", parameters(vectors)) { $0.transposed } + statistics
      }
      let scaled = Linear(width, targets, projection)(vectors).transposed
      return [("prediction_outputs", scaled * scales.scale + scales.shift)] + statistics
    default:
      return [("last_hidden_state", x)] + (covered.map { [("mask", $0)] } ?? []) + statistics
        + [("patch_input", patches)]
    }
  }

  private func numbered(
    _ name: String, _ parameters: [Tensor], _ shaped: (Tensor) -> Tensor
  ) -> [(String, Tensor)] {
    parameters.enumerated().map { ("\(name).\($0.offset)", shaped($0.element)) }
  }

  /// One vector for each channel, `[batch, channels, width]`.
  private func pooled(_ x: Tensor) -> Tensor {
    let vectors =
      switch pooling {
      case .first: x.slice(axis: 2, count: 1)
      case .mean: x.mean(2)
      case .maximum: x.maximum(2)
      case .none: x
      }
    return vectors.reshaped([x.shape[0], x.shape[1], vectors.shape[2] * vectors.shape[3]])
  }

  /// The vectors of all channels side by side, `[batch, channels * hidden]`.
  private func allChannels(_ x: Tensor) -> Tensor {
    let vectors = pooled(x)
    return vectors.reshaped([x.shape[0], vectors.shape[1] * vectors.shape[2]])
  }
}
