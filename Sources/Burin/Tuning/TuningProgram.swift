import BurinC
import BurinIR

/// A program that runs one kernel of another one: an entry for each of its schedules. What other
/// kernels would give is made of inputs.
///
/// What leads to the kernel is kept where it decides how the kernel finds its operands: weights,
/// views, casts, pages and the integers that masks are made of.
struct TuningProgram {
  let program: Program
  /// The word that the names of the kernel's functions begin with.
  let stem: String
  /// Which symbols an entry's types mention.
  let symbols: [Symbol]

  /// - Throws: `IRError` if the kernel cannot stand alone.
  init(of id: NodeID, in entry: Entry, schedules: [Schedule]) throws(IRError) {
    var entries: [Entry] = []
    for (number, schedule) in schedules.enumerated() {
      var excerpt = Excerpt(entry)
      entries.append(try excerpt.entry(TuningProgram.name(number), around: id, as: schedule))
    }
    program = Program("tuning", entries: entries)
    stem =
      switch entry.graph[id].op {
      case .attention: "attention"
      case .experts: "experts"
      default: "linear"
      }
    symbols = program.symbols
    try verify(program)
  }

  /// The entry for the schedule of this number.
  static func name(_ number: Int) -> String { "schedule_\(number)" }

  /// Extents of a call: one sequence, and of everything else that varies `tokens`, if it may be as
  /// many.
  func extents(_ tokens: Int) -> [String: Int] {
    Dictionary(
      symbols.map { ($0.name, $0.isCount ? 1 : min(tokens, $0.maximum)) },
      uniquingKeysWith: { one, _ in one })
  }

  /// The numbers of tokens to measure at, as far as they differ: a token, rows that do not fill their
  /// last tile, a sentence, a page, a long text.
  var tokenCounts: [Int] {
    var counts: [Int] = []
    let most = symbols.filter { !$0.isCount }.map(\.maximum).max() ?? 1
    for count in [1, 9, 16, 128, 512] where count <= most || counts.isEmpty { counts.append(count) }
    return counts
  }

  /// Inputs of an entry at given extents, with the least that they need.
  func inputs(_ entry: CompiledModel.Entry, _ extents: [String: Int]) -> [String: HostTensor] {
    var tensors: [String: HostTensor] = [:]
    for node in program.entries[0].graph.nodes {
      guard case .input(let name, let type, nil) = node.op,
        let port = entry.inputs.first(where: { $0.name == name })
      else { continue }
      let shape = type.shape.map { $0.evaluate(extents) ?? 1 }
      let count = shape.reduce(1, *)
      if type.element.isFloat {
        tensors[name] = HostTensor(noise(count), shape: shape)
      } else {
        let value = port.range.contains(1) ? 1 : port.range.lowerBound
        tensors[name] = HostTensor(
          [Int32](repeating: Int32(clamping: value), count: count), shape: shape)
      }
    }
    return tensors
  }
}

/// Numbers from -1 to 1 that look like nothing in particular, the same every time.
private func noise(_ count: Int) -> [Float] {
  var values: [Float] = []
  values.reserveCapacity(count)
  var state: UInt32 = 1
  for _ in 0..<count {
    state = state &* 1_664_525 &+ 1_013_904_223
    values.append(Float(state >> 8) * 0x1p-23 - 1)
  }
  return values
}

extension Symbol {
  /// Whether it counts sequences or pictures, which a measurement has one of.
  fileprivate var isCount: Bool { name == "batch" || name == "images" }
}

/// Copies of the part of an entry that leads to one node.
private struct Excerpt {
  private let entry: Entry
  private let isWeight: [Bool]
  private let appended: Set<NodeID>
  private var graph = Graph()
  private var copies: [NodeID: NodeID] = [:]
  private var operands = 0

  init(_ entry: Entry) {
    self.entry = entry
    isWeight = entry.graph.weightExpressions()
    appended = Set(
      entry.graph.nodes.compactMap { node in
        if case .append(let cache, _, _, _) = node.op { cache } else { nil }
      })
  }

  mutating func entry(
    _ name: String, around id: NodeID, as schedule: Schedule
  ) throws(IRError) -> Entry {
    var op = try entry.graph[id].op.scheduled(schedule).map { (operand) throws(IRError) -> NodeID in
      try copy(operand)
    }
    // Rows of blocks are no output; a product without that rounding runs in the same order.
    if case .linear(let x, let weight, let columns, var epilogues, let tile) = op,
      case .cast(let element)? = epilogues.last, element.isTurned
    {
      epilogues.removeLast()
      op = .linear(x, weight: weight, columns: columns, epilogues: epilogues, tile: tile)
    }
    let result = try graph.append(op)
    var successors: [Entry.Successor] = []
    for successor in entry.successors where isCopied(state: successor.state) {
      successors.append(.init(successor.state, try copy(successor.value)))
    }
    try bindSymbols()
    return Entry(name, graph: graph, outputs: [.init("y", result)], successors: successors)
  }

  private func isCopied(state name: String) -> Bool {
    graph.nodes.contains { if case .state(name, _) = $0.op { true } else { false } }
  }

  private mutating func copy(_ id: NodeID) throws(IRError) -> NodeID {
    if let known = copies[id] { return known }
    let node = entry.graph[id]
    let copy =
      if isKept(id) {
        try graph.append(
          node.op.map { (operand) throws(IRError) -> NodeID in try self.copy(operand) })
      } else {
        try standIn(entry.graph.tensorType(id))
      }
    copies[id] = copy
    return copy
  }

  /// Whether a node is copied as it is, with what it is made of.
  private func isKept(_ id: NodeID) -> Bool {
    let node = entry.graph[id]
    guard !isWeight[id.index], node.type.tensor?.element.isFloat == true else { return true }
    return switch node.op {
    case .slice, .reshape, .transpose, .broadcast, .append, .mask: true
    case .cast(_, let element): element != .f32
    case .state: appended.contains(id)
    default: false
    }
  }

  /// What a kernel gives that is not there: an input, and a kernel that brings it into the caches.
  private mutating func standIn(_ type: TensorType) throws(IRError) -> NodeID {
    let input = try graph.append(
      .input(
        name: "operand_\(operands)", type: TensorType(.f32, type.shape), fallback: nil))
    operands += 1
    let value = try graph.append(.scale(input, by: 1))
    return type.element == .f32 ? value : try graph.append(.cast(value, to: type.element))
  }

  /// Adds inputs of the length of every symbol that no other input or state has for an axis.
  private mutating func bindSymbols() throws(IRError) {
    var symbols: Set<Symbol> = []
    var bound: Set<Symbol> = []
    for node in graph.nodes {
      guard let type = node.type.tensor else { continue }
      symbols.formUnion(type.shape.flatMap(\.symbols))
      switch node.op {
      case .input(_, _, nil), .state: bound.formUnion(type.shape.compactMap(\.symbol))
      default: break
      }
    }
    for symbol in symbols.subtracting(bound).sorted() {
      _ = try graph.append(
        .input(
          name: "extent_of_\(symbol.name)", type: TensorType(.i32, [Dim(symbol)]), fallback: nil))
    }
  }
}
