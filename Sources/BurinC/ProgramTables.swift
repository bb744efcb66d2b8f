import BurinIR

/// Writes what the library has to know of a program: `burin_program` and the tables behind it.
struct ProgramTables {
  private let name: String
  private let plan: MemoryPlan
  private let symbols: [Symbol]
  private let symbolValues: [Symbol: CExpression]

  init(_ name: String, _ plan: MemoryPlan, _ symbols: [Symbol]) {
    self.name = name
    self.plan = plan
    self.symbols = symbols
    symbolValues = Dictionary(
      uniqueKeysWithValues: symbols.enumerated().map { index, symbol in
        (symbol, CExpression.name("symbols")[.integer(index)])
      })
  }

  var items: [CItem] {
    var items: [CItem] = []
    for entry in plan.entries {
      let stem = entry.function.text
      items += [
        .blank,
        table(
          .tagged("burin_port"), "\(stem)_inputs",
          entry.inputs.map { port($0, isOptional: $0.fallback != nil) }),
        .blank,
        table(
          .tagged("burin_port"), "\(stem)_outputs",
          entry.outputs.map { port($0, isOptional: false) }),
        .blank, .function(extents(entry)),
      ]
      if !defaults(entry).isEmpty {
        items += [
          .blank, table(.tagged("burin_default"), "\(stem)_defaults", defaults(entry)),
        ]
      }
      if !entry.slots.isEmpty { items += [.blank, .function(slots(entry))] }
    }
    if !plan.plainStates.isEmpty {
      items += [
        .blank,
        table(
          .tagged("burin_state"), "states",
          plan.plainStates.map { .list([.string($0.name), isPerSequence($0)]) }),
        .blank, .function(stateBytes),
      ]
    }
    if !plan.caches.isEmpty {
      items += [
        .blank,
        table(
          .tagged("burin_cache"), "caches",
          plan.caches.map { .list([.integer($0.pageBytes), .integer($0.window ?? 0)]) }),
      ]
    }
    if !symbols.isEmpty {
      items += [
        .blank,
        table(
          .tagged("burin_symbol"), "program_symbols",
          symbols.map { .list([.string($0.name), .integer($0.maximum)]) }),
      ]
    }
    items += [
      .blank, table(.tagged("burin_entry"), "entries", plan.entries.map(publicEntry)),
      .blank, table(.tagged("burin_code"), "code", plan.entries.map(code)),
      .blank, .declaration(program),
    ]
    return items
  }

  private func table(_ type: CType, _ name: String, _ rows: [CExpression]) -> CItem {
    .declaration(
      CDeclaration(
        storage: .static, type: .array(type.const, nil), name: CIdentifier(cleaning: name),
        value: .list(rows.isEmpty ? [.list([0])] : rows)))
  }

  private func port(_ port: EntryPlan.Port, isOptional: Bool) -> CExpression {
    let extents = port.type.shape.map { dim -> CExpression in
      if let size = dim.constant { return .list(["BURIN_FIXED", .integer(size)]) }
      if let symbol = dim.symbol, let index = symbols.firstIndex(of: symbol) {
        return .list([.integer(index), .integer(symbol.maximum)])
      }
      return .list(["BURIN_COMPUTED", .integer(dim.maximum)])
    }
    return .list([
      .string(port.name), port.type.element.portType, .integer(port.type.rank),
      .list(extents.isEmpty ? [.list([0, 0])] : extents), isOptional ? 1 : 0,
      .integer(port.bounds.lowerBound), .integer(port.bounds.upperBound),
    ])
  }

  /// Which symbols an absent input gives the values of others.
  private func defaults(_ entry: EntryPlan) -> [CExpression] {
    entry.inputs.enumerated().flatMap { input, port in
      port.defaults.map { symbol, other in
        .list([.integer(input), index(of: symbol), index(of: other)])
      }
    }
  }

  private func extents(_ entry: EntryPlan) -> CFunction {
    let dims = (entry.inputs + entry.outputs).flatMap(\.type.shape)
    return CFunction(
      CIdentifier(cleaning: entry.function.text + "_extents"),
      [CParameter(CType.int64.const.pointer, "symbols"), CParameter(.int64.pointer, "extents")]
    ) {
      unused(dims)
      for (index, dim) in dims.enumerated() {
        CExpression.name("extents")[.integer(index)].assign(dim.cExpression(symbolValues))
      }
    }
  }

