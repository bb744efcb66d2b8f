/// The code generator met something that it has no code for.
public struct CodegenError: Error, CustomStringConvertible {
  public let description: String

  init(_ description: String) { self.description = description }
}
