import BurinIR

/// The passes that a compilation runs, in order.
public struct Pipeline: Sendable {
  /// What runs, first to last.
  public var passes: [Pass]

  /// A pipeline of these passes.
  public init(_ passes: [Pass]) { self.passes = passes }

  /// What a compilation may choose.
  public struct Options: Sendable {
    /// In what products multiply.
    public var precision: Precision
    /// In what caches keep keys and values.
    public var cacheType: CacheType
    /// Whether the target multiplies pairs of bf16 faster than f32.
    public var multipliesPairs: Bool
    /// Names of passes that are left out.
    public var disabled: Set<String>
    /// Schedules that were chosen by measuring.
    public var schedules: Schedules

    /// Options; what is left out is f32 with every pass.
    public init(
      precision: Precision = .f32, cacheType: CacheType = .f32,
      multipliesPairs: Bool = false, disabled: Set<String> = [], schedules: Schedules = Schedules()
    ) {
      self.precision = precision
      self.cacheType = cacheType
      self.multipliesPairs = multipliesPairs
      self.disabled = disabled
      self.schedules = schedules
    }
  }

  /// The order, and why it is that one.
  ///
  /// - Constants come first: every later rule reads one form of a factor.
  /// - Activations, before products absorb what they are made of.
  /// - Attention, before products take the scales that belong to its scores, and before transposes
  ///   are folded: it leaves some that cancel then.
  /// - Transposes, before products: one between a product and its bias keeps them apart.
  /// - Products before norms, since a residual belongs to the product, which has it at hand.
  /// - Projections merge once they have their biases.
  /// - The precision is lowered when it is settled which products there are, and that of caches when
  ///   attention has been found; what is rounded for the next product is then rounded by the last one.
  /// - What the files store in a narrow type stays so where nothing rounds it to another one.
  /// - Weights are packed when it is settled which there are, and of which type.
  /// - Schedules come last, for what is there then.
  public static func standard(_ options: Options) -> Pipeline {
    let lowering: [Pass] =
      options.precision == .f32
      ? []
      : [
        .lowerPrecision(to: options.precision, roundsActivations: options.multipliesPairs),
        .fuseCasts,
      ]
    let all: [Pass] =
      [
        .foldConstants,
        .fuseActivations,
        .fuseAttention,
        .foldTransposes,
        .fuseLinear,
        .fuseNormalization,
        .fuseProjections,
      ] + lowering + (options.cacheType == .f32 ? [] : [.lowerCaches(to: options.cacheType)]) + [
        .keepNarrowWeights,
        .packWeights,
        .tileMatmuls(schedules: options.schedules),
      ]
    return Pipeline(all.filter { !options.disabled.contains($0.name) })
  }

  /// The program after all passes; every one is verified.
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
      do throws(IRError) {
        try verify(program)
      } catch {
        throw PassFailure(
          pass: pass.name, reason: error.description, before: before, after: program)
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
  /// What is wrong with what it gave, or why it stopped, in one line.
  public let reason: String
  /// The program as the pass got it.
  public let before: Program
  /// The program as it left it, if it got that far.
  public let after: Program?

  /// One line: the pass and the reason.
  public var description: String { "the pass \(pass) broke the program: \(reason)" }

  /// The program before and after as the IR's text.
  public var dump: String {
    var text = "before \(pass):\n\n\(before.text)"
    if let after { text += "\nafter \(pass):\n\n\(after.text)" }
    return text
  }
}
