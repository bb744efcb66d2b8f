import ArgumentParser
import Burin
import BurinHub
import Glibc

/// `burin forecast`
struct Forecast: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Predict what follows the series of a CSV file.",
    discussion: """
      The file has a header; its first column may say when each row was. Empty fields, NA, NaN and \
      null are missing values. Rows at its end without any value are the future: their features, \
      where the model takes some, are known. Writes a line for each step: when it is, and for each \
      column the mean, and for samples the tenth and the ninetieth percentile; on a terminal a plot \
      before it. With --json {"index", "results": [{"column", "mean", "low", "median", "high"}], \
      "samples", "seed"}.
      """)

  @OptionGroup var options: LibraryOptions
  @Argument(help: ArgumentHelp("The series.", valueName: "FILE.csv"))
  var file: String
  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "A column to predict, repeatable, in the model's order; all that are no features.",
      valueName: "NAME"))
  var column: [String] = []
  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "A column that is known beforehand, repeatable, in the model's order.", valueName: "NAME"))
  var feature: [String] = []
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Real features of the whole series.", valueName: "1.5,2"))
  var staticReal: String?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Categorical features of the whole series.", valueName: "0,3"))
  var staticCategorical: String?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Steps to predict (all that the model can).", valueName: "N"))
  var horizon: Int?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Samples to draw (as many as the model says).", valueName: "N"))
  var samples: Int?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("What the samples follow from.", valueName: "N"))
  var seed: UInt64 = 0
  @Option(
    parsing: .unconditional, help: ArgumentHelp("Write a drawing.", valueName: "FILE.svg"))
  var svg: String?
  @Flag(help: "Draw the plot even where the output is no terminal.")
  var plot = false

  func run() throws {
    try checkSeed(seed)
    let forecaster = try Forecaster(options.library, threads: options.threads.count)
    let series = forecaster.series
    if let horizon, !(1...series.horizon).contains(horizon) {
      throw Failure.usage(
        "--horizon: expected an integer from 1 to \(series.horizon), found \(horizon)")
    }
    let table = try SeriesTable(
      CSVTable(path: file), columns: column, features: feature, series)
    var window = SeriesWindow(table.past)
    let steps = try horizon ?? table.defaultHorizon(series)
    (window.pastFeatures, window.futureFeatures) = try table.features(steps)
    window.fixed = try numbers(staticReal, "--static-real") { text in
      Float(text).flatMap { $0.isFinite ? $0 : nil }
    }
    window.categories = try numbers(staticCategorical, "--static-categorical") { Int32($0) }
    let forecast = try forecaster(window, steps: steps, samples: samples, seed: seed)
    let isSampled = series.distribution != nil
    let results = table.columns.enumerated().map { channel, name in
      SeriesResult(
        name: name, past: table.values(of: channel), mean: forecast.mean(of: channel),
        low: isSampled ? forecast.quantile(0.1, of: channel) : nil,
        median: isSampled ? forecast.quantile(0.5, of: channel) : nil,
        high: isSampled ? forecast.quantile(0.9, of: channel) : nil)
    }
    let labels = table.labels(steps)
    if let svg {
      let drawing = try AtomicFile(path: svg)
      try drawing.write(Array(SeriesDrawing(results, labels).svg.utf8))
      try drawing.commit()
    }
    if options.json {
      return try Standard.output([
        "index": table.hasIndex ? .array(labels.future.map { JSON($0) }) : .null,
        "results": .array(results.map(\.json)),
        "samples": isSampled ? JSON(forecast.paths.count) : .null,
        "seed": isSampled ? JSON(Int(clamping: seed)) : .null,
      ])
    }
    if plot || isatty(STDOUT_FILENO) == 1 {
      for result in results {
        try Standard.output(SeriesPlot(result, labels, width: terminalWidth).text + "\n")
      }
    }
    try Standard.output(lines(results, labels.future))
  }

  /// A header, and a line for each step.
  private func lines(_ results: [SeriesResult], _ labels: [String]) -> String {
    var header = ["step"]
    for result in results {
      header += [result.name] + (result.low == nil ? [] : ["10 %", "90 %"])
    }
    let rows = labels.enumerated().map { step, label in
      [label]
        + results.flatMap { result in
          [result.mean, result.low, result.high].compactMap { $0 }.map { "\($0[step])" }
        }
    }
    return ([header] + rows).map { $0.map(line).joined(separator: "\t") + "\n" }.joined()
  }

  /// The numbers of an option, separated by commas.
  private func numbers<Number>(
    _ text: String?, _ option: String, _ read: (String) -> Number?
  ) throws -> [Number] {
    guard let text else { return [] }
    return try text.split(separator: ",", omittingEmptySubsequences: false).map { part in
      guard let number = read(String(part)) else {
        throw Failure.usage("\(option): expected numbers, found \(quoted(String(part)))")
      }
      return number
    }
  }

  /// How wide the terminal is, or what stands for it.
  private var terminalWidth: Int {
    var size = winsize()
    if ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 {
      return Int(size.ws_col)
    }
    return getenv("COLUMNS").flatMap { Int(String(cString: $0)) }.map { min($0, 1000) } ?? 80
  }
}

/// What is predicted of one column, and what was before it.
struct SeriesResult {
  var name: String
  var past: [Float?]
  var mean: [Float]
  /// The tenth, fiftieth and ninetieth percentile; `nil` without samples.
  var low, median, high: [Float]?

  fileprivate var json: JSON {
    func numbers(_ values: [Float]?) -> JSON {
      values.map { .array($0.map { JSON($0) }) } ?? .null
    }
    return [
      "column": JSON(name), "mean": numbers(mean), "low": numbers(low),
      "median": numbers(median), "high": numbers(high),
    ]
  }
}
