import BurinIR

/// In what a cache keeps keys and values.
public enum CacheType: String, Sendable, CaseIterable {
  /// As they are computed.
  case f32
  /// Rounded to bf16.
  case bf16
  /// In blocks of 32 numbers of a head with one f32 scale (`q8`).
  case int8

  /// The type of the states.
  public var element: ElementType {
    switch self {
    case .f32: .f32
    case .bf16: .bf16
    case .int8: .q8
    }
  }
}

extension Pass {
  /// append(state, x) ⟶ append(state', cast(x)) where nothing but attention reads the result: caches
  /// hold keys and values in a narrower type, and attention widens what it reads.
  ///
  /// After `fuse-attention`, which finds the readers, and before schedules.
  public static func lowerCaches(to type: CacheType) -> Pass {
    Pass(
      "lower-caches",
      noting: { (program, notes) throws(IRError) in
        var program = program
        let caches = Caches(program, &notes)
        for index in program.entries.indices {
          program.entries[index] = try caches.lowered(program.entries[index], to: type.element)
        }
        return program
      })
  }
}

/// The states that may be narrower: f32, appended to, and read by nothing but attention.
private struct Caches {
  private var names: Set<String> = []

  init(_ program: Program, _ notes: inout [Note]) {
    for (name, type) in program.states where type.element == .f32 {
      var isAppended = false
      var misses: [Note] = []
      for entry in program.entries {
        let graph = entry.graph
        for id in graph.ids {
          for (place, operand) in graph[id].op.operands.enumerated() {
            switch graph[id].op {
            case .append where place == 0 && graph.isState(operand, name): isAppended = true
            case .attention where place == 1 || place == 2: continue
            default:
              guard graph.isState(operand, name) || graph.appends(operand, to: name) else {
                continue
              }
              misses.append(
                Note(
                  pass: "lower-caches", rule: "lower-cache", entry: entry.name, node: id,
                  scope: graph[id].scope,
                  outcome: .missed(reason: "\(name) is read by \(graph[id].op.mnemonic)")))
            }
          }
        }
      }
      guard isAppended else { continue }
      if misses.isEmpty { names.insert(name) } else { notes += misses }
    }
  }

  /// The entry with narrower states.
  func lowered(_ entry: Entry, to element: ElementType) throws(IRError) -> Entry {
    var graph = Graph()
    var copies: [NodeID] = []
    for id in entry.graph.ids {
      let node = entry.graph[id]
      var op = node.op.map { copies[$0.index] }
      switch node.op {
      case .state(let name, let type) where names.contains(name):
        op = .state(name: name, type: TensorType(element, type.shape))
      case .append(let cache, let values, let start, let counts):
        guard case .state(let name, _) = entry.graph[cache].op, names.contains(name) else { break }
        let rounded = try graph.append(
          .cast(copies[values.index], to: element), scope: node.scope)
        op = .append(
          cache: copies[cache.index], values: rounded, start: copies[start.index],
          counts: copies[counts.index])
      default: break
      }
      copies.append(try graph.append(op, scope: node.scope))
    }
    var result = entry
    result.graph = graph
    for index in result.outputs.indices {
      result.outputs[index].value = copies[result.outputs[index].value.index]
    }
    for index in result.successors.indices {
      result.successors[index].value = copies[result.successors[index].value.index]
    }
    return result
  }
}

extension Graph {
  fileprivate func isState(_ id: NodeID, _ name: String) -> Bool {
    if case .state(name, _) = self[id].op { true } else { false }
  }

  fileprivate func appends(_ id: NodeID, to name: String) -> Bool {
    if case .append(let cache, _, _, _) = self[id].op { isState(cache, name) } else { false }
  }
}
