/// Why a task on text could not be done.
public struct TaskError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What kind of fault it is; the command line turns it into an exit status.
  public enum Kind: Hashable, Sendable {
    /// The library has no such task, or the text cannot be taken (65).
    case badInput
    /// An option's value is impossible (64).
    case badOption
  }

  /// Which kind of fault this is.
  public var kind: Kind
  /// One line: what was expected and what was found.
  public var description: String

  /// An error of this kind.
  public init(_ kind: Kind, _ description: String) {
    self.kind = kind
    self.description = description
  }

  /// An error about the input.
  public init(_ description: String) { self.init(.badInput, description) }
}
