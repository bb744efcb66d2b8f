import BurinHub

/// Why code could not be compiled: a tool is missing or failed.
public struct ToolError: Error, Sendable, CustomStringConvertible {
  /// What kind of fault it is; the command line turns it into an exit status.
  public enum Kind: Hashable, Sendable {
    /// There is no usable clang, or it hangs (69).
    case missing
    /// clang refused code that we wrote (70).
    case failed
    /// The name of a target is unknown (64).
    case badTarget
    /// A temporary file could not be written or read (74).
    case cannotWrite
  }

  /// Which kind of fault this is.
  public var kind: Kind
  /// One line: what happened.
  public var summary: String
  /// Everything that the tool said, as it said it; often empty.
  public var words: String
  /// The directory that keeps the tool's input, to try it again by hand.
  public var kept: String?

  init(_ kind: Kind, _ summary: String, words: String = "", kept: String? = nil) {
    self.kind = kind
    self.summary = summary
    self.words = words
    self.kept = kept
  }

  /// The summary, where the tool's input is kept, and on the lines after that its own words.
  public var description: String {
    var text = summary
    if let kept { text += "; its input is kept in \(printable(kept))" }
    if !words.isEmpty { text += "\n" + words }
    return text
  }
}

/// A name from outside, made fit for one line of a message.
func printable(_ text: String) -> String { printable(text.utf8, limit: 512) }
