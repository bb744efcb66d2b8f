import BurinIR

/// The axes of a tensor of scores, by what they count.
struct Grid {
  let shape: [Dim]

  init(_ shape: [Dim]) { self.shape = shape }

  var keys: Dim { shape[shape.count - 1] }
  var queries: Dim { shape[shape.count - 2] }
  /// `nil` for scores of a single sequence.
  var batch: Dim? { shape.count > 2 ? shape[0] : nil }
  /// `nil` for scores of a single head.
  var heads: Dim? { shape.count > 3 ? shape[1] : nil }

  /// A shape that broadcasts to the grid, as one that broadcasts to
  /// `[batch, heads, queries, keys]`; `nil` if it has more axes than the grid.
  func fourAxes(_ shape: [Dim]) -> [Dim]? {
    guard shape.count <= self.shape.count else { return nil }
    let full = Array(repeating: Dim(1), count: self.shape.count - shape.count) + shape
    return switch full.count {
    case 4: full
    case 3: [full[0], 1, full[1], full[2]]
    default: [1, 1, full[0], full[1]]
    }
  }
}

/// What happens to scores between the product and the softmax, gathered from the outside in.
///
/// Outside in, the node is `factor × node' + what has been gathered`; a soft cap divides that into
/// an outer and an inner part.
struct PeeledScores {
  let grid: Grid
  private var factor = 1.0
  private var softCap: Double?
  private var biases: [Expression] = []
  private var slopes: Expression?
  private var masks: [Mask<Value>] = []

  init(grid: Grid) { self.grid = grid }

  /// Gathers everything down to the product, and returns the product's operands.
  ///
  /// - Throws: what stands between the product and the softmax that attention cannot say.
  mutating func peel(
    _ scores: Value
  ) throws(NearMiss) -> (query: Value, transposedKey: Value) {
    var value = scores
    while true {
      guard value.uses == 1 else {
        throw NearMiss("the scores \(value.id) are used elsewhere too")
      }
      switch value.op {
      case .scale(let x, let by):
        factor *= by
        value = x
      case .unary(.negate, let x):
        factor = -factor
        value = x
      case .unary(.tanh, let x):
        guard softCap == nil, factor > 0 else {
          throw NearMiss("the tanh \(value.id) of the scores is no soft cap")
        }
        softCap = factor
        factor = 1
        value = x
      case .binary(.add, let x, let y):
        // The side that leads to the product is as large as the grid; masks and biases seldom are.
        guard let (inner, addend) = [(x, y), (y, x)].first(where: { isPath($0.0) }) else {
          throw NearMiss("no side of the sum \(value.id) leads to a product")
        }
        try add(addend)
        value = inner
      case .binary(.subtract, let x, let y) where isPath(x):
        try add(.new(.unary(.negate, .old(y))), y.type)
        value = x
      case .select(let condition, let then, let otherwise):
        if otherwise.splat == -.infinity, isPath(then) {
          try add(Conditions(condition, holds: true))
          value = then
        } else if then.splat == -.infinity, isPath(otherwise) {
          try add(Conditions(condition, holds: false))
          value = otherwise
        } else {
          throw NearMiss(
            "\(value.id) replaces scores by something else than a constant of -infinity")
        }
      case .matmul(let query, let key):
        guard query.type.rank == grid.shape.count, key.type.rank == grid.shape.count else {
          throw NearMiss("the product \(value.id) of \(query.type) and \(key.type)")
        }
        return (query, key)
      default: throw NearMiss("\(value.id) stands between the product and the softmax")
      }
    }
  }

  /// Whether the value has the shape of the grid and comes from a product by steps that `peel`
  /// knows.
  private func isPath(_ start: Value) -> Bool {
    var pending = [start]
    var steps = 0
    while let value = pending.popLast(), steps < 64 {
      steps += 1
      guard value.type.shape == grid.shape else { continue }
      switch value.op {
      case .matmul: return true
      case .scale(let x, _), .unary(.negate, let x), .unary(.tanh, let x),
        .binary(.subtract, let x, _):
        pending.append(x)
      case .binary(.add, let x, let y), .select(_, then: let x, otherwise: let y):
        pending += [x, y]
      default: continue
      }
    }
    return false
  }

