import BurinIR

/// A step of the compiler: a name and a function from programs to programs that compute the same.
public struct Pass: Sendable {
  /// A verb phrase, as the command line spells it: `fuse-attention`.
  public let name: String
  private let body: @Sendable (Program, inout [Note]) throws(IRError) -> Program

  /// A pass that is any function.
  public init(_ name: String, _ body: @escaping @Sendable (Program) throws(IRError) -> Program) {
    self.name = name
    self.body = { (program, _) throws(IRError) in try body(program) }
  }

  /// A pass that is any function, and notes what it nearly did.
  init(
    _ name: String,
    noting body: @escaping @Sendable (Program, inout [Note]) throws(IRError) -> Program
  ) {
    self.name = name
    self.body = body
  }

  /// A pass that applies rules to each entry until none fires; dead nodes fall away.
  public init(_ name: String, rules: [Rule]) {
    self.init(name) { _ in rules }
  }

  /// A pass whose rules depend on the program as a whole.
  public init(_ name: String, rules: @escaping @Sendable (Program) -> [Rule]) {
    self.name = name
    self.body = { (program, notes) throws(IRError) in
      var program = program
      var rewrite = Rewrite(pass: name, rules: rules(program))
      for index in program.entries.indices {
        program.entries[index] = try rewrite(program.entries[index])
      }
      notes += rewrite.notes
      return program
    }
  }

  /// The program after the pass.
  ///
  /// - Throws: `IRError` if a rule built something ill-typed, which is a fault of the rule.
  public func callAsFunction(_ program: Program) throws(IRError) -> Program {
    var notes: [Note] = []
    return try body(program, &notes)
  }

  /// The program after the pass; adds to `notes` what fired and what nearly did.
  public func callAsFunction(
    _ program: Program, notes: inout [Note]
  ) throws(IRError) -> Program {
    try body(program, &notes)
  }
}
