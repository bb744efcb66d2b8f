import BurinHub
import Glibc

/// The past of some series, and what is known of their future.
public struct SeriesWindow: Hashable, Sendable {
  /// Step by step, all channels side by side; 0 where a value is missing.
  public var values: [Float]
  /// 1 where a value was observed, 0 where it is missing.
  public var observed: [Float]
  /// The features of each step of the past, side by side.
  public var pastFeatures: [Float] = []
  /// The features of each step to predict; those of later steps may follow.
  public var futureFeatures: [Float] = []
  /// Numbers that belong to the whole series.
  public var fixed: [Float] = []
  /// Which of several values each feature of the whole series has.
  public var categories: [Int32] = []

  /// A past without features.
  ///
  /// - Parameter values: step by step, all channels side by side; `nil` where one is missing.
  public init(_ values: [Float?]) {
    self.values = values.map { $0 ?? 0 }
    observed = values.map { $0 == nil ? 0 : 1 }
  }
}

/// What follows some series: values, or samples of them.
public struct SeriesForecast: Hashable, Sendable {
  /// The samples, one if values are predicted: step by step, all channels side by side.
  public var paths: [[Float]]
  /// How many channels there are.
  public var channels: Int

  /// How many steps are predicted.
  public var steps: Int { paths[0].count / channels }

  /// The mean of a channel's samples at each step.
  public func mean(of channel: Int) -> [Float] {
    values(of: channel).map { column in
      Float(column.reduce(0.0) { $0 + Double($1) } / Double(column.count))
    }
  }

  /// What a part of a channel's samples are below at each step, between two of them as numpy does.
  public func quantile(_ part: Double, of channel: Int) -> [Float] {
    values(of: channel).map { column in
      let sorted = column.sorted()
      let place = part * Double(sorted.count - 1)
      let lower = Int(place.rounded(.down))
      let upper = min(lower + 1, sorted.count - 1)
      let rest = Float(place - Double(lower))
      return sorted[lower] + (sorted[upper] - sorted[lower]) * rest
    }
  }

  private func values(of channel: Int) -> [[Float]] {
    (0..<steps).map { step in paths.map { $0[step * channels + channel] } }
  }
}

/// Predicts what follows series, with the values that a model predicts or with samples of them.
///
/// Sample `i` is drawn from a generator whose seed is the `i`-th number of the one with the given
/// seed, so that it depends neither on how many there are nor on how many are computed at a time.
public final class Forecaster {
  /// What the library says of its model.
  public let series: SeriesDescription
  private let runner: any EntryRunner
  private let batch: Int

  /// Opens a library with memory to work in.
  ///
  /// - Parameter threads: 0 for as many as OpenMP would take.
  /// - Throws: what `CompiledModel` and `Session` throw; `TaskError` if the model does not predict
  ///   series.
  public convenience init(_ path: String, threads: Int = 0) throws {
    try self.init(TextModel(path, threads: threads))
  }

  init(_ model: TextModel) throws {
    guard let series = model.description.series else {
      throw TaskError(
        "\(model.name): forecast needs a model that predicts series, its head is "
          + model.description.head.rawValue)
    }
    self.series = series
    runner = model.runner
    batch = model.maximumBatch
  }

  /// Predicts the next steps.
  ///
  /// - Parameters:
  ///   - steps: how many; as many as the model can if `nil`.
  ///   - samples: how many samples are drawn; as many as the configuration says if `nil`.
  /// - Throws: `TaskError` for a past that does not fit the model.
  public func callAsFunction(
    _ window: SeriesWindow, steps: Int? = nil, samples: Int? = nil, seed: UInt64 = 0
  ) throws -> SeriesForecast {
    let steps = steps ?? series.horizon
    guard (1...series.horizon).contains(steps) else {
      throw TaskError(
        .badOption,
        "horizon: expected an integer from 1 to \(series.horizon), the model's, found \(steps)")
    }
    try check(window, steps)
    let count = samples ?? series.samples
    guard (1...1 << 20).contains(count) else {
      throw TaskError(
        .badOption, "samples: expected an integer from 1 to \(1 << 20), found \(count)")
    }
    var seeds = SeededRandom(seed: seed)
    let generators = (0..<count).map { _ in SeededRandom(seed: seeds.next()) }
    let paths =
      series.lags.isEmpty
      ? try atOnce(window, steps, generators) : try stepByStep(window, steps, generators)
    return SeriesForecast(paths: paths, channels: series.channels)
  }

  private func check(_ window: SeriesWindow, _ steps: Int) throws {
    func require(_ name: String, _ count: Int, _ expected: Int) throws {
      if count != expected { throw TaskError("\(name): expected \(expected), found \(count)") }
    }
    let known = series.known
    try require("values of the past", window.values.count, series.past * series.channels)
    try require("features of the past", window.pastFeatures.count, series.past * known)
    guard window.futureFeatures.count >= steps * known else {
      throw TaskError(
        "features of the future: expected at least \(steps * known), "
          + "found \(window.futureFeatures.count)")
    }
    try require("numbers of the series", window.fixed.count, series.fixed)
    try require("categories of the series", window.categories.count, series.categories.count)
    for (index, count) in series.categories.enumerated()
    where !(0..<count).contains(Int(window.categories[index])) {
      throw TaskError(
        "category \(index) of the series: expected 0 to \(count - 1), "
          + "found \(window.categories[index])")
    }
  }

  // MARK: All steps at once

