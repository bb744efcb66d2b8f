import BurinHub

/// What a forecaster takes and gives, as its library says.
public struct SeriesDescription: Hashable, Sendable {
  /// How many steps of the past it must be given.
  public var past: Int
  /// How many of them its encoder sees; the others only stand behind lags.
  public var context: Int
  /// How many steps it predicts.
  public var horizon: Int
  /// How many series it predicts together.
  public var channels: Int
  /// What it predicts the parameters of; `nil` if it predicts values.
  public var distribution: SeriesDistribution?
  /// How many samples transformers draws.
  public var samples = 100
  /// How far back the values are that each step sees; empty if all steps are predicted at once.
  public var lags: [Int] = []
  /// How many features of each step, past and future, are known beforehand.
  public var known = 0
  /// How many numbers belong to a whole series.
  public var fixed = 0
  /// How many values there are of each feature that belongs to a whole series.
  public var categories: [Int] = []

  /// A forecaster of values, all steps at once, that sees nothing but values.
  public init(past: Int, horizon: Int, channels: Int) {
    self.past = past
    context = past
    self.horizon = horizon
    self.channels = channels
  }
}

extension SeriesDescription {
  /// The description as it stands in the library's file.
  var json: JSON {
    [
      "past": JSON(past), "context": JSON(context), "horizon": JSON(horizon),
      "channels": JSON(channels),
      "distribution": distribution.map { JSON($0.rawValue) } ?? .null, "samples": JSON(samples),
      "lags": .array(lags.map { JSON($0) }), "known": JSON(known), "fixed": JSON(fixed),
      "categories": .array(categories.map { JSON($0) }),
    ]
  }

  /// Reads what a library says.
  init(_ field: JSONField) throws(HubError) {
    func count(_ key: ByteString, from least: Int) throws(HubError) -> Int {
      try field[key].int(in: least...1 << 24)
    }
    func counts(_ key: ByteString) throws(HubError) -> [Int] {
      var counts: [Int] = []
      for element in try field[key].array() { counts.append(try element.int(in: 1...1 << 24)) }
      return counts
    }
    self.init(
      past: try count("past", from: 1), horizon: try count("horizon", from: 1),
      channels: try count("channels", from: 1))
    context = try count("context", from: 1)
    if field["distribution"].exists {
      distribution = SeriesDistribution(rawValue: try field["distribution"].string().utf8String)
    }
    samples = try count("samples", from: 1)
    lags = try counts("lags")
    known = try count("known", from: 0)
    fixed = try count("fixed", from: 0)
    categories = try counts("categories")
  }
}

extension JSONField {
  /// How many samples of a forecast a configuration asks for.
  func sampleCount() throws(HubError) -> Int {
    try self["num_parallel_samples"].int(in: 1...1 << 20, default: 100)
  }
}
