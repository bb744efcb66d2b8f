import BurinIR

/// Writes what the library has to know of a program: `burin_program` and the tables behind it.
struct ProgramTables {
  private let name: String
  private let plan: MemoryPlan
  private let symbols: [Symbol]
  /// What each symbol's value is called.
  private let symbolNames: [Symbol: CExpression]

  init(
    _ name: String, _ plan: MemoryPlan, _ symbols: [Symbol],
    named symbolNames: [Symbol: CExpression]
  ) {
    self.name = name
    self.plan = plan
    self.symbols = symbols
    self.symbolNames = symbolNames
  }

  var items: [CItem] {
    var items: [CItem] = []
    for entry in plan.entries {
      let stem = entry.function.text
      items += [
        .blank,
        table(
          .tagged("burin_port"), "\(stem)_inputs",
          entry.inputs.map { port($0, isOptional: $0.fallback != nil) },
          note:
            "\(entry.name), inputs: name, type, rank, extents (which symbol, at most), whether it "
            + "may be left out, least and greatest value."),
        .blank,
        table(
          .tagged("burin_port"), "\(stem)_outputs",
          entry.outputs.map { port($0, isOptional: false) }, note: "\(entry.name), outputs."),
        .blank, .function(extents(entry)),
      ]
      if !defaults(entry).isEmpty {
        items += [
          .blank,
          table(
            .tagged("burin_default"), "\(stem)_defaults", defaults(entry),
            note: "Where this input is left out, its symbol has the value of another one."),
        ]
      }
      if !entry.slots.isEmpty { items += [.blank, .function(slots(entry))] }
    }
    if !plan.plainStates.isEmpty {
      items += [
        .blank,
        table(
          .tagged("burin_state"), "states",
          plan.plainStates.map { .list([.string($0.name), isPerSequence($0)]) },
          note:
            "What is remembered: name, and whether each sequence of a batch has a part of its own."),
        .blank, .function(stateBytes),
      ]
    }
    if !plan.caches.isEmpty {
      items += [
        .blank,
        table(
          .tagged("burin_cache"), "caches",
          plan.caches.map { .list([.integer($0.pageBytes), .integer($0.window ?? 0)]) },
          note: "Pages: bytes of each, and how many positions are looked back at (0: all)."),
      ]
    }
    if !symbols.isEmpty {
      items += [
        .blank,
        table(
          .tagged("burin_symbol"), "program_symbols",
          symbols.map { .list([.string($0.name), .integer($0.maximum)]) },
          note: "What changes from call to call, and its maximum."),
      ]
    }
    items += [
      .blank, table(.tagged("burin_entry"), "entries", plan.entries.map(publicEntry)),
      .blank, table(.tagged("burin_code"), "code", plan.entries.map(code)),
      .blank, .declaration(program),
    ]
    return items
  }

