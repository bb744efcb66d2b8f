import BurinIR

/// What the code generator makes of a program: one C file, and the weights that it expects.
public struct Module: Sendable {
  /// `model.c`.
  public let source: String
  /// The packed weights, in the order in which they lie.
  public let weights: WeightLayout
  /// How much memory the entries need.
  public let memory: [MemoryReport]
  /// How much memory sequences need.
  public let caches: [CacheReport]
  private let name: String
  private let plan: MemoryPlan
  private let symbols: [Symbol]

  fileprivate init(_ program: Program, _ plan: MemoryPlan, source: String) {
    self.source = source
    self.plan = plan
    weights = plan.weights
    memory = plan.entries.map(MemoryReport.init)
    caches = plan.caches.enumerated().map { index, cache in
      CacheReport(
        cache,
        states: plan.states.compactMap { state in
          guard case .pages(_, index, _, _) = state.pages?.storage else { return nil }
          return state.type
        })
    }
    name = program.name
    symbols = program.symbols
  }

  /// The header that names the model's entries, inputs and outputs for programs in C.
  ///
  /// - Parameter stem: what the library's file is called, without its ending; all names begin with it.
  public func header(stem: String) -> String {
    var writer = HeaderWriter(name, plan, symbols, stem: stem)
    return writer.text()
  }

  /// What every header begins with, in bytes; no other file does.
  public static var headerMark: [UInt8] { Array(HeaderWriter.mark.utf8) }
}

/// What a file's banner says besides what follows from the program.
public struct Banner: Sendable {
  /// The names of the passes that ran, in order.
  public var passes: [String]
  /// The command that builds the file, without the compiler's path.
  public var build: String
  /// The instruction set, for people.
  public var target: String

  /// A banner that says this.
  public init(passes: [String], build: String, target: String) {
    self.passes = passes
    self.build = build
    self.target = target
  }
}

/// Writes the C of a program after all passes.
public struct ModuleWriter {
  private let program: Program
  private let plan: MemoryPlan
  private let banner: Banner
  private let symbols: [Symbol]
  private let constantNames: [CIdentifier]
  /// Identifiers that every function sees.
  private let names: CNames
  private let symbolNames: [Symbol: CExpression]
  fileprivate let laps: LapTable?

  /// Generates the module.
  ///
  /// - Parameter isTimed: whether entries time their kernels, for `burin_laps` to tell.
  /// - Throws: `IRError` for an operation without a kernel, or a state written while in use.
  public static func write(
    _ program: Program, banner: Banner, isTimed: Bool = false
  ) throws -> Module {
    let plan = try MemoryPlan(program)
    let writer = ModuleWriter(program, plan, banner, isTimed: isTimed)
    return Module(program, plan, source: CPrinter.print(CFile(items: writer.items)))
  }

  /// What a function of an entry says besides the names that come from the program.
  private static let reserved: [CIdentifier] = [
    "call", "w", "table_stride", "weights_block", "burin_call", "int64_t", "int32_t", "int8_t",
    "uint8_t", "uint16_t", "lap", "laps", "INLINE", "symbols", "extents", "bytes",
  ]

  private init(_ program: Program, _ plan: MemoryPlan, _ banner: Banner, isTimed: Bool) {
    self.program = program
    laps = isTimed ? LapTable(kernels: plan.kernels.rows.map(\.kernel.function.name)) : nil
    self.plan = plan
    self.banner = banner
    symbols = program.symbols
    var names = CNames(reserving: plan.kernels.rows.map(\.kernel.function.name) + Self.reserved)
    constantNames = plan.constants.map { names.make($0.name) }
    symbolNames = Dictionary(
      uniqueKeysWithValues: symbols.map { ($0, CExpression.name(names.make($0.name))) })
    self.names = names
  }

  private var items: [CItem] {
    var items: [CItem] = [
      .comment(bannerLines), .comment(["Build:"]), .command("  " + banner.build), .blank,
    ]
    items += includes
    if !plan.weights.items.isEmpty {
      items += [
        .blank, .comment(["The packed weights, as they lie in the library's file."]),
        weightStructure,
      ]
    }
    if !plan.constants.isEmpty { items += [.blank] + constants }
    for row in plan.kernels.rows {
      items.append(.blank)
      items += row.kernel.helpers.map { .function($0) }.flatMap { [$0, .blank] }
      var function = row.kernel.function
      function.comments.insert(row.note, at: 0)
      items.append(.function(function))
    }
    if let laps { items += laps.items }
    for entry in plan.entries {
      items.append(.blank)
      items.append(.function(EntryWriter(entry, writer: self).function))
    }
    return items + ProgramTables(program.name, plan, symbols, named: symbolNames).items
  }

