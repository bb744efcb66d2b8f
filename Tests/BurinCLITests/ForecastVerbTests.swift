import BurinHub
import Glibc
import Testing

/// `burin forecast`.
@Suite struct ForecastVerbTests {
  /// A file of this process.
  private func file(_ name: String, _ text: String) throws -> String {
    let path = Burin.directory + "/" + name
    let file = try AtomicFile(path: path)
    try file.write(Array(text.utf8))
    try file.commit()
    return path
  }

  /// Thirty days of three columns; `patchtst-prediction` sees 29 and predicts 7.
  private func table(_ changed: [Int: String] = [:], days: Int = 30) throws -> String {
    var lines = ["date,one,two,three"]
    for day in 1...days {
      let date = "2026-\(day < 28 ? "02" : "03")-" + (day < 10 ? "0" : "") + "\(day)"
      lines.append(changed[day] ?? "\(date),\(day).5,-\(day),\(day % 7)")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  @Test func writesValues() throws {
    let library = try Burin.library("patchtst-prediction")
    let path = try file("values.csv", table([4: "2026-02-04,,NA,4"]))
    let plain = try Burin.run(["forecast", library, path])
    #expect(plain.status == 0, "\(plain.errors)")
    let lines = plain.text.split(separator: "\n")
    #expect(lines.count == 8 && lines[0] == "step\tone\ttwo\tthree")
    #expect(lines[1].split(separator: "\t")[0] == "2026-03-31")
    #expect(lines[7].split(separator: "\t")[0] == "2026-04-06")
    let json = try Burin.run(
      [
        "forecast", library, path, "--json", "--horizon", "2", "--column", "three", "--column",
        "one", "--column", "two",
      ]
    ).json()
    #expect(
      json.value?.object?.map { $0.key.utf8String } == ["index", "results", "samples", "seed"])
    #expect(try json["index"].array().count == 2)
    #expect(try json["results"][0]["column"].string() == "three")
    #expect(try json["results"][0]["mean"].array().count == 2)
    #expect(json["results"][0].value?["low"] == .null && json.value?["samples"] == .null)
  }

  @Test func drawsWhatIsNoNumber() throws {
    let library = try Burin.library("patchtst-prediction-distribution")
    let huge = (1...30).map { ($0, "2026-03-\($0 < 10 ? "0" : "")\($0),\($0 % 2 * 2 - 1)e38,1,2") }
    let path = try file("huge.csv", table(Dictionary(uniqueKeysWithValues: huge)))
    let svg = Burin.directory + "/huge.svg"
    let outcome = try Burin.run(["forecast", library, path, "--plot", "--svg", svg])
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.text.contains("nan"), "\(outcome.text)")
    let json = try Burin.run(["forecast", library, path, "--json"]).json()
    #expect(json["results"][0]["mean"][0].isNull)
  }

  @Test func drawsSamples() throws {
    let library = try Burin.library("patchtst-prediction-distribution")
    let path = try file("samples.csv", table())
    let arguments = ["forecast", library, path, "--samples", "20", "--seed", "7"]
    let svg = Burin.directory + "/samples.svg"
    let drawn = try Burin.run(arguments + ["--plot", "--svg", svg], environment: ["COLUMNS": "60"])
    #expect(drawn.status == 0, "\(drawn.errors)")
    let lines = drawn.text.split(separator: "\n")
    #expect(lines.count == 3 * 15 + 8)
    #expect(lines.prefix(45).allSatisfy { $0.count <= 60 })
    #expect(lines[45] == "step\tone\t10 %\t90 %\ttwo\t10 %\t90 %\tthree\t10 %\t90 %")
    let drawing = String(
      decoding: try RegularFile(path: svg).contents(limit: 1 << 20), as: UTF8.self)
    #expect(drawing.hasPrefix("<svg ") && drawing.hasSuffix("</svg>\n"))
    #expect(drawing.contains("<polygon") && drawing.contains("2026-03-30"))
    let json = try Burin.run(arguments + ["--json"]).json()
    #expect(try json["samples"].int() == 20 && json["seed"].int() == 7)
    let again = try Burin.run(arguments + ["--json"]).json()
    #expect(again.value == json.value)
  }

  @Test func takesFeaturesOfTheFuture() throws {
    let library = try Burin.library("time-series-transformer-prediction")
    var lines = ["value;a;b"]
    for step in 1...22 {
      lines.append("\(step <= 18 ? "\(step % 5)" : "");\(step % 3);0.5")
    }
    let path = try file("features.csv", lines.joined(separator: "\n"))
    let arguments = [
      "forecast", library, path, "--feature", "a", "--feature", "b", "--static-categorical", "3",
    ]
    let outcome = try Burin.run(arguments)
    #expect(outcome.status == 0, "\(outcome.errors)")
    // Four rows of features, though the model could predict five steps.
    #expect(
      outcome.text.split(separator: "\n").map { $0.split(separator: "\t")[0] }
        == ["step", "+1", "+2", "+3", "+4"])
    func refused(_ arguments: [String], _ status: Int32, _ words: String) throws {
      let outcome = try Burin.run(arguments)
      #expect(outcome.status == status, "\(outcome.errors)")
      #expect(outcome.errors.contains(words), "\(outcome.errors)")
      #expect(outcome.output.isEmpty)
    }
    try refused(arguments + ["--horizon", "5"], 65, "expected 5 rows at the end")
    try refused(arguments + ["--horizon", "9"], 64, "--horizon: expected an integer from 1 to 5")
    try refused(arguments + ["--horizon", "-3"], 64, "--horizon: expected an integer from 1 to 5")
    try refused(arguments + ["--samples", "0"], 64, "samples: expected an integer from 1")
    try refused(Array(arguments.dropLast(2)), 65, "categories of the series: expected 1, found 0")
    try refused(
      Array(arguments.dropLast()) + ["11"], 65, "category 0 of the series: expected 0 to 10")
    try refused(Array(arguments.dropLast()) + ["x"], 64, "--static-categorical: expected numbers")
    try refused(arguments + ["--static-real", "nan"], 64, "--static-real: expected numbers")
    try refused(
      arguments + ["--seed", "18446744073709551615"], 64, "--seed: expected an integer from 0 to")
    try refused(["forecast", library, path], 65, "expected 2 columns that the model knows")
  }

  @Test func refusesFilesThatDoNotFit() throws {
    let library = try Burin.library("patchtst-prediction")
    func refused(_ text: String, _ more: [String] = [], _ words: String) throws {
      let path = try file("wrong.csv", text)
      let outcome = try Burin.run(["forecast", library, path] + more)
      #expect(outcome.status == 65, "\(outcome.errors)")
      #expect(outcome.errors.contains(words), "\(outcome.errors)")
      #expect(outcome.output.isEmpty)
    }
    try refused("", [], "expected a header and rows, found nothing")
    try refused(table(days: 20), [], "expected at least the 29 rows of values")
    try refused(table([9: "2026-02-09,x,1,2"]), [], "line 10, column \"one\": expected a number")
    try refused(table([9: "2026-02-09,1,2"]), [], "line 10: expected 4 fields")
    try refused(
      table(), ["--column", "four"], "column \"four\": expected one of \"date\", \"one\"")
    try refused(table(), ["--column", "one"], "expected the model's 3 columns to predict, found 1")
    let other = try Burin.run(["forecast", Burin.library("gpt2-lm"), "none.csv"])
    #expect(other.status == 65 && other.errors.contains("needs a model that predicts series"))
    let missing = try Burin.run(["forecast", library, "/nowhere/none.csv"])
    #expect(missing.status == 74)
  }
}
