import ArgumentParser
import Burin
import BurinHub

/// `burin classify`
struct Classify: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Give texts labels.",
    discussion: """
      Writes a line for each text: every label and its score, the highest first, separated by tabs; \
      with --json {"results": [[{"label", "score"}, ...], ...]}.
      """)

  @OptionGroup var options: LibraryOptions
  @OptionGroup var input: TextOptions

  func run() throws {
    let classifier = try TextClassifier(options.model())
    let results = try classifier(input.texts())
    if options.json {
      let rows = results.map { labels in
        JSON.array(labels.map { ["label": JSON($0.label), "score": .score($0.score)] })
      }
      return try Standard.output(["results": .array(rows)])
    }
    for labels in results {
      let columns = labels.map { "\(line($0.label)) \(Float($0.score))" }
      try Standard.output(columns.joined(separator: "\t") + "\n")
    }
  }
}