  private func slots(_ entry: EntryPlan) -> CFunction {
    CFunction(
      comments: ["Bytes of each slot: the most that its buffers need."],
      CIdentifier(cleaning: entry.function.text + "_slots"),
      [CParameter(CType.int64.const.pointer, "symbols"), CParameter(.int64.pointer, "bytes")]
    ) {
      unused(entry.slots.flatMap { $0 })
      for (index, sizes) in entry.slots.enumerated() {
        let slot = CExpression.name("bytes")[.integer(index)]
        slot.assign(sizes[0].cExpression(symbolValues))
        for size in sizes.dropFirst() {
          let bytes = size.cExpression(symbolValues)
          If(slot < bytes) { slot.assign(bytes) }
        }
      }
    }
  }

  private var stateBytes: CFunction {
    CFunction(
      "state_bytes",
      [CParameter(CType.int64.const.pointer, "symbols"), CParameter(.int64.pointer, "bytes")]
    ) {
      unused(plan.plainStates.map(\.type.bytes))
      for (index, state) in plan.plainStates.enumerated() {
        CExpression.name("bytes")[.integer(index)].assign(
          state.type.bytes.cExpression(symbolValues))
      }
    }
  }

  /// Keeps the compiler quiet where no extent depends on a symbol.
  private func unused(_ dims: [Dim]) -> [CStatement] {
    dims.contains { !$0.symbols.isEmpty }
      ? [] : [.expression(.cast(.void, "symbols"))]
  }

  /// Whether a fork copies a sequence's part of the state: not where its size changes from call to
  /// call, and not what an encoder leaves behind, which all sequences of a batch keep.
  private func isPerSequence(_ state: MemoryPlan.State) -> CExpression {
    state.isContinued && state.type.shape.first?.symbol?.name == batch?.name
      && state.type.shape.dropFirst().allSatisfy { $0.constant != nil } ? 1 : 0
  }

  /// The extents of the caches: how many sequences, and how long they get.
  private var batch: Symbol? { plan.states.first { $0.pages != nil }?.type.shape[0].symbol }
  private var context: Symbol? { plan.states.first { $0.pages != nil }?.type.shape[1].symbol }

  private func publicEntry(_ entry: EntryPlan) -> CExpression {
    let stem = entry.function.text
    return .list([
      .string(entry.name), .integer(entry.inputs.count), .integer(entry.outputs.count),
      .name(CIdentifier(cleaning: "\(stem)_inputs")),
      .name(CIdentifier(cleaning: "\(stem)_outputs")),
    ])
  }

  private func code(_ entry: EntryPlan) -> CExpression {
    let stem = entry.function.text
    return .list([
      .name(CIdentifier(cleaning: "\(stem)_extents")), .integer(entry.slots.count),
      entry.slots.isEmpty ? "NULL" : .name(CIdentifier(cleaning: "\(stem)_slots")),
      index(of: entry.appended?.symbol), .name(entry.function),
      .integer(defaults(entry).count),
      defaults(entry).isEmpty ? "NULL" : .name(CIdentifier(cleaning: "\(stem)_defaults")),
    ])
  }

  private func index(of symbol: Symbol?) -> CExpression {
    .integer(symbol.flatMap { symbols.firstIndex(of: $0) } ?? -1)
  }

  private var program: CDeclaration {
    let states = plan.plainStates
    let lengths = states.firstIndex { $0.name == plan.lengths } ?? -1
    return CDeclaration(
      type: CType.tagged("burin_program").const, name: "burin_program",
      value: .list([
        "BURIN_ABI", .string(name), .integer(symbols.count),
        symbols.isEmpty ? "NULL" : "program_symbols", .integer(plan.entries.count), "entries",
        "code", plan.weights.items.isEmpty ? 0 : .size(.named("weights_block")),
        .integer(states.count), states.isEmpty ? "NULL" : "states",
        states.isEmpty ? "NULL" : "state_bytes", .integer(plan.caches.count),
        plan.caches.isEmpty ? "NULL" : "caches", .integer(lengths), index(of: batch),
        index(of: context),
      ]))
  }
}
