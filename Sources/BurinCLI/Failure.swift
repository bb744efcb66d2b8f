import Burin
import BurinHub
import BurinIR
import BurinPasses

/// What the process says and how it exits: the one place where errors become exit statuses.
struct Failure: Error, CustomStringConvertible {
  /// 1, 64, 65, 69, 70, 74.
  var status: Int32
  /// One line, and after it a tool's own words; empty for nothing to say.
  var message: String

  /// The message: what ArgumentParser says of an error that it was given while it parsed.
  var description: String { message }

  init(_ status: Int32, _ message: String) {
    self.status = status
    self.message = message
  }

  /// Wrong usage.
  static func usage(_ message: String) -> Failure { Failure(64, message) }

  /// Input that cannot be taken.
  static func input(_ message: String) -> Failure { Failure(65, message) }

  /// What an error of any of our own types means; nil for others.
  init?(_ error: any Error) {
    switch error {
    case let failure as Failure:
      self = failure
    case let error as HubError:
      let status: Int32 =
        switch error.kind {
        case .badInput: 65
        case .missing: 69
        case .cannotRead, .cannotWrite: 74
        }
      self.init(status, line(error.description))
    case let error as TaskError:
      self.init(error.kind == .badOption ? 64 : 65, line(error.description))
    case let error as ModelError:
      let status: Int32 =
        switch error.kind {
        case .misuse: 64
        case .badInput, .badFile, .contextFull: 65
        case .noMemory: 70
        }
      self.init(status, line(error.description))
    case let error as ToolError:
      let status: Int32 =
        switch error.kind {
        case .missing: 69
        case .failed: 70
        case .badTarget: 64
        case .cannotWrite: 74
        }
      // The summary is one line; clang's own words follow it whole.
      self.init(status, error.description)
    case let error as TextError:
      self.init(65, line(error.description))
    case let error as IRError:
      self.init(65, line(error.description))
    case let error as InterpreterError:
      self.init(65, line(error.description))
    case let error as JSONError:
      self.init(65, line("\(error)"))
    case let error as PassFailure:
      // Our own fault: what the pass got and what it left are what helps to find it.
      self.init(70, line(error.description) + "\n" + error.dump)
    case let error as CompilerError:
      self.init(70, line(error.description))
    default:
      return nil
    }
  }
}

/// A message on one line, whatever a file's names are made of.
func line(_ text: String) -> String {
  var result = String.UnicodeScalarView()
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\n", "\r", "\u{85}", "\u{2028}", "\u{2029}": result.append(" ")
    default:
      let isControl = scalar.value < 32 || scalar.value == 127
      result.append(isControl ? "?" : scalar)
    }
  }
  return String(result)
}

/// A value from the command line in quotation marks, on one line and only as much of it as tells which.
func quoted(_ value: String) -> String { "\"\(printable(value.utf8))\"" }

/// A message of which no word is longer than 120 letters, and the whole no longer than 2,000.
func shortened(_ message: String) -> String {
  let words = message.split(separator: " ", omittingEmptySubsequences: false).map { word in
    // A quotation mark at the end stays there.
    word.count > 120 ? word.prefix(80) + "…" + word.suffix(1).filter(\.isPunctuation) : word
  }
  let text = words.joined(separator: " ")
  return text.count > 2000 ? text.prefix(1900) + "…" : text
}
