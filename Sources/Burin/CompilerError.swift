/// The compiler cannot go on, by a fault of its own.
public struct CompilerError: Error, CustomStringConvertible {
  /// One line: what happened.
  public let description: String

  init(_ description: String) { self.description = description }
}