  private func table(
    _ type: CType, _ name: String, _ rows: [CExpression], note: String = ""
  ) -> CItem {
    .declaration(
      CDeclaration(
        storage: .static, type: .array(type.const, nil), name: CIdentifier(cleaning: name),
        value: .rows(rows.isEmpty ? [.list([0])] : rows, note: note)))
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
      bound(port.bounds.lowerBound), bound(port.bounds.upperBound),
    ])
  }

  /// The least or greatest value of an input, by its name where it has one.
  private func bound(_ value: Int) -> CExpression {
    switch value {
    case Int(Int32.min): "INT32_MIN"
    case Int(Int32.max): "INT32_MAX"
    default: .integer(value)
    }
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
    let ports = entry.inputs + entry.outputs
    return sizes(
      "\(entry.function)_extents", of: ports.flatMap(\.type.shape), into: "extents",
      comment: "The extents of all inputs, then of all outputs."
    ) {
      for (index, port) in ports.enumerated() {
        let start = ports[..<index].reduce(0) { $0 + $1.type.rank }
        Comment(port.name)
        for (axis, dim) in port.type.shape.enumerated() {
          CExpression.name("extents")[.integer(start + axis)].assign(dim.cExpression(symbolNames))
        }
      }
    }
  }

  private func slots(_ entry: EntryPlan) -> CFunction {
    sizes(
      "\(entry.function)_slots", of: entry.slots.flatMap { $0 }, into: "bytes",
      comment: "Bytes of each slot: the most that its buffers need."
    ) {
      for (index, sizes) in entry.slots.enumerated() {
        let slot = CExpression.name("bytes")[.integer(index)]
        slot.assign(sizes[0].cExpression(symbolNames))
        for size in sizes.dropFirst() {
          let bytes = size.cExpression(symbolNames)
          If(slot < bytes) { slot.assign(bytes) }
        }
      }
    }
  }

  private var stateBytes: CFunction {
    sizes(
      "state_bytes", of: plan.plainStates.map(\.type.bytes), into: "bytes",
      comment: "Bytes of what is remembered."
    ) {
      for (index, state) in plan.plainStates.enumerated() {
        CExpression.name("bytes")[.integer(index)].assign(
          state.type.bytes.cExpression(symbolNames))
      }
    }
  }

  /// A function that writes sizes for the values of the symbols.
  private func sizes(
    _ name: String, of dims: [Dim], into result: CIdentifier, comment: String,
    @CBlockBuilder body: () -> [CStatement]
  ) -> CFunction {
    let used = Set(dims.flatMap(\.symbols))
    return CFunction(
      comments: [comment], CIdentifier(cleaning: name),
      [CParameter(CType.int64.const.pointer, "symbols"), CParameter(.int64.pointer, result)]
    ) {
      // Keeps the compiler quiet where nothing depends on a symbol.
      if used.isEmpty { CExpression.cast(.void, "symbols") }
      for (index, symbol) in symbols.enumerated() where used.contains(symbol) {
        Declare(
          .int64.const, symbolNames[symbol] ?? 0, CExpression.name("symbols")[.integer(index)])
      }
      body()
    }
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
    .list([
      .field("name", .string(entry.name)), .field("input_count", .integer(entry.inputs.count)),
      .field("output_count", .integer(entry.outputs.count)),
      .field("inputs", .name(CIdentifier(cleaning: "\(entry.function)_inputs"))),
      .field("outputs", .name(CIdentifier(cleaning: "\(entry.function)_outputs"))),
    ])
  }

  private func code(_ entry: EntryPlan) -> CExpression {
    var fields: [CExpression] = [
      .field("extents", .name(CIdentifier(cleaning: "\(entry.function)_extents")))
    ]
    if !entry.slots.isEmpty {
      fields += [
        .field("slot_count", .integer(entry.slots.count)),
        .field("slots", .name(CIdentifier(cleaning: "\(entry.function)_slots"))),
      ]
    }
    fields += [
      .field("appended", index(of: entry.appended?.symbol)), .field("run", .name(entry.function)),
    ]
    if !defaults(entry).isEmpty {
      fields += [
        .field("default_count", .integer(defaults(entry).count)),
        .field("defaults", .name(CIdentifier(cleaning: "\(entry.function)_defaults"))),
      ]
    }
    return .list(fields)
  }

  private func index(of symbol: Symbol?) -> CExpression {
    .integer(symbol.flatMap { symbols.firstIndex(of: $0) } ?? -1)
  }

  private var program: CDeclaration {
    let states = plan.plainStates
    let lengths = states.firstIndex { $0.name == plan.lengths } ?? -1
    var fields: [CExpression] = [
      .field("abi", "BURIN_ABI"), .field("name", .string(name)),
      .field("symbol_count", .integer(symbols.count)),
      .field("symbols", symbols.isEmpty ? "NULL" : "program_symbols"),
      .field("entry_count", .integer(plan.entries.count)), .field("entries", "entries"),
      .field("code", "code"),
      .field("weights_bytes", plan.weights.items.isEmpty ? 0 : .size(.named("weights_block"))),
    ]
    if !states.isEmpty {
      fields += [
        .field("state_count", .integer(states.count)), .field("states", "states"),
        .field("state_bytes", "state_bytes"),
      ]
    }
    if !plan.caches.isEmpty {
      fields += [.field("cache_count", .integer(plan.caches.count)), .field("caches", "caches")]
    }
    // Which state and which symbols; -1 for none.
    fields += [
      .field("lengths", .integer(lengths)), .field("batch", index(of: batch)),
      .field("context", index(of: context)),
    ]
    return CDeclaration(
      type: CType.tagged("burin_program").const, name: "burin_program",
      value: .rows(fields, note: "What this library is: see program.h."))
  }
}
