import BurinHub
import BurinIR

/// What the Time Series Transformer sees of a step of time, as its configuration says: lagged values,
/// features of the series, and features of the step.
struct SeriesFeatures: Sendable {
  let context, horizon, channels: Int
  /// How many steps back the values are that a step sees, in the configuration's order.
  let lags: [Int]
  /// Features of each step that are known beforehand: of the time itself, and others.
  let known: Int
  /// Numbers that belong to a whole series.
  let fixed: Int
  /// How many values each feature has that belongs to a whole series and is one of several, and the
  /// width of the vectors that stand for them.
  let categories: [(count: Int, width: Int)]

  init(_ config: JSONField) throws(HubError) {
    horizon = try config["prediction_length"].int(in: 1...1 << 20)
    let context = config["context_length"]
    self.context = try context.int(default: 0) == 0 ? horizon : context.int(in: 1...1 << 20)
    channels = try config["input_size"].int(in: 1...1 << 16, default: 1)
    let field = config["lags_sequence"]
    var lags: [Int] = field.exists ? [] : Array(1...7)
    for lag in field.exists ? try field.array() : [] { lags.append(try lag.int(in: 1...1 << 20)) }
    guard !lags.isEmpty else { throw field.error(expected: "at least one lag") }
    self.lags = lags
    func count(_ key: ByteString) throws(HubError) -> Int {
      try config[key].int(in: 0...1 << 16, default: 0)
    }
    known = try count("num_time_features") + count("num_dynamic_real_features")
    fixed = try count("num_static_real_features")
    categories = try Self.categories(config, count("num_static_categorical_features"))
  }

  private static func categories(
    _ config: JSONField, _ count: Int
  ) throws(HubError) -> [(count: Int, width: Int)] {
    guard count > 0 else { return [] }
    func numbers(_ key: ByteString) throws(HubError) -> [Int] {
      let field = config[key]
      var numbers: [Int] = []
      for number in field.exists ? try field.array() : [] {
        numbers.append(try number.int(in: 1...1 << 20))
      }
      guard numbers.isEmpty || numbers.count == count else {
        throw field.error(expected: "\(count) numbers")
      }
      return numbers
    }
    let counts = try numbers("cardinality")
    guard !counts.isEmpty else {
      throw config["cardinality"].error(expected: "\(count) numbers")
    }
    let widths = try numbers("embedding_dimension")
    return counts.enumerated().map { index, count in
      (count, widths.isEmpty ? min(50, (count + 1) / 2) : widths[index])
    }
  }

  /// How far back the values reach that the context sees.
  var past: Int { context + reach }
  /// The longest lag.
  var reach: Int { lags.max() ?? 0 }
  /// How many features a step has in all.
  var width: Int {
    channels * (lags.count + 2) + known + fixed + categories.reduce(0) { $0 + $1.width }
  }
}

/// The past of some series while an entry is built: its inputs, and what follows from them.
struct SeriesPast {
  private let features: SeriesFeatures
  private let batch: Dim
  /// `[batch, past, channels]`, and brought to one scale.
  let values, scaled: Tensor
  /// What the series were shifted and divided by, `[batch, 1, channels]` each.
  let scales: (shift: Tensor, scale: Tensor)
  /// What belongs to each series, `[batch, width]`.
  private let fixed: Tensor
  /// What was known of each step of the context; `nil` if nothing is.
  private let known: Tensor?

