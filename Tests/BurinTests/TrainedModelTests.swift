import BurinHub
import BurinTestSupport
import Testing

@testable import Burin

/// The trained models of `Samples/trained`.
@Suite struct TrainedModelTests {
  private static let root = BuildFixtures.root + "/Samples/trained/"

  private static let libraries = MadeOnce<CompiledModel>()

  /// The model of a directory, compiled when it is first asked for.
  private func library(_ name: String) throws -> CompiledModel {
    try Self.libraries(name) {
      let directory = try TestDirectory()
      return try withExtendedLifetime(directory) {
        let path = directory.path + "/\(name).so"
        try Compiler().compile(ModelDirectory(Self.root + name + "/model").spec(), to: path)
        return try CompiledModel(path)
      }
    }
  }

  @Test(arguments: [
    ("the third of March nineteen eighty-four", "1984-03-03"),
    ("zwei Komma fünf Kilogramm", "2.5 kg"),
    ("le premier mai deux mille six", "2006-05-01"),
    ("minus twelve point five degrees Celsius", "-12.5 °C"),
    ("anderthalb Stunden", "1.5 h"),
    ("quatre-vingt-onze minutes", "91 min"),
    ("two hundred thousand and one litres", "200001 l"),
  ])
  func writtenForms(phrase: String, form: String) throws {
    let model = try library("written-forms")
    let generator = try Generator(TextModel(model, threads: 1))
    #expect(try generator(generator.encode(phrase), GenerationOptions()).text == form)
  }

  /// What no training has seen; the README has the number over all that were held out.
  @Test func writtenFormsHeldOut() throws {
    let model = try library("written-forms")
    let generator = try Generator(TextModel(model, threads: 2))
    let path = Self.root + "written-forms/held-out.json"
    let rows = try JSONField(JSON.parse(BuildFixtures.read(path)), file: path).array().prefix(60)
    for row in rows {
      let (phrase, form) = (try row[0].string().utf8String, try row[1].string().utf8String)
      #expect(
        try generator(generator.encode(phrase), GenerationOptions()).text == form, "\(phrase)")
    }
  }

  /// The mean of a thousand samples as transformers' own thousand have it, within what chance allows.
  @Test func runOff() throws {
    let model = try library("run-off")
    let forecaster = try Forecaster(TextModel(model, threads: 2))
    let table = try CSVTable(path: Self.root + "run-off/river.csv")
    let flow = try table.numbers(in: table.column(named: "runoff"))
    let weather = try ["rain", "temperature"].map {
      try table.numbers(in: table.column(named: $0))
    }
    let end = try #require(flow.lastIndex { $0 != nil }) + 1
    func features(_ rows: Range<Int>) -> [Float] {
      rows.flatMap { row in weather.map { $0[row] ?? 0 } }
    }
    var window = SeriesWindow(Array(flow[(end - forecaster.series.past)..<end]))
    window.pastFeatures = features((end - forecaster.series.past)..<end)
    window.futureFeatures = features(end..<end + 10)
    let forecast = try forecaster(window, samples: 1000)
    let (mean, low) = (forecast.mean(of: 0), forecast.quantile(0.1, of: 0))
    let high = forecast.quantile(0.9, of: 0)
    let expected: [Float] = [
      5.81, 5.71, 5.39, 6.47, 7.39, 8.36, 9.50, 11.42, 14.87, 15.95,
    ]
    for day in 0..<10 {
      #expect(abs(mean[day] - expected[day]) < 0.1 * (high[day] - low[day]), "day \(day + 1)")
    }
  }

  @Test func bytes() throws {
    let model = try library("bytes")
    let scorer = try TextScorer(TextModel(model, threads: 1))
    let text = "Gibt den Wert zurück: returns the value of the key, or None if there is none."
    let score = try scorer(text)
    #expect(score.tokens == text.utf8.map { Int32($0) }, "one token for each byte")
    #expect(abs(try #require(score.perplexity) - 9.722575) < 1e-3)
  }
}
