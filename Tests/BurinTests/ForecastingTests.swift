import BurinHub
import Glibc
import Testing

@testable import Burin

@Suite struct ForecastingTests {
  // MARK: Distributions

  /// Mean and variance of 40,000 draws, within six deviations of the mean of so many.
  private func expect(
    mean: Double, variance: Double, _ name: Comment, _ draw: (inout SeededRandom) -> Double
  ) {
    var random = SeededRandom(seed: 3)
    let values = (0..<40_000).map { _ in draw(&random) }
    let found = values.reduce(0, +) / 40_000
    let spread = values.reduce(0) { $0 + ($1 - found) * ($1 - found) } / 40_000
    #expect(abs(found - mean) < 6 * (variance / 40_000).squareRoot(), name)
    #expect(abs(spread / variance - 1) < 0.1, name)
  }

  @Test func theNormalDistribution() {
    expect(mean: 0, variance: 1, "normal") { $0.normal() }
  }

  @Test(arguments: [0.3, 1, 2.5, 40])
  func theGammaDistribution(shape: Double) {
    expect(mean: shape, variance: shape, "gamma") { $0.gamma(shape: shape) }
  }

  @Test(arguments: [0.2, 3, 9.9, 10, 55, 4000])
  func thePoissonDistribution(mean: Double) {
    expect(mean: mean, variance: mean, "poisson") { $0.poisson(mean: mean) }
  }

  @Test func scaledDistributions() {
    // Student's t of 12 degrees of freedom has the variance 12 / 10.
    expect(mean: 7, variance: 1.2 * 36, "student_t") {
      Double($0.draw(.studentT, [12, 0.5, 3], shift: 6, scale: 2))
    }
    expect(mean: 7, variance: 36, "normal") {
      Double($0.draw(.normal, [0.5, 3], shift: 6, scale: 2))
    }
    // A gamma mixture of Poisson: the mean is 4 * 1.5 * 2, the variance mean * (1 + 1.5 * 2).
    expect(mean: 12, variance: 48, "negative_binomial") {
      Double($0.draw(.negativeBinomial, [4, Float(log(1.5))], shift: 100, scale: 2))
    }
  }

  // MARK: Forecasts

  static let distributions = Fixture.all(with: "quartiles.json")

  /// As many of our samples lie below each quartile of transformers' as of its own.
  @Test("samples as transformers does", arguments: distributions)
  func quartiles(fixture: Fixture) throws {
    let recorded = try #require(try ModelDirectory(fixture.path).json("quartiles.json"))
    let forecaster = try Forecaster(TextModel(try fixture.library(), threads: 2))
    let forecast = try forecaster(try window(of: fixture), samples: 2000)
    #expect(forecast.paths.count == 2000)
    for (name, part) in [("lower", 0.25), ("median", 0.5), ("upper", 0.75)] {
      let values = try recorded[ByteString(name)].array().map { Float(try $0.double()) }
      #expect(values.count == forecast.paths[0].count)
      for (place, value) in values.enumerated() {
        // Counts may lie on the quartile itself.
        let below = Double(forecast.paths.count { $0[place] < value - 1e-3 }) / 2000
        let reached = Double(forecast.paths.count { $0[place] <= value + 1e-3 }) / 2000
        #expect(below - 0.06 < part && part < reached + 0.06, "\(name) \(place)")
      }
    }
  }

  @Test("draws a sample whatever is drawn beside it", arguments: distributions)
  func samplesAreTheirOwn(fixture: Fixture) throws {
    let forecaster = try Forecaster(TextModel(try fixture.library(), threads: 1))
    let window = try window(of: fixture)
    let many = try forecaster(window, samples: 40, seed: 9)
    #expect(try forecaster(window, samples: 3, seed: 9).paths == Array(many.paths[..<3]))
    let short = try forecaster(window, steps: 2, samples: 3, seed: 9)
    #expect(short.paths == many.paths[..<3].map { Array($0[..<(2 * short.channels)]) })
    #expect(try forecaster(window, samples: 3, seed: 10).paths != short.paths)
  }

  @Test func predictsValuesAsTheModelGivesThem() throws {
    let fixture = Fixture(name: "patchtst-prediction")
    let forecaster = try Forecaster(TextModel(try fixture.library(), threads: 1))
    let forecast = try forecaster(try window(of: fixture))
    let expected = try #require(
      try fixture.tensors("expected-ids.safetensors")["prediction_outputs"])
    #expect(forecast.paths.count == 1 && forecast.steps == 7)
    let largest = expected.floats.map(abs).max() ?? 1
    for (value, reference) in zip(forecast.paths[0], expected.floats) {
      #expect(abs(value - reference) < 1e-4 * largest)
    }
    #expect(forecast.mean(of: 1) == forecast.quantile(0.9, of: 1))
  }

  @Test func findsQuantilesBetweenSamples() {
    let forecast = SeriesForecast(paths: [[1, 10], [4, 20], [2, 30]], channels: 2)
    #expect(forecast.steps == 1)
    #expect(forecast.quantile(0.5, of: 0) == [2])
    #expect(forecast.quantile(0.75, of: 0) == [3])
    #expect(forecast.mean(of: 1) == [20])
  }

  @Test func refusesWhatDoesNotFit() throws {
    let fixture = Fixture(name: "patchtst-prediction")
    let forecaster = try Forecaster(TextModel(try fixture.library(), threads: 1))
    #expect(throws: TaskError.self) { try forecaster(SeriesWindow([1, 2, nil])) }
    let window = try window(of: fixture)
    #expect(throws: TaskError.self) { try forecaster(window, steps: 8) }
    #expect(throws: TaskError.self) { try forecaster(window, samples: 0) }
    let other = Fixture(name: "patchtst-classification")
    #expect(throws: TaskError.self) { try Forecaster(TextModel(try other.library(), threads: 1)) }
  }

  /// The first series of `inputs-ids`.
  private func window(of fixture: Fixture) throws -> SeriesWindow {
    let inputs = try fixture.tensors("inputs-ids.safetensors")
    func first(_ name: String) -> [Float] { inputs[name]?.sequence(0, length: nil).floats ?? [] }
    var window = SeriesWindow(first("past_values"))
    window.pastFeatures = first("past_time_features")
    window.futureFeatures = first("future_time_features")
    window.fixed = first("static_real_features")
    let categories = inputs["static_categorical_features"]?.sequence(0, length: nil).integers
    window.categories = (categories ?? []).map { Int32($0) }
    return window
  }
}
