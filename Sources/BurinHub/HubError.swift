/// Why a file could not be taken: which file, which key, what was expected and what was found.
///
/// `description` is always one line, whatever bytes the file's names are made of.
public struct HubError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What kind of fault it is; the command line turns it into an exit status.
  public enum Kind: Hashable, Sendable {
    /// The contents are wrong (65).
    case badInput
    /// The operating system would not read it (74).
    case cannotRead
    /// The operating system would not write it (74).
    case cannotWrite
    /// A library that reads such files is not on this machine (69).
    case missing
  }

  /// Which kind of fault this is.
  public var kind: Kind
  /// The file's path as the caller spelled it.
  public var file: String
  /// The key, tensor or place inside the file; empty when the whole file is meant.
  public var key: String
  /// What was expected there.
  public var expected: String
  /// What was found instead.
  public var found: String

  /// An error about a file's contents unless `kind` says otherwise.
  public init(
    _ kind: Kind = .badInput, file: String, key: String = "", expected: String, found: String
  ) {
    self.kind = kind
    self.file = file
    self.key = key
    self.expected = expected
    self.found = found
  }

  /// `FILE: KEY: expected WHAT, found WHAT`, on one line.
  public var description: String {
    // A path may hold a newline and still be a legal path; the message stays one line.
    let place = file.isEmpty ? "\"\"" : printable(file.utf8, limit: 4096)
    let inner = key.isEmpty ? "" : ": " + key
    return "\(place)\(inner): expected \(expected), found \(found)"
  }
}
