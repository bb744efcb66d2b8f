import ArgumentParser
import Burin
import BurinHub

/// `burin answer`
struct AnswerVerb: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "answer", abstract: "Find the answer to a question in a context.",
    discussion: """
      Writes the answer; with --json {"answer", "score", "start", "end"}. Start and end count the \
      context's Unicode scalars. Long contexts are read in windows that overlap.
      """)

  @OptionGroup var options: LibraryOptions
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The question.", valueName: "TEXT"))
  var question: String
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The text that holds the answer.", valueName: "TEXT"))
  var context: String

  func run() throws {
    let answerer = try QuestionAnswerer(options.model())
    let found = try answerer(question: question, context: context).first
    if options.json {
      return try Standard.output([
        "answer": JSON(found.map { JSON($0.answer) }),
        "score": JSON(found.map { .score($0.score) }),
        "start": JSON(found.map { JSON($0.start) }), "end": JSON(found.map { JSON($0.end) }),
      ])
    }
    try Standard.output((found?.answer ?? "") + "\n")
  }
}
