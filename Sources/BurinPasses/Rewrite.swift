import BurinIR

/// An entry that holds still while rules look at it, with what they ask about its nodes.
final class Subject {
  let graph: Graph
  private(set) var ops: [Op<Value>] = []
  /// Whether a root, or an input of the interface, needs the node.
  let isLive: [Bool]
  /// Counts and lists only live users.
  let uses: [Int]
  let users: [[NodeID]]
  let isWeightExpression: [Bool]

  init(_ entry: Entry) {
    let nodes = entry.graph.nodes
    var live = [Bool](repeating: false, count: nodes.count)
    var uses = [Int](repeating: 0, count: nodes.count)
    var users = [[NodeID]](repeating: [], count: nodes.count)
    for root in entry.roots {
      live[root.index] = true
      uses[root.index] += 1
    }
    for id in entry.graph.ids.reversed() {
      if nodes[id.index].op.isInterface { live[id.index] = true }
      guard live[id.index] else { continue }
      for operand in nodes[id.index].op.operands {
        live[operand.index] = true
        uses[operand.index] += 1
        if users[operand.index].last != id { users[operand.index].append(id) }
      }
    }
    var known = [Bool](repeating: false, count: nodes.count)
    for (index, node) in nodes.enumerated() {
      known[index] =
        node.op.isEvaluatedEarly && node.op.operands.allSatisfy { known[$0.index] }
        && (node.type.tensor?.shape.allSatisfy { $0.constant != nil } ?? false)
    }
    graph = entry.graph
    isLive = live
    self.uses = uses
    self.users = users.map { $0.reversed() }
    isWeightExpression = known
    ops = nodes.map { $0.op.map { Value(subject: self, id: $0) } }
  }
}

extension Op {
  /// Whether the node is part of what callers see, whether or not anything reads it: an input, or a
  /// state, which may be replaced without being read.
  fileprivate var isInterface: Bool {
    switch self {
    case .input, .state: true
    default: false
    }
  }

  /// Whether the operation, on operands that are known when the model is compiled, is known then too.
  var isEvaluatedEarly: Bool {
    switch self {
    case .weight, .constant, .iota, .unary, .binary, .select, .scale, .cast, .slice, .concat,
      .reshape, .transpose, .broadcast, .pack:
      true
    case .input, .state, .extent, .matmul, .linear, .experts, .attention, .softmax, .norm,
      .normAndCast, .addNorm, .reduce, .cumulativeSum, .topK, .rotary, .embedding, .gather, .mask,
      .append, .part:
      false
    }
  }
}

/// Replaces nodes of an entry until no rule fires, and then copies it without what no root needs.
struct Rewrite {
  let pass: String
  let rules: [Rule]
  /// Rules read from left to right shrink something or move it one way, so a few sweeps do; the bound
  /// is for very long chains, which it leaves correct and less polished.
  var sweepBound = 64
  private(set) var notes: [Note] = []

  init(pass: String, rules: [Rule]) {
    self.pass = pass
    self.rules = rules
  }

  /// The rewritten entry.
  ///
  /// - Throws: `IRError` naming the rule if what it gave is ill-typed, or of another type than the
  ///   node that it replaced.
  mutating func callAsFunction(_ entry: Entry) throws(IRError) -> Entry {
    var entry = entry
    for _ in 0..<sweepBound {
      var subject = Subject(entry)
      if subject.isLive.contains(false) {
        var rebuilding = Rebuilding(subject, [:])
        entry = try rebuilding.run(entry)
        subject = Subject(entry)
      }
      let replacements = sweep(subject, entry.name)
      if replacements.isEmpty { break }
      var rebuilding = Rebuilding(subject, replacements)
      entry = try rebuilding.run(entry)
    }
    return entry
  }

  /// What the first rule that fires puts in place of each node; rules see the graph as it is before
  /// any of that, so their order in it does not matter.
  ///
  /// Near misses are noted by the last sweep, whose graph is the one that a dump shows.
  private mutating func sweep(_ subject: Subject, _ entry: String) -> [NodeID: Replacement] {
    var replacements: [NodeID: Replacement] = [:]
    var missed: [Note] = []
    func note(_ rule: Rule, _ id: NodeID, _ outcome: Note.Outcome) -> Note {
      Note(
        pass: pass, rule: rule.name, entry: entry, node: id, scope: subject.graph[id].scope,
        outcome: outcome)
    }
    // A rule looks at the parts of a tuple, so every value that it sees has a tensor's type.
    for id in subject.graph.ids where subject.graph[id].type.tensor != nil {
      for rule in rules {
        do throws(NearMiss) {
          guard let new = try rule.body(Value(subject: subject, id: id)) else { continue }
          replacements[id] = Replacement(rule: rule.name, expression: new)
          notes.append(note(rule, id, .fired))
          break
        } catch {
          missed.append(note(rule, id, .missed(reason: error.description)))
        }
      }
    }
    if replacements.isEmpty { notes += missed }
    return replacements
  }
}

