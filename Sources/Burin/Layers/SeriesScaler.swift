import BurinIR

/// Brings the channels of time series to one scale, over those of their values that were observed.
struct SeriesScaler {
  /// What a channel is shifted and divided by.
  enum Kind: Sendable {
    /// By the mean of the absolute values, without a shift.
    case mean
    /// By the mean and the standard deviation.
    case standardDeviation
    /// By nothing.
    case none
  }

  let kind: Kind
  /// What keeps a constant series from being divided by nothing: the least scale of `mean`, added to
  /// the variance of `standardDeviation`.
  let minimum: Double
  /// The scale of `mean` for a channel without any observation; that of the whole batch if `nil`.
  let fallback: Double?

  /// The shift and the scale, `[batch, 1, channels]` each.
  ///
  /// - Parameters:
  ///   - values: `[batch, time, channels]`.
  ///   - observed: of the same shape, 1 where a value was observed and 0 where it is missing.
  func callAsFunction(_ values: Tensor, observed: Tensor) -> (shift: Tensor, scale: Tensor) {
    let trace = values.trace
    let shape = [values.shape[0], 1, values.shape[2]]
    let count = observed.sum(1)
    let atLeastOne = count.binary(.maximum, trace.constant(1))
    switch kind {
    case .none:
      // Nothing follows from the mask, but the model takes one.
      let zero = count * 0
      return (zero, zero + 1)
    case .standardDeviation:
      let shift = (values * observed).sum(1) / atLeastOne
      let off = (values - shift) * observed
      return (shift, ((off * off).sum(1) / atLeastOne + minimum).squareRoot())
    case .mean:
      let total = (values * observed).unary(.absolute).sum(1)
      let ofAll = trace.constant(1).binary(.maximum, count.sum(0))
      let other = fallback.map { trace.constant($0) } ?? total.sum(0) / ofAll
      let scale = trace.constant(0).binary(.less, count).select(total / atLeastOne, other)
      return (
        trace.full(0, .f32, shape), scale.binary(.maximum, trace.constant(minimum))
      )
    }
  }
}
