import BurinHub

extension JSONField {
  /// How a configuration brings its series to one scale.
  func seriesScaler(default absent: SeriesScaler.Kind) throws(HubError) -> SeriesScaler {
    let scaling = self["scaling"]
    let kind: SeriesScaler.Kind
    if !scaling.exists {
      kind = scaling.isNull ? .none : absent
    } else if let isScaled = scaling.value?.bool {
      kind = isScaled ? .mean : .none
    } else {
      // transformers takes any other name for no scaling.
      switch try scaling.string() {
      case "mean": kind = .mean
      case "std": kind = .standardDeviation
      default: kind = .none
      }
    }
    guard try self["scaling_dim"].int(default: 1) == 1 else {
      throw self["scaling_dim"].error(expected: "1, the axis of time")
    }
    guard try self["keepdim"].flag(default: true) else {
      throw self["keepdim"].error(expected: "true")
    }
    return SeriesScaler(
      kind: kind,
      minimum: try self["minimum_scale"].double(
        in: 0...1e30, default: kind == .mean ? 1e-10 : 1e-5),
      fallback: self["default_scale"].exists ? try self["default_scale"].double() : nil)
  }

  /// The distribution of a configuration's forecasts.
  func seriesDistribution() throws(HubError) -> SeriesDistribution {
    let field = self["distribution_output"]
    let name = try field.string(default: "student_t").utf8String
    guard let known = SeriesDistribution(rawValue: name) else {
      throw field.error(
        expected: "one of " + SeriesDistribution.allCases.map(\.rawValue).joined(separator: ", "))
    }
    return known
  }

  /// Two numbers, the lesser one first.
  func range() throws(HubError) -> ClosedRange<Double> {
    let bounds = try array()
    guard bounds.count == 2 else { throw error(expected: "two numbers") }
    let (lower, upper) = (try bounds[0].double(), try bounds[1].double())
    guard lower <= upper else { throw error(expected: "two numbers, the lesser one first") }
    return lower...upper
  }
}
