import BurinC
import BurinHub
import BurinIR
import BurinPasses
import Glibc

/// Turns a program into a shared library.
///
/// The way of the data: the program runs through the passes; the code generator gives C and the
/// layout of the weights; clang gives an image; the library file is the image with the description
/// and the weights, written strip by strip, behind it.
public struct Compiler: Sendable {
  /// What a compilation may choose.
  public struct Options: Sendable {
    /// The instructions that the code may use.
    public var target: Target
    /// Levels of fewer instructions, from the least to the most, whose code stands in the same
    /// library, for machines that lack those of `target`.
    public var lowerLevels: [Target]
    /// In what products multiply.
    public var precision: Precision
    /// In what the caches of a decoder keep keys and values.
    public var cacheType: CacheType
    /// Whether the weights are in the library's file or beside it.
    public var weights: LibraryFile.Placement
    /// Passes that are left out, by name.
    public var disabledPasses: Set<String>
    /// A directory to write the IR after every pass, the C and its build line to: without other C, which
    /// the build line would take too.
    public var emit: String?
    /// How many compilers may run side by side; `nil` for one a core.
    public var jobs: Int?
    /// Schedules that were chosen for some kernels; the others have those of the cost model.
    public var schedules: Schedules
    /// Whether schedules are measured on this machine, and the best ones chosen besides.
    public var tunes: Bool

    /// Options; what is left out is this machine's target, f32, and one file.
    public init(
      target: Target = .native, lowerLevels: [Target] = [], precision: Precision = .f32,
      cacheType: CacheType = .f32,
      weights: LibraryFile.Placement = .embedded, disabledPasses: Set<String> = [],
      emit: String? = nil, jobs: Int? = nil, schedules: Schedules = Schedules(),
      tunes: Bool = false
    ) {
      self.target = target
      self.lowerLevels = lowerLevels
      self.precision = precision
      self.cacheType = cacheType
      self.weights = weights
      self.disabledPasses = disabledPasses
      self.emit = emit
      self.jobs = jobs
      self.schedules = schedules
      self.tunes = tunes
    }
  }

  /// How far a compilation is.
  public enum Progress: Sendable {
    /// The passes begin.
    case passes
    /// Kernels whose schedules are measured, of all.
    case tuning(Int, of: Int)
    /// What came of that.
    case tuned(Tuning)
    /// The C is being written.
    case code
    /// clang compiles it.
    case clang
    /// Bytes of weights written, of all.
    case weights(Int, of: Int)
    /// What rounding took off weights and large tables: the root mean square of the error, over that
    /// of the weights.
    case rounded(Double)
  }

  /// What this compilation chooses.
  public var options: Options
  /// The clang to compile with; our own tests choose it.
  var toolchain: Toolchain?

  /// A compiler; nothing is looked for before it compiles.
  public init(options: Options = Options()) { self.options = options }

  /// What a program becomes before clang sees it.
  public struct Lowered: Sendable {
    /// The program as given, and after each pass, by the pass's name.
    public var stages: [(pass: String?, program: Program)] = []
    /// What the rules did and nearly did.
    public var notes: [Note] = []
    /// The C, and the layout of the weights that it reads.
    public var module: Module

    /// The program after the last pass.
    public var program: Program { stages.last?.program ?? Program("", entries: []) }
  }

  /// Runs the passes and the code generator.
  ///
  /// - Parameter isTimed: whether entries time their kernels.
  /// - Throws: `IRError` for a program that was wrong from the start, `PassFailure` and
  ///   `IRError` for our own faults.
  public func lower(_ program: Program, isTimed: Bool = false) throws -> Lowered {
    try lower(program, for: options.target, isTimed: isTimed)
  }

  private func lower(
    _ program: Program, for target: Target, isTimed: Bool = false
  ) throws -> Lowered {
    try verify(program)
    var stages: [(pass: String?, program: Program)] = []
    var notes: [Note] = []
    let pipeline = Pipeline.standard(
      .init(
        precision: options.precision,
        cacheType: options.cacheType, multipliesPairs: target.features.contains("avx512bf16"),
        disabled: options.disabledPasses, schedules: options.schedules))
    let final = try pipeline(program) { pass, program, added in
      stages.append((pass?.name, program))
      notes += added
    }
    let banner = Banner(
      passes: pipeline.passes.map(\.name),
      build: Toolchain.buildLine(target: target, output: "model.so"), target: target.name)
    return Lowered(
      stages: stages, notes: notes,
      module: try ModuleWriter.write(final, banner: banner, isTimed: isTimed))
  }

