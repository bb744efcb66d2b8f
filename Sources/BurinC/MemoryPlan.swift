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
    /// The symbols that then have the values of others.
    var defaults: [(symbol: Symbol, other: Symbol)] = []
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
    var pages: Place?
    /// Whether an entry gives it a new value that follows from the old one.
    let isContinued: Bool
  }

  /// Numbers that stand in the C itself.
  struct Constant: Sendable {
    let literal: Literal
    /// A number is called by its value, several by what they are to their first user.
    let name: String

    init(_ literal: Literal, role: String) {
      self.literal = literal
      guard literal.values.count == 1 else {
        name = role
        return
      }
      let value = literal.values[0]
      let magnitude = Int(exactly: value.magnitude).map(String.init) ?? "\(value.magnitude)"
      name = "constant " + (value.sign == .minus ? "minus " : "") + magnitude
    }
  }

  /// The pages of layers that look back equally far.
  struct Cache: Sendable {
    /// How many positions up to a query's own are ever read; all of them if `nil`.
    let window: Int?
    /// Bytes of a page, of all its states together.
    var pageBytes = 0
  }

  var weights = WeightLayout()
  var constants: [Constant] = []
  var kernels = KernelTable()
  var states: [State] = []
  var caches: [Cache] = []
  /// The plain state that counts the positions of each sequence.
  var lengths: String?
  var entries: [EntryPlan] = []

  /// Plans a program after all passes.
  ///
  /// - Throws: `IRError` if a state would be overwritten while its old value is still needed,
  ///   or for an operation without a kernel.
  init(_ program: Program) throws {
    try planStates(program)
    var names = CNames()
    for entry in program.entries {
      var planner = EntryPlanner(entry, function: names.make(function(of: entry)), plan: self)
      try planner.run()
      self = planner.plan
      entries.append(planner.entryPlan)
    }
  }

  /// The name of an entry's function, so short that those of its tables fit behind it.
  private func function(of entry: Entry) -> CIdentifier {
    CIdentifier(cleaning: "run_" + entry.name, longest: CIdentifier.longest - 12)
  }

  /// The plain states, in the order of their indices.
  var plainStates: [State] { states.filter { $0.pages == nil } }

  private mutating func planStates(_ program: Program) throws {
    var roles: [String: Place.PageRole] = [:]
    var reaches: [String: Reach] = [:]
    for entry in program.entries {
      for node in entry.graph.nodes {
        switch node.op {
        case .attention(_, let key, let value, let scores, _):
          for (operand, role) in [(key, Place.PageRole.keys), (value, .values)] {
            guard let (name, start) = entry.graph.appendedState(operand) else { continue }
            roles[name] = role
            reaches[name, default: .nothing].widen(to: scores.masks, start: start)
          }
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
    var first: TensorType?
    states = try program.states.map { state in
      let isContinued = program.continues(state.name)
      guard let role = roles[state.name] else {
        return State(name: state.name, type: state.type, pages: nil, isContinued: isContinued)
      }
      guard state.type.rank == 4, let groups = state.type.shape[2].constant,
        let width = state.type.shape[3].constant
      else {
        throw IRError("the cache \(state.name) of type \(state.type) has no rows of known size")
      }
      guard state.type.shape[0].symbol != nil, state.type.shape[1].symbol != nil else {
        throw IRError(
          "the cache \(state.name) of type \(state.type): its first two extents are no symbols")
      }
      if let first, first.shape[..<2] != state.type.shape[..<2] {
        throw IRError(
          "the cache \(state.name) of type \(state.type) holds not as much as another, \(first)")
      }
      first = state.type
      let window = reaches[state.name]?.window
      let cache = caches.firstIndex { $0.window == window } ?? caches.count
      if cache == caches.count { caches.append(Cache(window: window)) }
      let offset = caches[cache].pageBytes
      // Far from what any arithmetic on it could exceed.
      guard groups * width < 1 << 40 else {
        throw IRError("the cache \(state.name) of type \(state.type) is too large")
      }
      caches[cache].pageBytes += groups * role.bytes(state.type.element, width: width)
      return State(
        name: state.name, type: state.type,
        pages: Place(state.type, .pages(role, cache: cache, offset: offset, pageBytes: 0)),
        isContinued: isContinued)
    }
    // Only now it is known how large the pages are.
    for index in states.indices {
      guard case .pages(let role, let cache, let offset, _) = states[index].pages?.storage else {
        continue
      }
      states[index].pages?.storage = .pages(
        role, cache: cache, offset: offset, pageBytes: caches[cache].pageBytes)
    }
  }
}

/// How far back the readers of a cache look.
private enum Reach {
  case nothing
  case window(Int)
  case everything

  /// The window; `nil` if every position may be read.
  var window: Int? {
    if case .window(let width) = self { width } else { nil }
  }

  /// Takes in a reader with these masks, whose first query stands at `start`.
  mutating func widen(to masks: [Mask<NodeID>], start: NodeID) {
    let windows = masks.compactMap { mask in
      if case .window(let width, start) = mask { width } else { nil }
    }
    switch (self, windows.min()) {
    case (.nothing, let width?): self = .window(width)
    case (.window(let old), let width?): self = .window(max(old, width))
    default: self = .everything
    }
  }
}

extension Graph {
  /// The state that the node appends to, if it does, and from which position on.
  fileprivate func appendedState(_ id: NodeID) -> (name: String, start: NodeID)? {
    guard case .append(let cache, _, let start, _) = self[id].op,
      case .state(let name, _) = self[cache].op
    else { return nil }
    return (name, start)
  }
}

extension Program {
  /// Whether an entry that reads the state also gives it a new value.
  fileprivate func continues(_ state: String) -> Bool {
    entries.contains { entry in
      let reads = entry.graph.nodes.contains { node in
        guard case .state(let name, _) = node.op else { return false }
        return name == state
      }
      return reads && entry.successors.contains { $0.state == state }
    }
  }
}
