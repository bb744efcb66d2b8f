import BurinIR

/// The packed weights of a program: every value that follows from the model's files alone, computed
/// when the library is written and laid one behind the other.
public struct WeightLayout: Sendable {
  /// One tensor of the weights' block.
  public struct Item: Hashable, Sendable {
    /// The node in `graph` that gives it.
    public let node: NodeID
    /// Bytes from the start of the block; a multiple of 64.
    public let offset: Int
    /// What the tensor is called in the emitted C.
    let name: CIdentifier
  }

  /// The expressions over the tensors of the model's files.
  public private(set) var graph = Graph()
  /// The tensors in the order in which they lie.
  public private(set) var items: [Item] = []
  /// The size of the block.
  public private(set) var bytes = 0

  private var places: [NodeID: Int] = [:]
  private var names = CNames()

  /// The alignment of every tensor.
  static let alignment = 64

  /// The place in `items` of the value that `id` has in `source`.
  ///
  /// - Parameter role: what the value is to its first user.
  mutating func add(_ id: NodeID, of source: Graph, role: String) throws -> Int {
    let copy = try self.copy(id, of: source)
    if let place = places[copy] { return place }
    let type = graph.tensorType(copy)
    guard graph.isWritten(copy) else {
      let role = role.split(separator: " ").joined(separator: " ")
      throw IRError(
        "the weight \(role) of type \(type) is not written: expected f32, f16, bf16, integers, or blocks "
          + "of rows that are cast, transposed and packed by 32")
    }
    guard let size = type.bytes.constant else {
      throw IRError("the weight \(role) of type \(type) has no constant size")
    }
    items.append(Item(node: copy, offset: bytes, name: names.make(role)))
    let (end, overflows) = bytes.addingReportingOverflow(
      (size + Self.alignment - 1) / Self.alignment * Self.alignment)
    guard !overflows else { throw IRError("the weights are too large together") }
    bytes = end
    places[copy] = items.count - 1
    return items.count - 1
  }

  /// Whether both read the same bytes: code of either can use what was written for the other.
  public func lies(like other: WeightLayout) -> Bool {
    items.map(\.node) == other.items.map(\.node) && bytes == other.bytes
      && graph.nodes.map(\.op) == other.graph.nodes.map(\.op)
  }

  /// Appends what the node needs and the node itself; expressions may be deep.
  private mutating func copy(_ id: NodeID, of source: Graph) throws -> NodeID {
    var copies: [NodeID: NodeID] = [:]
    var pending = [id]
    while let next = pending.last {
      let missing = source[next].op.operands.filter { copies[$0] == nil }
      if missing.isEmpty {
        pending.removeLast()
        let node = source[next]
        copies[next] = try graph.append(node.op.map { copies[$0]! }, scope: node.scope)
      } else {
        pending += missing.reversed()
      }
    }
    return copies[id]!
  }
}

extension Graph {
  /// Whether a weight that the node gives can be written to a library.
  fileprivate func isWritten(_ id: NodeID) -> Bool {
    switch tensorType(id).element {
    case .f32, .f16, .bf16, .i32, .i64, .i8, .u8, .bool: return true
    case .q8, .r8: return false
    case .w8, .w4:
      guard case .pack(let matrix, 32) = self[id].op,
        case .transpose(let rows, [1, 0]) = self[matrix].op, case .cast = self[rows].op
      else { return false }
      return true
    }
  }

  /// For every node, whether its value follows from the model's files and literals alone; what is
  /// counted is too, where it is packed, but is not worth a place in the file otherwise.
  public func weightExpressions() -> [Bool] {
    var result: [Bool] = []
    var isKnown: [Bool] = []
    for node in nodes {
      let isConstant = node.type.tensor?.shape.allSatisfy { $0.constant != nil } ?? false
      func follows(from known: [Bool], counting: Bool) -> Bool {
        switch node.op {
        case .weight, .constant: isConstant
        case .iota: counting && isConstant
        case .input, .state, .extent, .mask: false
        default: isConstant && node.op.operands.allSatisfy { known[$0.index] }
        }
      }
      isKnown.append(follows(from: isKnown, counting: true))
      if case .pack = node.op {
        result.append(isKnown[isKnown.count - 1])
      } else {
        result.append(follows(from: result, counting: false))
      }
    }
    return result
  }
}
