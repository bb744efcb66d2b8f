/// The identity of a node in its graph: its place in topological order.
public struct NodeID: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// The place, from 0.
  public let index: Int

  init(_ index: Int) { self.index = index }

  /// Whether a node stands before another one.
  public static func < (left: NodeID, right: NodeID) -> Bool { left.index < right.index }

  /// The node as the IR's text spells it: `%7`.
  public var description: String { "%\(index)" }
}

/// One operation, applied.
public struct Node: Sendable {
  /// What is applied, and to what.
  public let op: Op<NodeID>
  /// The type of what it gives.
  public let type: ValueType
  /// Where in the model the node belongs: `layer 3: attention`; a comment in dumps and in the C,
  /// without influence on what is computed.
  public let scope: String
}

/// A violation of a type rule or of the structure of a program.
public struct IRError: Error, CustomStringConvertible, Equatable {
  /// One line: where, what was expected, and what was found.
  public let description: String

  /// A violation.
  public init(_ description: String) { self.description = description }
}

/// An append-only arena of operations in topological order, hash-consed: appending an operation
/// that is there already returns the node that it has.
public struct Graph: Sendable {
  /// All nodes; operands stand before those that read them.
  public private(set) var nodes: [Node] = []
  private var known: [Identity: NodeID] = [:]

  /// A graph without nodes.
  public init() {}

  /// The node that `id` names.
  public subscript(id: NodeID) -> Node { nodes[id.index] }

  /// The identities of all nodes, operands before their users.
  public var ids: some RandomAccessCollection<NodeID> & Sendable {
    nodes.indices.lazy.map(NodeID.init)
  }

  /// The type of a node that must be a tensor.
  ///
  /// - Requires: the node is not a tuple; the type rules see to that for every operand but `part`'s.
  public func tensorType(_ id: NodeID) -> TensorType {
    guard case .tensor(let type) = self[id].type else {
      preconditionFailure("\(id) is a tuple, not a tensor")
    }
    return type
  }

  /// Appends an operation, or finds it.
  ///
  /// - Throws: `IRError` if the operands do not fit the operation's type rule.
  public mutating func append(_ op: Op<NodeID>, scope: String = "") throws(IRError) -> NodeID {
    let identity = Identity(op)
    if let id = known[identity] { return id }
    for operand in op.operands where !nodes.indices.contains(operand.index) {
      throw IRError("\(operand) is not a node of this graph")
    }
    let type = try typeRule(op.map { nodes[$0.index].type })
    let id = NodeID(nodes.count)
    nodes.append(Node(op: op, type: type, scope: scope))
    known[identity] = id
    return id
  }
}

/// What makes an operation the same as another one: its fields, and of factors that are zero the sign,
/// which `==` overlooks.
private struct Identity: Hashable {
  private let op: Op<NodeID>
  private let negativeZeros: [Bool]

  init(_ op: Op<NodeID>) {
    self.op = op
    let isNegativeZero = { (factor: Double) in factor == 0 && factor.sign == .minus }
    switch op {
    case .scale(_, let factor) where isNegativeZero(factor): negativeZeros = [true]
    case .linear(_, _, _, let epilogues, _), .experts(_, _, _, _, _, let epilogues, _):
      negativeZeros = epilogues.compactMap { (epilogue) -> Bool? in
        if case .scale(let factor) = epilogue { isNegativeZero(factor) } else { nil }
      }
    default: negativeZeros = []
    }
  }
}
