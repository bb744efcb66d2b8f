import ArgumentParser
import Burin
import BurinHub

/// `burin score`
struct Score: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say how probable texts are.",
    discussion: """
      Writes a line for each token of each text: its id, the natural logarithm of its probability \
      after the tokens before it, and the token, separated by tabs; then the text's perplexity. \
      The first token has no probability (-). With --json {"results": [{"tokens", \
      "log_probabilities", "sum", "perplexity"}, ...]}.
      """)

  @OptionGroup var options: LibraryOptions
  @OptionGroup var input: TextOptions
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Ids to score, taken as they are.", valueName: "1,2,3"))
  var inputIds: String?

  func run() throws {
    guard inputIds == nil || (input.text.isEmpty && input.file == nil) else {
      throw Failure.usage("--input-ids and texts exclude each other")
    }
    let ids = try inputIds.map { try parseIDs($0, of: "--input-ids") }
    let scorer = try TextScorer(options.model())
    let scores = try ids.map { [try scorer($0)] } ?? scorer(input.texts())
    if options.json {
      let rows: [JSON] = scores.map { score in
        [
          "tokens": .array(score.tokens.map { JSON(Int($0)) }),
          "log_probabilities": .array(
            score.logProbabilities.map { JSON($0.map { JSON.score($0) }) }),
          "sum": .score(score.sum), "perplexity": JSON(score.perplexity.map { .score($0) }),
        ]
      }
      return try Standard.output(["results": .array(rows)])
    }
    let tokenizer = scorer.model.hasTokenizer ? try scorer.model.tokenizer() : nil
    for score in scores {
      for (id, value) in zip(score.tokens, score.logProbabilities) {
        let columns = [
          "\(id)", value.map { "\(Float($0))" } ?? "-",
          try tokenizer.map { line(try $0.decode([id], skipSpecialTokens: false)) } ?? "",
        ]
        try Standard.output(columns.joined(separator: "\t") + "\n")
      }
      try Standard.output(
        "perplexity\t" + (score.perplexity.map { "\(Float($0))" } ?? "-") + "\n")
    }
  }
}
