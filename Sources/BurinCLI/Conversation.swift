import Burin
import BurinHub
import Glibc

/// A conversation at the terminal: each line is said to the model, and answered.
///
/// Ctrl-C ends an answer, which stays as far as it came; Ctrl-D ends the conversation. What belongs to
/// neither side goes to standard error, and only where a person types.
struct Conversation {
  var chat: Chat
  let choices: GenerationOptions

  mutating func run() throws {
    let isTyped = isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1
    Interruption.isConversing(isTyped)
    defer { Interruption.isConversing(false) }
    while true {
      if isTyped { Standard.prompt("> ") }
      guard let text = readLine() else { break }
      if text.isEmpty { continue }
      Interruption.beginAnswer()
      defer { Interruption.endAnswer() }
      _ = try chat.answer(to: text, choices) { piece in
        try Standard.output(piece)
        return !Interruption.wantsNoMore
      } isCancelled: {
        Interruption.wantsNoMore
      }
      try Standard.output("\n")
    }
    if isTyped { Standard.error("") }
  }
}