  init(
    _ trace: Trace, _ features: SeriesFeatures, _ batch: Dim, _ scaler: SeriesScaler,
    _ categories: [Embedding]
  ) {
    self.features = features
    self.batch = batch
    let (length, context) = (Dim(features.past), Dim(features.context))
    let given = trace.input("past_values", .f32, features.shape([batch, length]))
    let mask = trace.input(
      "past_observed_mask", .f32, given.shape, fallback: trace.full(1, .f32, given.shape))
    let whole = [batch, length, Dim(features.channels)]
    let values = given.reshaped(whole)
    let start = Dim(features.reach)
    let known = features.known
    self.known =
      known == 0
      ? nil
      : trace.input("past_time_features", .f32, [batch, length, Dim(known)])
        .slice(axis: 1, from: start, count: context)
    let scales = trace.scoped("scale") {
      scaler(
        values.slice(axis: 1, from: start, count: context),
        observed: mask.reshaped(whole).slice(axis: 1, from: start, count: context))
    }
    let wide = [batch, Dim(features.channels)]
    var fixed = [
      (scales.shift.unary(.absolute) + 1).unary(.log).reshaped(wide),
      scales.scale.unary(.log).reshaped(wide),
    ]
    if features.fixed > 0 {
      let numbers = trace.input("static_real_features", .f32, [batch, Dim(features.fixed)])
      fixed.insert(numbers, at: 0)
    }
    if !categories.isEmpty {
      let chosen = trace.input(
        "static_categorical_features", .i32, [batch, Dim(categories.count)])
      let rows = categories.map(\.count).max() ?? 1
      let vectors = categories.enumerated().map { index, table in
        table.padded(to: rows, in: trace)
          .embedding(chosen.slice(axis: 1, from: Dim(index), count: 1).reshaped([batch]))
      }
      fixed.insert(contentsOf: vectors, at: 0)
    }
    self.values = values
    scaled = (values - scales.shift) / scales.scale
    self.scales = scales
    self.fixed = trace.concat(fixed, axis: 1)
  }

  /// The steps of the context, `[batch, context, features]`.
  var steps: Tensor { steps(of: scaled, from: features.reach, count: features.context, known) }

  /// The steps to predict, each seeing the true values before it, `[batch, horizon, features]`.
  func future(_ trace: Trace) -> Tensor {
    let horizon = Dim(features.horizon)
    let given = trace.input("future_values", .f32, features.shape([batch, horizon]))
    let values = given.reshaped([batch, horizon, Dim(features.channels)])
    let known =
      features.known == 0
      ? nil
      : trace.input("future_time_features", .f32, [batch, horizon, Dim(features.known)])
    let all = trace.concat([scaled, (values - scales.shift) / scales.scale], axis: 1)
    let steps = steps(of: all, from: features.past, count: features.horizon, known)
    guard features.lags.allSatisfy({ $0 >= features.horizon }) else { return steps }
    // Nothing follows from values that no lag reaches, but the model takes them.
    return steps + values.sum(1, 2) * 0
  }

  /// Lagged values, then what belongs to the series, then what is known of each step.
  private func steps(
    of scaled: Tensor, from first: Int, count: Int, _ known: Tensor?
  ) -> Tensor {
    let trace = scaled.trace
    let shape = [batch, Dim(count), Dim(features.channels), 1]
    let lagged = trace.concat(
      features.lags.map {
        scaled.slice(axis: 1, from: Dim(first - $0), count: Dim(count)).reshaped(shape)
      }, axis: 3
    ).reshaped([batch, Dim(count), Dim(features.channels * features.lags.count)])
    let width = fixed.shape[1]
    let everywhere = fixed.reshaped([batch, 1, width]).broadcast([batch, Dim(count), width])
    return trace.concat([lagged, everywhere] + (known.map { [$0] } ?? []), axis: 2)
  }

  /// What else transformers gives: the shift and the scale, and the features of each series.
  var statistics: [(String, Tensor)] {
    let shape = features.shape([batch, 1])
    return [
      ("loc", scales.shift.reshaped(shape)), ("scale", scales.scale.reshaped(shape)),
      ("static_features", fixed),
    ]
  }
}

extension Embedding {
  /// The table with rows of infinities behind its own: an input has one bound for all features, and
  /// an index beyond its own feature's must not go unnoticed.
  fileprivate func padded(to rows: Int, in trace: Trace) -> Tensor {
    guard rows > count else { return table(in: trace) }
    let rest = trace.full(.infinity, .f32, [Dim(rows - count), Dim(width)])
    return trace.concat([table(in: trace), rest], axis: 0)
  }
}

extension SeriesFeatures {
  /// What a library says of a forecaster with these features.
  func description(_ distribution: SeriesDistribution, samples: Int) -> SeriesDescription {
    var series = SeriesDescription(past: past, horizon: horizon, channels: channels)
    series.context = context
    series.distribution = distribution
    series.samples = samples
    series.lags = lags
    series.known = known
    series.fixed = fixed
    series.categories = categories.map(\.count)
    return series
  }

  /// The shape of values: the axis of a single channel is left out.
  fileprivate func shape(_ steps: [Dim]) -> [Dim] {
    channels == 1 ? steps : steps + [Dim(channels)]
  }
}
