import BurinIR

/// The passes that a compilation runs, in order.
public struct Pipeline: Sendable {
  public var passes: [Pass]

  public init(_ passes: [Pass]) { self.passes = passes }

  /// What a compilation may choose.
  public struct Options: Sendable {
    /// For which instructions schedules are made.
    public var level: InstructionLevel
    /// Names of passes that are left out.
    public var disabled: Set<String>

    public init(level: InstructionLevel, disabled: Set<String> = []) {
      self.level = level
      self.disabled = disabled
    }
  }

  /// The order, and why it is that one:
  /// constants first, since every later rule reads one form of a factor; activations before products
  /// absorb the operations of which they are made; attention before transposes are folded, while
  /// heads are split and repeated as models write it; transposes before products, since one between
  /// a product and its bias would keep them apart; a residual belongs to a product rather than to a
  /// norm, and projections merge once they have their biases; weights are packed when it is settled
  /// which there are; schedules come last, for what is there then. A pass that lowers the precision
  /// belongs before `pack-weights`.
  public static func standard(_ options: Options) -> Pipeline {
    let all: [Pass] = [
      .foldConstants,
      .fuseActivations,
      .fuseAttention,
      .foldTransposes,
      .fuseLinear,
      .fuseNormalization,
      .fuseProjections,
      .packWeights,
      .tileMatmuls(for: options.level),
    ]
    return Pipeline(all.filter { !options.disabled.contains($0.name) })
  }

  /// The program after all passes.
  ///
  /// - Parameter observer: sees the program as given, with no pass, then after each pass, with what
  ///   the pass's rules did and nearly did.
  /// - Throws: `PassFailure` if a pass breaks the program; what the observer throws.
  public func callAsFunction(
    _ program: Program,
    observer: (_ pass: Pass?, _ program: Program, _ notes: [Note]) throws -> Void = { _, _, _ in }
  ) throws -> Program {
    try observer(nil, program, [])
    var program = program
    for pass in passes {
      var notes: [Note] = []
      let before = program
      do throws(IRError) {
        program = try pass(before, notes: &notes)
      } catch {
        throw PassFailure(pass: pass.name, reason: error.description, before: before, after: nil)
      }
      try observer(pass, program, notes)
    }
    return program
  }
}

/// A pass that broke a program: a fault of the compiler, not of the model.
public struct PassFailure: Error, CustomStringConvertible {
  /// The guilty pass.
  public let pass: String
  public let reason: String
  /// The program as the pass got it.
  public let before: Program
  /// The program as it left it, if it got that far.
  public let after: Program?

  public var description: String { "the pass \(pass) broke the program: \(reason)" }
}
