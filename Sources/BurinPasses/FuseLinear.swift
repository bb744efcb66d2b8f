import BurinIR

extension Pass {
  /// Products by weights become `linear`, and what happens to each element of a product afterwards
  /// happens before it is stored.
  ///
  /// An epilogue is absorbed while the product has no other use: it would have to be computed twice.
  public static let fuseLinear = Pass(
    "fuse-linear",
    rules: [
      findLinear, absorbBias, absorbScale, absorbActivation, absorbResidual, absorbGate,
    ])
}

/// x × w ⟶ linear(x, w), for a matrix w of f32 that is known when the model is compiled
private let findLinear = Rule("find-linear") { root in
  guard case .matmul(let x, let weight) = root.op, weight.type.rank == 2,
    x.type.element == .f32, weight.isWeightExpression, !x.isWeightExpression,
    let columns = weight.type.shape[1].constant
  else { return nil }
  return .node(.linear(x, weight: weight, columns: columns, epilogues: [], tile: nil))
}

/// linear(x) + bias ⟶ linear(x, bias), for one number per column
private let absorbBias = Rule("absorb-bias") { (root) throws(NearMiss) in
  for (product, bias) in root.commuted(.add) {
    guard case .linear(_, _, let columns, _, _) = product.op, product.takesEpilogues,
      product.type == root.type, bias.isVector(of: Dim(columns))
    else { continue }
    return try product.absorbing(.bias(.reshaped(bias, [Dim(columns)])))
  }
  return nil
}

/// scale(linear(x), c) ⟶ linear(x, scale c); here and below `experts` like `linear`
private let absorbScale = Rule("absorb-scale") { (root) throws(NearMiss) in
  guard case .scale(let product, let factor) = root.op, product.takesEpilogues else { return nil }
  return try product.absorbing(.scale(factor))
}

/// f(linear(x)) ⟶ linear(x, f)
private let absorbActivation = Rule("absorb-activation") { (root) throws(NearMiss) in
  guard case .unary(let function, let product) = root.op, product.takesEpilogues,
    function.isActivation
  else { return nil }
  return try product.absorbing(.activation(function))
}

/// linear(x) + r ⟶ linear(x, residual r), for r of the same type
private let absorbResidual = Rule("absorb-residual") { (root) throws(NearMiss) in
  let readings = root.commuted(.add)
    .filter { $0.takesEpilogues && $0.type == root.type && $1.type == root.type && $0 != $1 }
  guard let (product, other) = readings.preferred else { return nil }
  return try product.absorbing(.residual(.old(other)))
}

/// linear(x) × g ⟶ linear(x, gate g), for g of the same type
private let absorbGate = Rule("absorb-gate") { (root) throws(NearMiss) in
  let readings = root.commuted(.multiply)
    .filter { $0.takesEpilogues && $0.type == root.type && $1.type == root.type && $0 != $1 }
  guard let (product, other) = readings.preferred else { return nil }
  return try product.absorbing(.gate(.old(other)))
}

extension [(Value, Value)] {
  /// Of two products that could absorb each other, the one that runs last and is used only here.
  fileprivate var preferred: (Value, Value)? {
    filter { $0.0.uses == 1 }.max { $0.0.id < $1.0.id } ?? first
  }
}

extension Value {
  /// Whether the node is a product by weights that can have one more epilogue: nothing follows a cast.
  var takesEpilogues: Bool {
    switch op {
    case .linear(_, _, _, let epilogues, _), .experts(_, _, _, _, _, let epilogues, _):
      if case .cast? = epilogues.last { false } else { true }
    default: false
    }
  }

  /// The product with one more epilogue.
  fileprivate func absorbing(_ epilogue: Epilogue<Expression>) throws(NearMiss) -> Expression {
    guard takesEpilogues else { return .old(self) }
    guard uses == 1 else { throw NearMiss("the product \(id) is used \(uses) times") }
    switch op.map(Expression.old) {
    case .linear(let x, let weight, let columns, let epilogues, let tile):
      return .new(
        .linear(
          x, weight: weight, columns: columns, epilogues: epilogues + [epilogue], tile: tile))
    case .experts(let x, let chosen, let weight, let count, let columns, let epilogues, let tile):
      return .new(
        .experts(
          x, chosen: chosen, weight: weight, count: count, columns: columns,
          epilogues: epilogues + [epilogue], tile: tile))
    default: return .old(self)
    }
  }
}

extension Unary {
  /// Whether the function is one that layers apply to a product, of floating-point elements.
  fileprivate var isActivation: Bool {
    switch self {
    case .relu, .gelu, .geluTanh, .silu, .tanh, .sigmoid: true
    case .negate, .absolute, .exp, .log, .sqrt, .rsqrt, .sin, .cos, .erf, .floor, .not: false
    }
  }
}
