import BurinIR

extension Pass {
  /// Finds attention where a model spells it out: a product of queries and keys, what happens to its
  /// scores, their softmax, a product with the values.
  ///
  /// Before `fold-transposes`, which cancels the transposes that it leaves, and before `fuse-linear`,
  /// which would leave the scale of a query in its projection.
  public static let fuseAttention = Pass("fuse-attention", rules: [hoistScale, findAttention])
}

/// scale(x, c) × y ⟶ scale(x × y, c), also where x has been moved since; the same for y
private let hoistScale = Rule("hoist-scale-over-product") { root in
  guard case .matmul(let x, let y) = root.op else { return nil }
  if !x.isWeightExpression, let (bare, factor) = x.unscaled() {
    return .new(.scale(.new(.matmul(bare, .old(y))), by: factor))
  }
  if !y.isWeightExpression, let (bare, factor) = y.unscaled() {
    return .new(.scale(.new(.matmul(.old(x), bare)), by: factor))
  }
  return nil
}

/// softmax(scores(q × kᵀ)) × v ⟶ transpose(attention(transpose(q), transpose(k), transpose(v)))
///
/// Operands are `[batch, heads, positions, width]`, `[batch, positions, width]` or
/// `[positions, width]`; heads that the model repeats for groups of queries are not repeated.
private let findAttention = Rule("find-attention") { (root) throws(NearMiss) in
  guard case .matmul(let probabilities, let value) = root.op,
    case .softmax(let scores) = probabilities.op
  else { return nil }
  let rank = root.type.rank
  guard (2...4).contains(rank), value.type.rank == rank, root.type.element.isFloat else {
    throw NearMiss("the product of \(probabilities.type) and \(value.type) has not 2 to 4 axes")
  }
  guard probabilities.uses == 1 else {
    throw NearMiss("the probabilities \(probabilities.id) are used elsewhere too")
  }
  guard rank < 4 || root.type.shape[1].constant != nil else {
    throw NearMiss("the number of heads of \(root.type) is not known")
  }
  var peeled = PeeledScores(grid: Grid(scores.type.shape))
  let (query, transposedKey) = try peeled.peel(scores)
  // `hoistScale` comes first.
  if query.unscaled() != nil || transposedKey.unscaled() != nil { return nil }
  // [..., keys, width] from here on.
  let key = Expression.new(
    .transpose(.old(transposedKey), permutation: Array(0..<rank - 2) + [rank - 1, rank - 2]))
  let layout = Layout(rank: rank)
  let result: Expression
  if rank == 4, let (few, many) = transposedKey.unrepeated(axis: 1),
    let (fewValues, alsoMany) = value.unrepeated(axis: 1), many == alsoMany
  {
    result = .new(
      .attention(
        query: layout.positionsFirst(.old(query), query.type),
        key: .new(.transpose(few, permutation: [0, 3, 1, 2])),
        value: .new(.transpose(fewValues, permutation: [0, 2, 1, 3])),
        scores: peeled.scores, tile: nil))
  } else {
    let keyType = transposedKey.type
    let keyShape = keyType.shape.dropLast(2) + keyType.shape.suffix(2).reversed()
    result = .new(
      .attention(
        query: layout.positionsFirst(.old(query), query.type),
        key: layout.positionsFirst(key, TensorType(keyType.element, Array(keyShape))),
        value: layout.positionsFirst(.old(value), value.type),
        scores: peeled.scores, tile: nil))
  }
  return layout.headsFirst(result, root.type)
}

/// How operands of a rank stand to `[batch, positions, heads, width]`.
private struct Layout {
  let rank: Int

  /// The operand with positions before heads; a missing head or batch is one.
  func positionsFirst(_ x: Expression, _ type: TensorType) -> Expression {
    let shape = type.shape
    return switch rank {
    case 4: .new(.transpose(x, permutation: [0, 2, 1, 3]))
    case 3: .new(.reshape(x, [shape[0], shape[1], 1, shape[2]]))
    default: .new(.reshape(x, [1, shape[0], 1, shape[1]]))
    }
  }

  /// The result of attention as the model wants it.
  func headsFirst(_ x: Expression, _ type: TensorType) -> Expression {
    rank == 4 ? .new(.transpose(x, permutation: [0, 2, 1, 3])) : .new(.reshape(x, type.shape))
  }
}

extension Value {
  /// The tensor without a scale that it comes from by moving elements, and that scale.
  fileprivate func unscaled(depth: Int = 8) -> (Expression, factor: Double)? {
    func below(
      _ x: Value, _ move: (Expression) -> Op<Expression>
    ) -> (Expression, factor: Double)? {
      guard depth > 0, let (bare, factor) = x.unscaled(depth: depth - 1) else { return nil }
      return (.new(move(bare)), factor)
    }
    switch op {
    case .scale(let x, let factor): return (.old(x), factor)
    case .reshape(let x, let shape): return below(x) { .reshape($0, shape) }
    case .broadcast(let x, let shape): return below(x) { .broadcast($0, shape) }
    case .transpose(let x, let permutation):
      return below(x) { .transpose($0, permutation: permutation) }
    default: return nil
    }
  }

  /// The tensor without the repetition of each slice along `axis`, and how often each occurs.
  ///
  /// reshape(broadcast(x[..., g, 1, ...], [..., g, n, ...]), [..., g n, ...]) and
  /// broadcast(x[..., 1, ...], [..., n, ...]), also below transposes.
  fileprivate func unrepeated(axis: Int, depth: Int = 8) -> (Expression, times: Dim)? {
    switch op {
    case .transpose(let x, let permutation):
      guard depth > 0,
        let (inner, times) = x.unrepeated(axis: permutation[axis], depth: depth - 1)
      else { return nil }
      return (.new(.transpose(inner, permutation: permutation)), times)
    case .broadcast(let x, let shape):
      guard x.type.rank == shape.count, x.type.shape[axis] == 1, shape[axis] != 1,
        shape.indices.allSatisfy({ $0 == axis || shape[$0] == x.type.shape[$0] })
      else { return nil }
      return (.old(x), shape[axis])
    case .reshape(let repeated, let shape):
      guard case .broadcast(let x, let split) = repeated.op, split.count == shape.count + 1,
        x.type.rank == split.count, x.type.shape[axis + 1] == 1,
        split.indices.allSatisfy({ $0 == axis + 1 || split[$0] == x.type.shape[$0] }),
        split[..<axis] == shape[..<axis], split[(axis + 2)...] == shape[(axis + 1)...]
      else { return nil }
      var grouped = shape
      grouped[axis] = split[axis]
      return (.reshaped(x, grouped), split[axis + 1])
    default: return nil
    }
  }
}
