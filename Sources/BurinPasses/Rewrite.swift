import BurinIR

/// An entry that holds still while rules look at it, with what they ask about its nodes.
final class Subject: Sendable {
  let graph: Graph
  /// Whether a root, or an input of the interface, depends on the node.
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
      // An input is part of the interface, whether or not anything reads it.
      if case .input = nodes[id.index].op { live[id.index] = true }
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
  }
}

extension Op {
  /// Whether the operation, on operands that are known when the model is compiled, is known then too.
  var isEvaluatedEarly: Bool {
    switch self {
    case .weight, .constant, .iota, .unary, .binary, .select, .scale, .cast, .slice, .concat,
      .reshape, .transpose, .broadcast, .pack:
      true
    case .input, .state, .extent, .matmul, .linear, .attention, .softmax, .norm, .addNorm, .reduce,
      .cumulativeSum, .rotary, .embedding, .gather, .mask, .append, .part:
      false
    }
  }
}

/// Copies an entry again and again, in the order of its arena, letting rules replace nodes, until
/// none fires; what no root depends on is not copied.
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
      var sweep = Sweep(entry, pass: pass, rules: rules)
      entry = try sweep.run()
      notes += sweep.fired
      if sweep.fired.isEmpty {
        notes += sweep.missed
        return entry
      }
    }
    var last = Sweep(entry, pass: pass, rules: [])
    return try last.run()
  }
}

/// One copy of an entry; rules see the old graph only, so that their order in it does not matter.
private struct Sweep {
  let entry: Entry
  let subject: Subject
  let pass: String
  let rules: [Rule]
  var graph = Graph()
  /// Where the nodes of the old graph are in the new one.
  var copies: [NodeID?]
  var fired: [Note] = []
  var missed: [Note] = []

  init(_ entry: Entry, pass: String, rules: [Rule]) {
    self.entry = entry
    self.pass = pass
    self.rules = rules
    subject = Subject(entry)
    copies = Array(repeating: nil, count: entry.graph.nodes.count)
  }

  mutating func run() throws(IRError) -> Entry {
    for id in subject.graph.ids where subject.isLive[id.index] && copies[id.index] == nil {
      if let replacement = try replacement(for: id) {
        copies[id.index] = replacement
      } else {
        let copy = try self.copy(id)
        copies[id.index] = copy
        noteWhereMissed(id, copy)
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

  /// The node with which the first rule that fires replaces `id`.
  private mutating func replacement(for id: NodeID) throws(IRError) -> NodeID? {
    let node = subject.graph[id]
    for rule in rules {
      let expression: Expression?
      do throws(NearMiss) {
        expression = try rule.body(Value(subject: subject, id: id))
      } catch {
        missed.append(note(rule, id, .missed(reason: error.description)))
        continue
      }
      guard let expression else { continue }
      do throws(IRError) {
        let replacement = try append(expression, replacing: id, scope: node.scope)
        guard graph[replacement].type == node.type else {
          throw IRError("gives \(graph[replacement].type) for \(node.type)")
        }
        fired.append(note(rule, id, .fired))
        return replacement
      } catch {
        throw IRError("the rule \(rule.name) at \(id): \(error.description)")
      }
    }
    return nil
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

  /// Copies a node that a rule refers to before the sweep has come to it, as it stands.
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

  /// Near misses speak of the new graph, which is the one that a dump shows.
  private mutating func noteWhereMissed(_ id: NodeID, _ copy: NodeID) {
    for index in missed.indices.reversed() {
      guard missed[index].node == id else { break }
      missed[index] = missed[index].moved(to: copy)
    }
  }

  private func note(_ rule: Rule, _ id: NodeID, _ outcome: Note.Outcome) -> Note {
    Note(
      pass: pass, rule: rule.name, entry: entry.name, node: id, scope: subject.graph[id].scope,
      outcome: outcome)
  }
}

extension Note {
  fileprivate func moved(to node: NodeID) -> Note {
    Note(pass: pass, rule: rule, entry: entry, node: node, scope: scope, outcome: outcome)
  }
}
