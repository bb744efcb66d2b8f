import ArgumentParser
import Burin
import BurinHub
import Glibc

/// `burin tokenize`
struct Tokenize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Turn text into ids, and ids into text.",
    discussion: """
      Writes the ids of each text on a line, separated by spaces; with --json {"results": [{"ids", \
      "tokens", "offsets"}, ...]}. With --ids it writes their text; with --json {"text"}.
      """)

  @Argument(help: ArgumentHelp("A model directory or a library.", valueName: "MODEL|X.so"))
  var model: String
  @OptionGroup var input: TextOptions
  @Option(
    parsing: .unconditional, help: ArgumentHelp("Ids to decode.", valueName: "1,2,3"))
  var ids: String?
  @Flag(help: "Neither add nor write special tokens.")
  var noSpecialTokens = false
  @Flag(help: "Write one JSON value.")
  var json = false

  func run() throws {
    guard ids == nil || (input.text.isEmpty && input.file == nil) else {
      throw Failure.usage("--ids and texts exclude each other")
    }
    let ids = try ids.map { try parseIDs($0, of: "--ids") }
    let tokenizer = try tokenizer()
    if let ids {
      let text = try tokenizer.decode(ids, skipSpecialTokens: noSpecialTokens)
      return try json ? Standard.output(["text": JSON(text)]) : Standard.output(text + "\n")
    }
    let encodings = try input.texts().map {
      try tokenizer.encode($0, addSpecialTokens: !noSpecialTokens)
    }
    guard json else {
      for encoding in encodings {
        try Standard.output(encoding.ids.map { "\($0)" }.joined(separator: " ") + "\n")
      }
      return
    }
    let rows: [JSON] = encodings.map { encoding in
      [
        "ids": .array(encoding.ids.map { JSON(Int($0)) }),
        "tokens": .array(
          encoding.ids.map { JSON(tokenizer.token(of: $0).map { JSON.string($0) }) }),
        "offsets": .array(encoding.offsets.map { [JSON($0.start), JSON($0.end)] }),
      ]
    }
    try Standard.output(["results": .array(rows)])
  }

  private func tokenizer() throws -> Tokenizer {
    let description = try describedModel(model)
    guard description.tokenizer != .null else {
      throw Failure.input("\(line(model)): expected a tokenizer, found none")
    }
    return try Tokenizer(JSONField(description.tokenizer, file: "tokenizer.json"))
  }
}

/// What a model directory or a library says of its model.
func describedModel(_ path: String) throws -> ModelDescription {
  if isDirectory(path) { return try ModelDirectory(path).tokenizerDescription() }
  return try ModelDescription(library: LibraryFile(path, machine: nil))
}

/// Whether a path leads to a directory.
func isDirectory(_ path: String) -> Bool {
  var status = stat()
  return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}
