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

      Environment: BURIN_CLANG is the clang to compile with (else one on the PATH), BURIN_CACHE the \
      directory of compiled code (else burin in XDG_CACHE_HOME or ~/.cache), TMPDIR that of temporary \
      files; OMP_NUM_THREADS the threads of a verb that is not told.
      """,
    version: "0.1.0",
    subcommands: [
      Compile.self, Run.self, Generate.self, Score.self, Embed.self, Classify.self, Tag.self,
      AnswerVerb.self, Transcribe.self, Forecast.self,
      Tokenize.self, Inspect.self, Bench.self, Diff.self, Doctor.self,
    ])
}

/// The process: from arguments to exit status.
@main
enum Main {
  static func main() {
    Standard.fillPlaces()
    Interruption.watch()
    // A file that may not grow further is an error of the write, like a full disk; so is a reader that
    // has gone, which must not keep temporary files from being removed.
    signal(SIGXFSZ, SIG_IGN)
    signal(SIGPIPE, SIG_IGN)
    exit(status(of: Array(CommandLine.arguments.dropFirst())))
  }

  /// Runs a command line and gives its exit status.
  private static func status(of arguments: [String]) -> Int32 {
    do {
      var command = try BurinCommand.parseAsRoot(joiningTerminators(arguments))
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
    Standard.error("burin: " + shortened(line(words.joined(separator: " "))))
    return 64
  }

  /// Flags of any verb; every other long option takes a value.
  private static let flags: Set<String> = [
    "--help", "--version", "--json", "--ignore-eos", "--no-special-tokens", "--ir", "--c",
    "--memory", "--fusion", "--profile", "--clear-cache", "--timestamps", "--chat", "--plot",
    "--tune",
  ]

  /// The value after an option is taken as it stands, even if it is `--`, which ArgumentParser takes
  /// for the end of the options wherever it stands.
  static func joiningTerminators(_ arguments: [String]) -> [String] {
    var result: [String] = []
    var place = 0
    while place < arguments.count, arguments[place] != "--" {
      let argument = arguments[place]
      place += 1
      let takesValue =
        argument == "-o"
        || (argument.hasPrefix("--") && !argument.contains("=") && !flags.contains(argument))
      guard takesValue, place < arguments.count else {
        result.append(argument)
        continue
      }
      if arguments[place] == "--" {
        result.append((argument == "-o" ? "--output" : argument) + "=--")
      } else {
        result += [argument, arguments[place]]
      }
      place += 1
    }
    return result + arguments[place...]
  }
}
