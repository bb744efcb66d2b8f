import BurinIR
import BurinPasses

/// A graph under construction, for tests that write graphs as models do.
final class Builder {
  var graph = Graph()
  private(set) var weights = 0

  func append(_ op: Op<NodeID>) -> T {
    do {
      return T(id: try graph.append(op), builder: self)
    } catch {
      preconditionFailure("the test's graph: \(error)")
    }
  }

  func input(_ name: String, _ shape: [Dim], _ element: ElementType = .f32) -> T {
    append(.input(name: name, type: TensorType(element, shape), fallback: nil))
  }

  /// A weight of f32, or one of another type, widened to that.
  func weight(_ shape: [Dim], _ name: String? = nil, stored element: ElementType = .f32) -> T {
    weights += 1
    let weight = append(.weight(name: name ?? "w\(weights)", type: TensorType(element, shape)))
    return element == .f32 ? weight : weight.cast(.f32)
  }

  func constant(_ value: Double, _ element: ElementType = .f32, _ shape: [Dim] = []) -> T {
    append(.constant(Literal(TensorType(element, shape), [value])))
  }

  func iota(_ shape: [Dim], axis: Int, _ element: ElementType = .i32) -> T {
    append(.iota(TensorType(element, shape), axis: axis))
  }

  func mask(_ masks: [Mask<T>], _ shape: [Dim]) -> T {
    append(.mask(masks.map { $0.map(\.id) }, shape: shape))
  }

  func select(_ condition: T, _ then: T, _ otherwise: T) -> T {
    append(.select(condition.id, then: then.id, otherwise: otherwise.id))
  }

  func concat(_ parts: [T], axis: Int) -> T { append(.concat(parts.map(\.id), axis: axis)) }

  /// x·wᵀ + b, with the weight stored as PyTorch does.
  func linear(_ x: T, _ columns: Dim, bias: Bool = true) -> T {
    let product = x.matmul(weight([columns, x.shape[x.shape.count - 1]]).transposed([1, 0]))
    return bias ? product + weight([columns]) : product
  }

  func layerNorm(_ x: T) -> T {
    let width = [x.shape[x.shape.count - 1]]
    let norm = Norm(.layer, scale: weight(width).id, bias: weight(width).id, epsilon: 1e-5)
    return append(.norm(x.id, norm))
  }

  func program(_ outputs: T...) -> Program { program(outputs) }

  func program(_ outputs: [T]) -> Program {
    let named = outputs.enumerated().map { Entry.Output("y\($0.offset)", $0.element.id) }
    return Program("test", entries: [Entry("forward", graph: graph, outputs: named)])
  }
}

/// A node of a builder.
struct T {
  let id: NodeID
  let builder: Builder

  var type: TensorType { builder.graph.tensorType(id) }
  var shape: [Dim] { type.shape }

  static func + (x: T, y: T) -> T { x.binary(.add, y) }
  static func - (x: T, y: T) -> T { x.binary(.subtract, y) }
  static func * (x: T, y: T) -> T { x.binary(.multiply, y) }
  static func / (x: T, y: T) -> T { x.binary(.divide, y) }
  static func * (x: T, y: Double) -> T { x.builder.append(.scale(x.id, by: y)) }
  static func + (x: T, y: Double) -> T { x + x.builder.constant(y, x.type.element) }

  func binary(_ function: Binary, _ y: T) -> T { builder.append(.binary(function, id, y.id)) }
  func unary(_ function: Unary) -> T { builder.append(.unary(function, id)) }
  func matmul(_ y: T) -> T { builder.append(.matmul(id, y.id)) }
  func softmax() -> T { builder.append(.softmax(id)) }
  func reshaped(_ shape: [Dim]) -> T { builder.append(.reshape(id, shape)) }
  func broadcast(_ shape: [Dim]) -> T { builder.append(.broadcast(id, shape)) }
  func cast(_ element: ElementType) -> T { builder.append(.cast(id, to: element)) }
  func transposed(_ p: [Int]) -> T { builder.append(.transpose(id, permutation: p)) }
  func slice(_ axis: Int, _ start: Dim, _ count: Dim) -> T {
    builder.append(.slice(id, axis: axis, start: start, count: count))
  }
  func reduced(_ function: Reduction, _ axes: [Int]) -> T {
    builder.append(.reduce(function, id, axes: axes))
  }
  /// The last two axes exchanged.
  var swapped: T {
    var p = Array(shape.indices)
    p.swapAt(p.count - 1, p.count - 2)
    return transposed(p)
  }
  func heads(_ heads: Int) -> T {
    let width = shape[2].constant! / heads
    return reshaped([shape[0], shape[1], Dim(heads), Dim(width)]).transposed([0, 2, 1, 3])
  }
  var merged: T {
    transposed([0, 2, 1, 3]).reshaped([shape[0], shape[2], shape[1] * shape[3]])
  }
}

extension Program {
  /// The operations of the first entry that are not leaves, by the names of their cases.
  var operations: [String] {
    entries[0].graph.nodes.compactMap { node in
      switch node.op {
      case .input, .weight, .state, .constant, .iota, .extent: nil
      case .unary(let function, _): function.rawValue
      case .binary(let function, _, _): function.rawValue
      default: node.op.caseName
      }
    }
  }

  /// The attention of the first entry, if there is exactly one.
  var attention: Scores<NodeID>? {
    let all = entries[0].graph.nodes.compactMap { node in
      if case .attention(_, _, _, let scores, _) = node.op { scores } else { nil }
    }
    return all.count == 1 ? all[0] : nil
  }
}

extension Op {
  fileprivate var caseName: String {
    let text = "\(self)"
    return String(text.prefix { $0 != "(" })
  }
}
