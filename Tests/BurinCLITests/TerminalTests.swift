import BurinHub
import BurinTestSupport
import Testing

/// What somebody at a terminal sees, and what Ctrl-C does there.
///
/// A terminal that nobody reads holds some 12 KiB, and then whoever writes to it waits: what is
/// generated here is longer, and is still being written when the key is pressed.
@Suite(.enabled(if: Terminal.isThere, "there are no pseudo-terminals"))
struct TerminalTests {
  private static let libraries = MadeOnce<String>()

  /// The model of bytes with room for long texts, and a template that says nothing itself.
  private func library() throws -> String {
    try Self.libraries("bytes") {
      let root = String(#filePath.dropLast("Tests/BurinCLITests/TerminalTests.swift".count))
      let template = "{% for m in messages %}{{ m.content }}\n{% endfor %}"
      let model = try Burin.altered(
        "model", in: root + "Samples/trained/bytes/", [("max_position_embeddings", 131_072)],
        files: ["chat_template.json": ["chat_template": JSON(template)]])
      return try Burin.compiled(model, ["--max-batch", "1"]).library
    }
  }

  /// The arguments of a generation that nobody waits for.
  private func endless(_ arguments: String...) throws -> [String] {
    try ["generate", library(), "--max-new-tokens", "50000", "--threads", "1"] + arguments
  }

  @Test("shows a text as it comes; Ctrl-C ends the program with 130")
  func interruptsGeneration() throws {
    let prompt = ["--prompt", "Return the "]
    let line = try Burin.run(["generate", library(), "--max-new-tokens", "24"] + prompt).text
    let text = String(line.dropLast())
    #expect(!text.isEmpty)
    let terminal = try Terminal(endless() + prompt)
    try terminal.wait { $0.utf8.count >= text.utf8.count }
    #expect(terminal.shown.hasPrefix(text), "\(terminal.shown)")
    try terminal.type(Terminal.interrupt)
    #expect(try terminal.end() == 130)
  }

  @Test("Ctrl-C ends an answer, and not the conversation; Ctrl-D ends that")
  func interruptsAnswers() throws {
    let terminal = try Terminal(endless("--chat"))
    try terminal.wait { $0 == "> " }
    // Nobody is answering yet.
    try terminal.type(Terminal.interrupt)
    try terminal.wait { $0.hasSuffix("\n(Ctrl-D ends the conversation)\n> ") }
    for line in ["Return the name.\n", "Raise an error.\n"] {
      try terminal.type(line)
      try terminal.wait { $0.contains(line) && !$0.hasSuffix(line) }
      try terminal.type(Terminal.interrupt)
      try terminal.wait { $0.hasSuffix("\n> ") }
    }
    try terminal.type(Terminal.endOfInput)
    #expect(try terminal.end() == 0)
  }
}
