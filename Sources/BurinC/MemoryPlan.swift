import BurinIR

/// One kernel's turn.
struct Step: Sendable {
  let kernel: Kernel
  let operands: [Location]
  let results: [Location]
  /// The buffer of its scratch memory.
  let workspace: Int?
  /// Where in the model it belongs.
  let scope: String
}

/// A tensor, or scratch memory, that lives in a slot for a while.
struct Buffer: Sendable {
  /// What it is called after, such as `attended`.
  let noun: String
  let type: TensorType
  /// Whether it is the workspace of one kernel.
  var isScratch = false
  /// The steps from the one that writes it to the last one that reads it.
  var life: ClosedRange<Int>
  var slot = 0
}

/// The memory of one entry: what is computed in which order, and where everything is.
struct EntryPlan: Sendable {
  struct Port: Sendable {
    let name: String
    let type: TensorType
    /// The values that an integer input may have.
    var bounds: ClosedRange<Int>
    /// What an input is where the caller leaves it out.
    var fallback: Location?
  }

  let name: String
  /// What the entry's function is called in C.
  let function: CIdentifier
  var inputs: [Port] = []
  var outputs: [Port] = []
  var steps: [Step] = []
  var buffers: [Buffer] = []
  /// The sizes in bytes of the buffers that each slot of the arena has to hold.
  var slots: [[Dim]] = []
  /// The extent that says how many positions a call may append to each sequence.
  var appended: Dim?
}

/// The memory of a program.
struct MemoryPlan: Sendable {
  struct State: Sendable {
    let name: String
    let type: TensorType
    /// Where a paged state is; `nil` for a plain one, which has the next index of the plain ones.
    let pages: Place?
  }

  var weights = WeightLayout()
  var constants: [Literal] = []
  var kernels = KernelTable()
  var states: [State] = []
  var pageBytes = 0
  /// The plain state that counts the positions of each sequence.
  var lengths: String?
  var entries: [EntryPlan] = []

  /// Positions in one page of a cache.
  static let pagePositions = 64

  /// Plans a program after all passes.
  ///
  /// - Throws: `IRError` if a state would be overwritten while its old value is still needed,
  ///   or for an operation without a kernel.
  init(_ program: Program) throws {
    try planStates(program)
    var names = CNames()
    for entry in program.entries {
      var planner = EntryPlanner(entry, function: names.make("run_" + entry.name), plan: self)
      try planner.run()
      self = planner.plan
      entries.append(planner.entryPlan)
    }
  }

  /// The plain states, in the order of their indices.
  var plainStates: [State] { states.filter { $0.pages == nil } }

  private mutating func planStates(_ program: Program) throws {
    var roles: [String: Place.PageRole] = [:]
    for entry in program.entries {
      for node in entry.graph.nodes {
        switch node.op {
        case .attention(_, let key, let value, _, _):
          if let name = entry.graph.appendedState(key) { roles[name] = .keys }
          if let name = entry.graph.appendedState(value) { roles[name] = .values }
        case .append(let cache, _, let start, _):
          guard case .state(let name, _) = entry.graph[cache].op,
            case .state(let lengths, _) = entry.graph[start].op
          else { throw IRError("append: the cache or its start is no state") }
          guard self.lengths == nil || self.lengths == lengths else {
            throw IRError("append: sequences are counted by \(lengths) and another state")
          }
          self.lengths = lengths
          roles[name] = roles[name] ?? .values
        default: break
        }
      }
    }
    var offset = 0
    var placed: [(name: String, type: TensorType, role: Place.PageRole, offset: Int)] = []
    for state in program.states {
      guard let role = roles[state.name] else { continue }
      guard state.type.rank == 4, let row = Array(state.type.shape[2...]).product.constant else {
        throw IRError(
          "the cache \(state.name) of type \(state.type) has no rows of known size")
      }
      placed.append((state.name, state.type, role, offset))
      offset += row * state.type.element.bytes * Self.pagePositions
    }
    pageBytes = (offset + 63) / 64 * 64
    states = program.states.map { state in
      guard let paged = placed.first(where: { $0.name == state.name }) else {
        return State(name: state.name, type: state.type, pages: nil)
      }
      return State(
        name: state.name, type: state.type,
        pages: Place(
          state.type, .pages(paged.role, offset: paged.offset, pageBytes: pageBytes)))
    }
  }
}

extension Graph {
  /// The state that the node appends to, if it does.
  fileprivate func appendedState(_ id: NodeID) -> String? {
    guard case .append(let cache, _, _, _) = self[id].op, case .state(let name, _) = self[cache].op
    else { return nil }
    return name
  }
}