  /// The most masks and biases that are gathered; models have two or three.
  private static let limit = 16

  private mutating func add(_ sum: Value) throws(NearMiss) {
    var pending = [sum]
    while let addend = pending.popLast() {
      guard biases.count + masks.count + pending.count <= Self.limit else {
        throw NearMiss("more than \(Self.limit) masks and biases are added")
      }
      if case .binary(.add, let x, let y) = addend.op {
        pending += [y, x]
      } else if case .broadcast(let x, let shape) = addend.op, grid.fourAxes(shape) != nil {
        // A mask broadcast over heads, or a bias over the batch.
        pending.append(x)
      } else {
        try add(single: addend)
      }
    }
  }

  private mutating func add(single addend: Value) throws(NearMiss) {
    switch addend.op {
    case .mask(let masks, let shape) where isWhole(masks, shape): try add(masks)
    case .select(let condition, let then, let otherwise)
    where then.splat == 0 && otherwise.splat == -.infinity:
      try add(Conditions(condition, holds: true))
    case .select(let condition, let then, let otherwise)
    where otherwise.splat == 0 && then.splat == -.infinity:
      try add(Conditions(condition, holds: false))
    default:
      if slopes == nil, softCap == nil, let found = addend.slopes(on: grid) {
        slopes =
          factor * found.factor == 1
          ? found.slopes : .new(.scale(found.slopes, by: factor * found.factor))
      } else {
        try add(.old(addend), addend.type)
      }
    }
  }

  private mutating func add(_ bias: Expression, _ type: TensorType) throws(NearMiss) {
    guard softCap == nil else {
      throw NearMiss("something is added before the soft cap")
    }
    guard biases.count < Self.limit else {
      throw NearMiss("more than \(Self.limit) biases are added")
    }
    guard type.element == .f32, var shape = grid.fourAxes(type.shape) else {
      throw NearMiss("a bias of type \(type)")
    }
    var four = shape == type.shape ? bias : .new(.reshape(bias, shape))
    if shape[3] != grid.keys {
      shape[3] = grid.keys
      four = .new(.broadcast(four, shape))
    }
    biases.append(factor == 1 ? four : .new(.scale(four, by: factor)))
  }

  private mutating func add(_ new: [Mask<Value>]) throws(NearMiss) {
    guard softCap == nil, factor > 0 else {
      throw NearMiss("a mask is added before the soft cap, or subtracted")
    }
    guard masks.count + new.count <= Self.limit else {
      throw NearMiss("more than \(Self.limit) masks are added")
    }
    for mask in new where !masks.contains(mask) { masks.append(mask) }
  }

  private mutating func add(_ conditions: Conditions) throws(NearMiss) {
    let (known, rest) = conditions.masks(on: grid)
    try add(known)
    guard factor > 0 else { throw NearMiss("masked scores are subtracted") }
    for (condition, holds) in rest {
      let zero = Expression.scalar(0, .f32)
      let never = Expression.scalar(-.infinity, .f32)
      try add(
        .new(
          .select(
            .old(condition), then: holds ? zero : never, otherwise: holds ? never : zero)),
        TensorType(.f32, condition.type.shape))
    }
  }

  /// Whether masks of that shape mean on the grid what they mean by themselves.
  private func isWhole(_ masks: [Mask<Value>], _ shape: [Dim]) -> Bool {
    guard grid.shape.count == 4, shape[3] == grid.keys else { return false }
    return masks.allSatisfy { mask in
      switch mask {
      case .padding, .lengths: shape[0] == grid.batch
      case .causal(let start), .window(_, let start):
        shape[2] == grid.queries && (start == nil || shape[0] == grid.batch)
      }
    }
  }

  /// What has been gathered, in the order in which attention does it.
  var scores: Scores<Expression> {
    let bias = biases.dropFirst().reduce(biases.first) { sum, bias in
      sum.map { .new(.binary(.add, bias, $0)) }
    }
    return Scores(
      scale: factor * (softCap ?? 1), softCap: softCap, bias: bias, slopes: slopes,
      masks: masks.map { $0.map(Expression.old) })
  }
}