  private func atOnce(
    _ window: SeriesWindow, _ steps: Int, _ generators: [SeededRandom]
  ) throws -> [[Float]] {
    let past = HostTensor(window.values, shape: [1, series.past, series.channels])
    let observed = HostTensor(window.observed, shape: past.shape)
    let outputs = try runner.run(
      "forward", ["past_values": past, "past_observed_mask": observed], outputs: nil)
    let count = series.horizon * series.channels
    let wanted = steps * series.channels
    guard let distribution = series.distribution else {
      return [Array(try values(of: "prediction_outputs", in: outputs, count)[..<wanted])]
    }
    let parameters = try (0..<distribution.parameters).map {
      try values(of: "prediction_outputs.\($0)", in: outputs, count)
    }
    let shift = try values(of: "loc", in: outputs, series.channels)
    let scale = try values(of: "scale", in: outputs, series.channels)
    return generators.map { generator in
      var generator = generator
      return (0..<wanted).map { place in
        let channel = place % series.channels
        return generator.draw(
          distribution, parameters.map { $0[place] }, shift: shift[channel], scale: scale[channel])
      }
    }
  }

  // MARK: Step by step

  /// What the encoder makes of the past, and what each step of the future sees of it.
  private struct Encoded {
    var hidden: [Float]
    var shift, scale: [Float]
    var fixed: [Float]
    /// The past on the scale of the network.
    var scaled: [Float]
  }

  private func stepByStep(
    _ window: SeriesWindow, _ steps: Int, _ generators: [SeededRandom]
  ) throws -> [[Float]] {
    let encoded = try encode(window)
    var paths: [[Float]] = []
    for start in stride(from: 0, to: generators.count, by: batch) {
      let some = Array(generators[start..<min(start + batch, generators.count)])
      paths += try continued(window, steps, encoded, some)
    }
    return paths
  }

  private func encode(_ window: SeriesWindow) throws -> Encoded {
    let shape = [1, series.past] + (series.channels == 1 ? [] : [series.channels])
    var inputs = [
      "past_values": HostTensor(window.values, shape: shape),
      "past_observed_mask": HostTensor(window.observed, shape: shape),
    ]
    if series.known > 0 {
      inputs["past_time_features"] = HostTensor(
        window.pastFeatures, shape: [1, series.past, series.known])
    }
    if series.fixed > 0 {
      inputs["static_real_features"] = HostTensor(window.fixed, shape: [1, series.fixed])
    }
    if !series.categories.isEmpty {
      inputs["static_categorical_features"] = HostTensor(
        window.categories, shape: [1, series.categories.count])
    }
    let outputs = try runner.run("encode", inputs, outputs: nil)
    func output(_ name: String) throws -> [Float] {
      guard let tensor = outputs[name] else { throw missing(name, of: "encode") }
      return tensor.floats
    }
    let shift = try values(of: "loc", in: outputs, series.channels)
    let scale = try values(of: "scale", in: outputs, series.channels)
    return Encoded(
      hidden: try output("encoder_last_hidden_state"), shift: shift, scale: scale,
      fixed: try output("static_features"),
      scaled: window.values.enumerated().map { place, value in
        (value - shift[place % series.channels]) / scale[place % series.channels]
      })
  }

  /// Some samples at a time, each step drawn after those before it.
  private func continued(
    _ window: SeriesWindow, _ horizon: Int, _ encoded: Encoded, _ generators: [SeededRandom]
  ) throws -> [[Float]] {
    guard let distribution = series.distribution else { throw missing("params.0", of: "decode") }
    let (channels, rows) = (series.channels, generators.count)
    var generators = generators
    var histories = Array(repeating: encoded.scaled, count: rows)
    var paths = Array(repeating: [Float](), count: rows)
    let hidden = HostTensor(
      Array(repeating: encoded.hidden, count: rows).flatMap { $0 },
      shape: [rows, series.context, encoded.hidden.count / series.context])
    for step in 1...horizon {
      let steps = histories.flatMap { history in
        (0..<step).flatMap { self.step($0, history, encoded, window) }
      }
      let width = steps.count / (rows * step)
      let outputs = try runner.run(
        "decode",
        [
          "inputs_embeds": HostTensor(steps, shape: [rows, step, width]),
          "encoder_hidden_states": hidden,
        ], outputs: nil)
      let parameters = try (0..<distribution.parameters).map {
        try values(of: "params.\($0)", in: outputs, rows * step * channels)
      }
      for row in 0..<rows {
        for channel in 0..<channels {
          let place = (row * step + step - 1) * channels + channel
          let (shift, scale) = (encoded.shift[channel], encoded.scale[channel])
          let value = generators[row].draw(
            distribution, parameters.map { $0[place] }, shift: shift, scale: scale)
          paths[row].append(value)
          histories[row].append((value - shift) / scale)
        }
      }
    }
    return paths
  }

  /// What the network sees of the `index`-th step of the future: lagged values channel by channel, what
  /// belongs to the series, what is known of the step.
  private func step(
    _ index: Int, _ history: [Float], _ encoded: Encoded, _ window: SeriesWindow
  ) -> [Float] {
    let lagged = (0..<series.channels).flatMap { channel in
      series.lags.map { history[(series.past + index - $0) * series.channels + channel] }
    }
    let known = window.futureFeatures[index * series.known..<(index + 1) * series.known]
    return lagged + encoded.fixed + known
  }

  // MARK: Outputs

  private func values(
    of name: String, in outputs: [String: HostTensor], _ count: Int
  ) throws -> [Float] {
    guard let values = outputs[name]?.floats, values.count == count else {
      throw missing(name, of: "its entries")
    }
    return values
  }

  private func missing(_ name: String, of entry: String) -> TaskError {
    TaskError("expected the output \(name) of \(entry), found none of its size")
  }
}