  private var bannerLines: [String] {
    var lines = [
      // Features in words of their own, so that lines break between them.
      "\(program.name), compiled by Burin for "
        + banner.target.split(separator: "+").joined(separator: " +") + ".",
      "Passes: " + banner.passes.joined(separator: ", ") + ".",
    ]
    for entry in plan.entries {
      let inputs = entry.inputs.map { "\($0.name) \($0.type)" }.joined(separator: ", ")
      let outputs = entry.outputs.map { "\($0.name) \($0.type)" }.joined(separator: ", ")
      lines.append("\(entry.name): \(inputs) -> \(outputs).")
    }
    lines += symbols.map { "\($0.name) is 1 to \($0.maximum)." }
    return lines
  }

  private var includes: [CItem] {
    let timing = laps == nil ? [] : ["laps.h"]
    let headers = Set(plan.kernels.rows.flatMap(\.kernel.headers) + timing).sorted()
    return headers.compactMap(RuntimeHeader.line(named:)).map { .include($0, isSystem: false) }
      + [.include(CRawLine("program.h"), isSystem: false)]
  }

  private var weightStructure: CItem {
    .structure(
      "weights_block",
      plan.weights.items.map { item in
        let type = plan.weights.graph.tensorType(item.node)
        let count = (type.bytes.maximum + 63) / 64 * 64 / type.element.bytes
        return CParameter(
          .array(type.element.cType, .integer(count)), item.name, note: type.description)
      })
  }

  private var constants: [CItem] {
    zip(constantNames, plan.constants.map(\.literal)).map { name, literal in
      .declaration(
        CDeclaration(
          storage: .static,
          type: .array(literal.type.element.cType.const, .integer(literal.values.count)),
          name: name, value: .list(literal.values.map { literal.type.element.literal($0) })),
        note: literal.type.description)
    }
  }

  /// The pointer to a location's first element.
  fileprivate func pointer(
    _ location: Location, _ bases: [Location.Base: CExpression]
  ) -> CExpression {
    let base: CExpression
    switch location.base {
    case .weight(let index): base = CExpression.name("w").arrow(plan.weights.items[index].name)
    case .constant(let index): base = .name(constantNames[index])
    default: base = bases[location.base] ?? .name("missing")
    }
    return base + location.offset.cExpression(symbolNames)
  }

  fileprivate var sharedNames: CNames { names }
  fileprivate var orderedSymbols: [(symbol: Symbol, name: CExpression)] {
    symbols.map { ($0, symbolNames[$0] ?? 0) }
  }
  fileprivate func expression(_ dim: Dim) -> CExpression { dim.cExpression(symbolNames) }
  fileprivate var hasWeights: Bool { !plan.weights.items.isEmpty }
  fileprivate var plainStates: [MemoryPlan.State] { plan.plainStates }
  fileprivate func window(of cache: Int) -> Int? { plan.caches[cache].window }
}

/// Writes the function of one entry, which reads as the model's pseudo-code.
private struct EntryWriter {
  private let entry: EntryPlan
  private let writer: ModuleWriter
  private var bases: [Location.Base: CExpression] = [:]
  private var declarations: [CStatement] = []
  private var names: CNames
  /// Memory and tables of the caches, by index.
  private var caches: [Int: (pool: CExpression, table: CExpression)] = [:]

  init(_ entry: EntryPlan, writer: ModuleWriter) {
    self.entry = entry
    self.writer = writer
    names = writer.sharedNames
    declareSymbols()
    declareBuffers()
    declareInputs()
    declareOutputs()
    declareStates()
  }

  var function: CFunction {
    CFunction(
      comments: ["\(entry.name): everything that runs, in order; kernels share out their work."],
      entry.function,
      [CParameter(CType.tagged("burin_call").const.pointer, "call")]
    ) {
      declarations
      Blank()
      Pragma("omp parallel")
      Block { calls }
    }
  }

  /// The calls of the kernels, a group for each part of the model.
  private var calls: [CStatement] {
    var statements = writer.laps?.begin ?? []
    var scope: String?
    for step in entry.steps {
      if step.scope != scope {
        if scope != nil { statements.append(.blank) }
        if !step.scope.isEmpty { statements.append(.comment(step.scope)) }
        scope = step.scope
      }
      statements.append(.expression(call(step)))
      statements += writer.laps?.end(of: step.kernel) ?? []
    }
    return statements
  }

  private func call(_ step: Step) -> CExpression {
    .call(
      .name(step.kernel.function.name),
      step.kernel.arguments.map { argument in
        switch argument {
        case .size(let dim): return writer.expression(dim)
        case .operand(let index): return writer.pointer(step.operands[index], bases)
        case .result(let index): return writer.pointer(step.results[index], bases)
        case .workspace: return step.workspace.flatMap { bases[.buffer($0)] } ?? 0
        case .pool: return caches[step.cache ?? 0]?.pool ?? 0
        case .table: return caches[step.cache ?? 0]?.table ?? 0
        case .tableStride: return "table_stride"
        }
      })
  }

