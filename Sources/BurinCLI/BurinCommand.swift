import ArgumentParser
import Glibc

/// The command `burin`.
struct BurinCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "burin", abstract: "Compiles Transformers into shared libraries, and runs them.",
    discussion: """
      Results go to standard output, everything else to standard error. Exit status: 0 success, \
      1 a failed comparison, 64 wrong usage, 65 bad input, 69 a tool is missing, 70 a fault of \
      burin's own, 74 cannot read or write, 130 interrupted.
      """,
    subcommands: [
      Compile.self, Run.self, Generate.self, Embed.self, Classify.self, Tag.self, AnswerVerb.self,
      Tokenize.self, Inspect.self, Bench.self, Diff.self, Doctor.self,
    ])
}

/// The process: from arguments to exit status.
@main
enum Main {
  static func main() {
    Interruption.watch()
    exit(status(of: Array(CommandLine.arguments.dropFirst())))
  }

  /// Runs a command line and gives its exit status.
  private static func status(of arguments: [String]) -> Int32 {
    do {
      var command = try BurinCommand.parseAsRoot(arguments)
      try command.run()
      return 0
    } catch {
      return report(error)
    }
  }

  /// Says on standard error what went wrong, in one line; help that was asked for is a result.
  private static func report(_ error: any Error) -> Int32 {
    if let failure = Failure(error) {
      if !failure.message.isEmpty { Standard.error("burin: " + failure.message) }
      return failure.status
    }
    let code = BurinCommand.exitCode(for: error)
    guard code != .success else {
      do { try Standard.output(BurinCommand.fullMessage(for: error) + "\n") } catch {
        return report(error)
      }
      return 0
    }
    let words = BurinCommand.message(for: error).split(whereSeparator: \.isNewline)
      .map { $0.trimming(while: \.isWhitespace) }.filter { !$0.isEmpty }
    Standard.error("burin: " + words.joined(separator: " ") + " (burin help)")
    return 64
  }
}

extension Substring {
  /// Without characters at the beginning.
  fileprivate func trimming(while isUnwanted: (Character) -> Bool) -> Substring {
    drop(while: isUnwanted)
  }
}
