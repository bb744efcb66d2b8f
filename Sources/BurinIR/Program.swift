/// One function of a compiled library: it reads inputs and states, gives outputs and the states'
/// successors.
public struct Entry: Sendable {
  /// `forward`, `encode`, `step`.
  public let name: String
  /// What it computes; nothing in it need be used.
  public var graph: Graph
  /// The tensors that the caller gets, in order, by name.
  public var outputs: [Output]
  /// What each state holds after the call; a state that is not named keeps its value.
  public var successors: [Successor]

  /// A tensor that the caller gets.
  public struct Output: Hashable, Sendable {
    /// What the caller calls it.
    public let name: String
    /// The node that gives it.
    public var value: NodeID

    /// An output.
    public init(_ name: String, _ value: NodeID) {
      self.name = name
      self.value = value
    }
  }

  /// The value that a state has after the call.
  public struct Successor: Hashable, Sendable {
    /// The state's name.
    public let state: String
    /// The node that gives the value.
    public var value: NodeID

    /// A successor.
    public init(_ state: String, _ value: NodeID) {
      self.state = state
      self.value = value
    }
  }

  /// An entry of this graph.
  public init(
    _ name: String, graph: Graph, outputs: [Output], successors: [Successor] = []
  ) {
    self.name = name
    self.graph = graph
    self.outputs = outputs
    self.successors = successors
  }

  /// What must be computed: the outputs, then the successors.
  public var roots: [NodeID] { outputs.map(\.value) + successors.map(\.value) }
}

/// A model: entries that share weights and states.
public struct Program: Sendable {
  /// The model's name, for people; it never becomes C.
  public let name: String
  /// What it can do, each under a name of its own.
  public var entries: [Entry]

  /// A program of these entries.
  public init(_ name: String, entries: [Entry]) {
    self.name = name
    self.entries = entries
  }

  /// Every symbol that an entry's types mention, sorted.
  public var symbols: [Symbol] {
    var found: Set<Symbol> = []
    for entry in entries {
      for node in entry.graph.nodes {
        let types =
          switch node.type {
          case .tensor(let type): [type]
          case .tuple(let types): types
          }
        for dim in types.flatMap(\.shape) { found.formUnion(dim.symbols) }
      }
    }
    return found.sorted()
  }

  /// The tensors of the model's files that the entries read, by name, in order of first use.
  public var weights: [(name: String, type: TensorType)] {
    leaves { if case .weight(let name, let type) = $0 { (name, type) } else { nil } }
  }

  /// The states that the entries share, by name, in order of first use.
  public var states: [(name: String, type: TensorType)] {
    leaves { if case .state(let name, let type) = $0 { (name, type) } else { nil } }
  }

  private func leaves(
    _ select: (Op<NodeID>) -> (name: String, type: TensorType)?
  ) -> [(name: String, type: TensorType)] {
    var seen: Set<String> = []
    return entries.flatMap { $0.graph.nodes }.compactMap { select($0.op) }
      .filter { seen.insert($0.name).inserted }
  }
}
