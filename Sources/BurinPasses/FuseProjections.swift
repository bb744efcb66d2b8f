import BurinIR

extension Pass {
  /// The projections of one attention that read the same rows become one product.
  ///
  /// After `fuse-linear`, which has given them their biases.
  public static let fuseProjections = Pass("fuse-projections", rules: [mergeProjections])
}

/// linear(x, a), linear(x, b) ⟶ slices of linear(x, a b), where both end in one attention
///
/// Each of them is replaced by its slice of the same merged product, which is appended once.
private let mergeProjections = Rule("merge-projections") { (root) throws(NearMiss) in
  guard let own = Projection(root), let attention = root.nearestAttention else { return nil }
  let siblings = own.x.users.compactMap(Projection.init)
    .filter { $0.x == own.x && $0.root.nearestAttention == attention }
  guard siblings.count > 1 else { return nil }
  let alike = siblings.filter {
    $0.after == own.after && $0.weight.type.element == own.weight.type.element
  }
  guard alike.count > 1 else {
    throw NearMiss("its siblings do something else after the product")
  }
  let element = root.type.element
  let weights = Expression.new(.concat(alike.map { .old($0.weight) }, axis: 1))
  var epilogues = own.after.map { $0.map(Expression.old) }
  if alike.contains(where: { $0.bias != nil }) {
    let biases = alike.map { part in
      part.bias.map(Expression.old)
        ?? .new(.constant(Literal(TensorType(element, [Dim(part.columns)]), [0])))
    }
    epilogues.insert(.bias(.new(.concat(biases, axis: 0))), at: 0)
  }
  let columns = alike.reduce(0) { $0 + $1.columns }
  let before = alike.prefix { $0.root != root }.reduce(0) { $0 + $1.columns }
  let merged = Expression.new(
    .linear(.old(own.x), weight: weights, columns: columns, epilogues: epilogues, tile: nil))
  return .new(
    .slice(merged, axis: root.type.rank - 1, start: Dim(before), count: Dim(own.columns)))
}

/// A product by what is known when the model is compiled, of which nothing but a bias and functions without operands is made.
private struct Projection {
  let root: Value
  let x: Value
  let weight: Value
  let columns: Int
  let bias: Value?
  /// What follows the bias.
  let after: [Epilogue<Value>]

  init?(_ root: Value) {
    guard case .linear(let x, let weight, let columns, let epilogues, nil) = root.op,
      weight.type.rank == 2, weight.isWeightExpression
    else { return nil }
    self.root = root
    self.x = x
    self.weight = weight
    self.columns = columns
    if case .bias(let vector)? = epilogues.first {
      guard vector.isWeightExpression else { return nil }
      bias = vector
      after = Array(epilogues.dropFirst())
    } else {
      bias = nil
      after = epilogues
    }
    for epilogue in after {
      switch epilogue {
      case .bias, .residual, .gate, .cast: return nil
      case .activation, .scale: break
      }
    }
  }
}

extension Value {
  /// The first attention that the value reaches through what a model does to queries, keys and
  /// values on their way.
  fileprivate var nearestAttention: Value? {
    var found: Value?
    var pending = [self]
    var steps = 0
    while let value = pending.popLast(), steps < 64 {
      steps += 1
      for user in value.users {
        switch user.op {
        case .attention: found = found.map { $0.id < user.id ? $0 : user } ?? user
        case .reshape, .transpose, .slice, .rotary, .append, .norm, .scale, .cast, .broadcast:
          pending.append(user)
        default: break
        }
      }
    }
    return found
  }
}