  private mutating func declare(_ type: CType, _ text: String, _ value: CExpression, note: String)
    -> CExpression
  {
    let name = CExpression.name(names.make(text))
    let declaration = Declare(type, name, value)
    declarations += note.isEmpty ? declaration.statements : declaration.note(note)
    return name
  }

  private mutating func declareSymbols() {
    let used = Set(
      entry.steps.flatMap { step in
        step.kernel.arguments.flatMap { argument in
          if case .size(let dim) = argument { dim.symbols } else { [Symbol]() }
        } + (step.operands + step.results).flatMap(\.offset.symbols)
      })
    for (index, symbol) in writer.orderedSymbols.enumerated() where used.contains(symbol.symbol) {
      declarations +=
        Declare(
          .int64.const, symbol.name, CExpression.name("call").arrow("symbols")[.integer(index)]
        ).statements
    }
    if writer.hasWeights {
      let block = CType.named("weights_block").const.pointer
      declarations +=
        Declare(block, "w", CExpression.name("call").arrow("weights").cast(to: block)).statements
    }
  }

  /// One variable for all buffers of the same kind, type and slot, so that layers share names.
  private mutating func declareBuffers() {
    if !entry.buffers.isEmpty { group("Memory for values, reused as soon as one is dead.") }
    var known: [String: CExpression] = [:]
    for (index, buffer) in entry.buffers.enumerated() {
      let type: CType = buffer.isScratch ? .char : buffer.type.element.cType
      let note = buffer.isScratch ? "what a kernel needs for itself" : "\(buffer.type)"
      let key = "\(buffer.noun) \(note) \(buffer.slot)"
      let slot = CExpression.name("call").arrow("slots")[.integer(buffer.slot)]
      let value = buffer.isScratch ? slot : slot.cast(to: type.pointer)
      let name = known[key] ?? declare(type.pointer, buffer.noun, value, note: note)
      known[key] = name
      bases[.buffer(index)] = name
    }
  }

  private mutating func declareInputs() {
    if !entry.inputs.isEmpty { group("What the caller gives, or what stands for it.") }
    for (index, input) in entry.inputs.enumerated() {
      let given = CExpression.name("call").arrow("inputs")[.integer(index)]
      let value =
        input.fallback.map { fallback in
          given.then(given, else: writer.pointer(fallback, bases))
        } ?? given
      bases[.input(index)] = declare(
        input.type.element.cType.const.pointer, input.name, value, note: input.type.description)
    }
  }

  private mutating func declareOutputs() {
    group("What the caller gets.")
    for (index, output) in entry.outputs.enumerated() {
      bases[.output(index)] = declare(
        output.type.element.cType.pointer, output.name,
        CExpression.name("call").arrow("outputs")[.integer(index)], note: output.type.description)
    }
  }

  private mutating func declareStates() {
    let locations = entry.steps.flatMap { $0.operands + $0.results }
    let call = CExpression.name("call")
    if locations.contains(where: \.isState) { group("What is remembered from call to call.") }
    for (index, state) in writer.plainStates.enumerated()
    where locations.contains(where: { $0.base == .state(index) }) {
      bases[.state(index)] = declare(
        state.type.element.cType.pointer, state.name, call.arrow("states")[.integer(index)],
        note: state.type.description)
    }
    let used = Set(entry.steps.compactMap(\.cache)).sorted()
    for cache in used {
      let window = writer.window(of: cache)
      let words = window.map { "window\($0)_" } ?? ""
      let index = CExpression.integer(cache)
      caches[cache] = (
        declare(
          .char.pointer, words + "pool", call.arrow("pools")[index],
          note: window.map { "pages of the last \($0) positions" } ?? "pages of all positions"),
        declare(.int32.const.pointer, words + "table", call.arrow("tables")[index], note: "")
      )
    }
    if !used.isEmpty {
      declarations +=
        Declare(.int64.const, "table_stride", call.arrow("table_stride")).statements
    }
  }

  private mutating func group(_ comment: String) {
    if !declarations.isEmpty { declarations.append(.blank) }
    declarations.append(.comment(comment))
  }
}

extension Step {
  /// The cache whose pages it works on.
  fileprivate var cache: Int? {
    for location in operands + results {
      if case .pages(let cache) = location.base { return cache }
    }
    return nil
  }
}

extension Location {
  /// Whether it lies in memory that outlives the call.
  fileprivate var isState: Bool {
    switch base {
    case .state, .pages: true
    case .input, .output, .weight, .constant, .buffer: false
    }
  }
}