/// What a rule puts in place of a node.
private struct Replacement {
  let rule: String
  let expression: Expression
}

/// A copy of an entry, in the order of its arena, with some nodes replaced and without those that no
/// root needs then.
private struct Rebuilding {
  private let subject: Subject
  private let replacements: [NodeID: Replacement]
  private var graph = Graph()
  /// Where the nodes of the old graph are in the new one.
  private var copies: [NodeID?]

  init(_ subject: Subject, _ replacements: [NodeID: Replacement]) {
    self.subject = subject
    self.replacements = replacements
    copies = Array(repeating: nil, count: subject.graph.nodes.count)
  }

  mutating func run(_ entry: Entry) throws(IRError) -> Entry {
    let needed = needed(by: entry.roots)
    for id in subject.graph.ids where needed[id.index] && copies[id.index] == nil {
      copies[id.index] =
        if let replacement = replacements[id] { try replace(id, by: replacement) } else {
          try copy(id)
        }
    }
    var result = entry
    result.graph = graph
    for index in result.outputs.indices {
      result.outputs[index].value = copies[result.outputs[index].value.index]!
    }
    for index in result.successors.indices {
      result.successors[index].value = copies[result.successors[index].value.index]!
    }
    return result
  }

  /// The old nodes that the new graph has, or has a replacement of.
  private func needed(by roots: [NodeID]) -> [Bool] {
    var needed = [Bool](repeating: false, count: subject.graph.nodes.count)
    var pending = roots + subject.graph.ids.filter { subject.graph[$0].op.isInterface }
    while let id = pending.popLast() {
      guard !needed[id.index] else { continue }
      needed[id.index] = true
      if let replacement = replacements[id] {
        replacement.expression.collectValues(&pending)
      } else {
        pending += subject.graph[id].op.operands
      }
    }
    return needed
  }

  private mutating func replace(
    _ id: NodeID, by replacement: Replacement
  ) throws(IRError) -> NodeID {
    let node = subject.graph[id]
    do throws(IRError) {
      let new = try append(replacement.expression, replacing: id, scope: node.scope)
      guard graph[new].type == node.type else {
        throw IRError("gives \(graph[new].type) for \(node.type)")
      }
      return new
    } catch {
      throw IRError("the rule \(replacement.rule) at \(id): \(error.description)")
    }
  }

  private mutating func append(
    _ expression: Expression, replacing root: NodeID, scope: String
  ) throws(IRError) -> NodeID {
    switch expression {
    case .old(let value): return try late(value.id, replacing: root)
    case .new(let op):
      let op = try op.map { (operand) throws(IRError) -> NodeID in
        try append(operand, replacing: root, scope: scope)
      }
      return try graph.append(op, scope: scope)
    }
  }

  /// The copy of a node, also of one that comes later in the arena; that one is copied as it stands
  /// and left to the next sweep.
  private mutating func late(_ id: NodeID, replacing root: NodeID) throws(IRError) -> NodeID {
    if let copy = copies[id.index] { return copy }
    var pending = [id]
    while let next = pending.last {
      if next == root { throw IRError("refers to \(id), which depends on \(root) itself") }
      let missing = subject.graph[next].op.operands.filter { copies[$0.index] == nil }
      if missing.isEmpty {
        pending.removeLast()
        if copies[next.index] == nil { copies[next.index] = try copy(next) }
      } else {
        pending += missing
      }
    }
    return copies[id.index]!
  }

  /// Appends the node as it stands; its operands have been copied.
  private mutating func copy(_ id: NodeID) throws(IRError) -> NodeID {
    let node = subject.graph[id]
    return try graph.append(node.op.map { copies[$0.index]! }, scope: node.scope)
  }
}

extension Expression {
  /// Adds the values that the expression refers to.
  fileprivate func collectValues(_ values: inout [NodeID]) {
    switch self {
    case .old(let value): values.append(value.id)
    case .new(let op): for operand in op.operands { operand.collectValues(&values) }
    }
  }
}