  /// Compiles a model into the library file at `path`.
  ///
  /// The file appears whole or not at all, and with it a header for C beside it.
  ///
  /// - Parameter progress: is told how far it is, on the calling thread.
  /// - Throws: `HubError` for weights that cannot be read and files that cannot be written,
  ///   `ToolError` for a clang that is missing or fails, `IRError` for a program that is wrong.
  public func compile(
    _ spec: ModelSpec, to path: String, progress: (Progress) -> Void = { _ in }
  ) throws {
    // Where nothing can be written, nothing is built.
    _ = try AtomicFile(path: path)
    try LibraryFile.keepOthers(besides: path, placement: options.weights)
    let emission = try options.emit.map(EmittedDirectory.init)
    progress(.passes)
    if options.tunes {
      var tuned = self
      tuned.options.tunes = false
      tuned.options.schedules = try schedules(of: spec, progress: progress)
      return try tuned.compile(spec, to: path, progress: progress)
    }
    let lowered = try lower(spec.program)
    progress(.code)
    let below = try options.lowerLevels.map { try lower(spec.program, for: $0) }
    try emission?.write(lowered, besides: path)
    let toolchain = try chosenToolchain()
    progress(.clang)
    let image = try image(of: lowered, below: below, with: toolchain)
    let layout = lowered.module.weights
    var description = spec.description
    description.program = spec.program.text
    description.precision = options.precision
    description.cacheType = options.cacheType
    description.schedules = options.schedules
    let header = try headerFile(of: lowered, for: path)
    try LibraryFile.write(
      to: path, image: image, target: options.lowerLevels.first ?? options.target,
      description: description.json.utf8, weightsSize: layout.bytes,
      placement: options.weights, companions: [header]
    ) { write in
      let writer = WeightWriter(layout, source: spec.weights)
      try writer.run(write) { done in
        progress(.weights(done, of: layout.bytes))
      }
      description.weightError = writer.loss.relative
    }
    if let error = description.weightError { progress(.rounded(error)) }
  }

  private func chosenToolchain() throws -> Toolchain {
    var toolchain = try toolchain ?? Toolchain.find()
    if let jobs = options.jobs { toolchain.jobs = jobs }
    return toolchain
  }

  /// Measures which schedules are best here.
  ///
  /// - Throws: `ToolError` if this machine cannot run the code.
  private func schedules(
    of spec: ModelSpec, progress: (Progress) -> Void
  ) throws -> Schedules {
    try Tuner.check(options.target, lower: options.lowerLevels)
    let tuner = Tuner(
      toolchain: try chosenToolchain(), target: options.target, weights: spec.weights)
    let tuning = try tuner(try lower(spec.program).program) { progress(.tuning($0, of: $1)) }
    progress(.tuned(tuning))
    return Schedules(options.schedules.chosen.merging(tuning.schedules.chosen) { $1 })
  }

  /// The compiled code of all levels.
  private func image(
    of lowered: Lowered, below: [Lowered], with toolchain: Toolchain
  ) throws -> [UInt8] {
    let source = Array(lowered.module.source.utf8)
    guard !below.isEmpty else {
      return try toolchain.build([Toolchain.Source("model.c", source)], target: options.target)
    }
    // All of them read the same bytes of the file.
    guard below.allSatisfy({ $0.module.weights.lies(like: lowered.module.weights) }) else {
      throw ToolError(
        .badTarget,
        "target portable: its levels pack the weights of \(options.precision.rawValue) in different "
          + "ways; choose one target")
    }
    let levels = zip(options.lowerLevels + [options.target], below + [lowered]).enumerated()
    var sources = levels.map { number, level in
      Toolchain.Source(
        "model-\(level.0.name).c", Array(level.1.module.source.utf8),
        flags: level.0.flags
          + ["-UBURIN_LEVELS", "-Dburin_program=" + LevelsWriter.program(number)])
    }
    let choice = LevelsWriter.source(levels.map(\.element.0.features))
    sources.append(Toolchain.Source("levels.c", Array(choice.utf8)))
    return try toolchain.build(
      sources, target: options.lowerLevels[0], flags: ["-DBURIN_LEVELS"])
  }

  /// Compiles a program whose weights are in memory into the library file at `path`.
  ///
  /// - Throws: as `compile(_:to:progress:)`.
  public func compile(
    _ program: Program, weights: any WeightSource = WeightTable(), to path: String
  ) throws {
    try compile(ModelSpec(program: program, weights: weights), to: path)
  }

  /// The header beside a library, written but not there yet.
  private func headerFile(of lowered: Lowered, for library: String) throws -> AtomicFile {
    let path = LibraryFile.headerPath(of: library)
    let file = try AtomicFile(path: path)
    let name = path.split(separator: "/").last.map { String($0.dropLast(2)) } ?? ""
    try file.write(Array(lowered.module.header(stem: name).utf8))
    return file
  }
}
