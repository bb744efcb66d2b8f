/// Checks all that a program promises: topological order and types, that outputs and successors
/// exist, that one name means one thing, and that every symbol has a value once the inputs do.
///
/// - Throws: `IRError` naming the entry and the node or name.
public func verify(_ program: Program) throws(IRError) {
  try requireUnique(program.entries.map(\.name), "two entries are named")
  var verifier = Verifier()
  for entry in program.entries { try verifier.collect(entry) }
  try requireFew(verifier.symbols.count, "symbols")
  try requireFew(verifier.states.count, "states")
  for entry in program.entries {
    do {
      try verifier.verify(entry)
    } catch { throw IRError("entry \(quoted(entry.name)): \(error.description)") }
  }
}

/// What one name must mean throughout a program.
private struct Verifier {
  var weights: [String: TensorType] = [:]
  var states: [String: TensorType] = [:]
  var symbols: [String: Int] = [:]

  mutating func collect(_ entry: Entry) throws(IRError) {
    for node in entry.graph.nodes {
      switch node.op {
      case .weight(let name, let type): try noteName(name, type, "weight", &weights)
      case .state(let name, let type): try noteName(name, type, "state", &states)
      default: break
      }
      for symbol in symbolsOf(node) { try note(symbol) }
    }
  }

  private mutating func note(_ symbol: Symbol) throws(IRError) {
    let isWord =
      !symbol.name.isEmpty && symbol.name.utf8.count <= 64
      && symbol.name.utf8.allSatisfy(isWordByte) && !isDigit(symbol.name.utf8.first ?? 0)
    guard isWord else {
      throw IRError(
        "the symbol \(quoted(symbol.name)) is not made of letters, digits and underscores")
    }
    guard symbol.maximum >= 1 else {
      throw IRError(
        "the symbol \(symbol.name) has the bound \(symbol.maximum), expected at least 1")
    }
    if let other = symbols.updateValue(symbol.maximum, forKey: symbol.name),
      other != symbol.maximum
    {
      throw IRError("the symbol \(symbol.name) has the bounds \(other) and \(symbol.maximum)")
    }
  }

  func verify(_ entry: Entry) throws(IRError) {
    let graph = entry.graph
    var inputs: [String] = []
    for id in graph.ids {
      let node = graph[id]
      for operand in node.op.operands where operand >= id {
        throw IRError("\(id) uses \(operand), which does not come before it")
      }
      let derived: ValueType
      do { derived = try typeRule(node.op.map { graph[$0].type }) } catch {
        throw IRError("\(id): \(error.description)")
      }
      guard derived == node.type else {
        throw IRError("\(id) is a \(node.type), expected \(derived)")
      }
      if case .input(let name, _, _) = node.op { inputs.append(name) }
    }
    try requireUnique(inputs, "two inputs are named")
    try requireFew(inputs.count, "inputs")
    try requireUnique(entry.outputs.map(\.name), "two outputs are named")
    try requireUnique(entry.successors.map(\.state), "two successors for the state")
    for output in entry.outputs {
      let what = "output \(quoted(output.name))"
      let type = try tensor(output.value, graph, what)
      guard type.element.block == 1 else {
        throw IRError("\(what) is a \(type); blocks are cast before they are given away")
      }
    }
    for successor in entry.successors {
      let what = "successor \(quoted(successor.state))"
      let type = try tensor(successor.value, graph, what)
      guard let state = states[successor.state] else {
        throw IRError("\(what): no entry reads this state")
      }
      guard type == state else { throw IRError("\(what) is a \(type), expected \(state)") }
    }
    let bound = try boundSymbols(graph)
    for id in graph.ids {
      for symbol in symbolsOf(graph[id]) where !bound.contains(symbol) {
        throw IRError(
          "\(id): no required input or state has \(symbol.name) as an axis of its own")
      }
    }
  }

  /// The symbols that have a value in a call which gives required inputs only: those of these and of
  /// states, and then, one optional input after the other, those that are as large as one of them.
  private func boundSymbols(_ graph: Graph) throws(IRError) -> Set<Symbol> {
    var bound: Set<Symbol> = []
    for node in graph.nodes {
      switch node.op {
      case .input(_, let type, nil), .state(_, let type):
        bound.formUnion(type.shape.compactMap(\.symbol))
      default: break
      }
    }
    for node in graph.nodes {
      guard case .input(let name, let type, let fallback?) = node.op else { continue }
      for (symbol, other) in type.extents(like: graph.tensorType(fallback)) ?? [] {
        guard bound.contains(other) else {
          throw IRError(
            "input \(quoted(name)): where it is left out, \(symbol.name) is as large as "
              + "\(other.name), which no required input, state or input before it gives a value")
        }
        bound.insert(symbol)
      }
    }
    return bound
  }

  private func tensor(
    _ id: NodeID, _ graph: Graph, _ what: String
  ) throws(IRError) -> TensorType {
    guard graph.nodes.indices.contains(id.index) else {
      throw IRError("\(what): there is no \(id)")
    }
    guard let type = graph[id].type.tensor else {
      throw IRError("\(what): \(id) is the tuple \(graph[id].type), expected a tensor")
    }
    return type
  }
}

/// Notes what a name means, unless it means something else already.
private func noteName(
  _ name: String, _ type: TensorType, _ what: String, _ known: inout [String: TensorType]
) throws(IRError) {
  if let other = known.updateValue(type, forKey: name), other != type {
    throw IRError("\(what) \(quoted(name)) is \(other) and \(type)")
  }
}

/// Every symbol that a node speaks of, in its type or its attributes.
private func symbolsOf(_ node: Node) -> [Symbol] {
  let types =
    switch node.type {
    case .tensor(let type): [type]
    case .tuple(let types): types
    }
  var dims = types.flatMap(\.shape)
  switch node.op {
  case .extent(let dim): dims.append(dim)
  case .slice(_, _, let start, _): dims.append(start)
  default: break
  }
  return dims.flatMap(\.symbols)
}

/// Libraries keep a table of these on the stack.
private func requireFew(_ count: Int, _ what: String) throws(IRError) {
  let most = 1 << 16
  guard count <= most else { throw IRError("\(count) \(what), expected at most \(most)") }
}

private func requireUnique(_ names: [String], _ what: String) throws(IRError) {
  var seen: Set<String> = []
  for name in names where !seen.insert(name).inserted {
    throw IRError("\(what) \(quoted(name))")
  }
}

/// Whether a byte may stand in a word: a letter of ASCII, a digit or an underscore.
func isWordByte(_ byte: UInt8) -> Bool {
  switch byte {
  case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
    UInt8(ascii: "_"):
    true
  default: isDigit(byte)
  }
}

func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
