import BurinIR

extension Pass {
  /// Normalisations that a model spells out, as the one operation that they are; then an addition
  /// and the normalisation of its sum in one pass over the row.
  ///
  /// After `fuse-linear`, which prefers to add the residual in the product that it belongs to.
  public static let fuseNormalization = Pass(
    "fuse-normalization",
    rules: [
      findLayerNorm, findRootMeanSquareNorm, absorbScale, absorbBias, normOfAdd, addBesideNorm,
    ])
}

/// (x − mean(x)) × rsqrt(mean((x − mean(x))²) + ε) ⟶ norm(x), over the last axis
private let findLayerNorm = Rule("find-layer-norm") { root in
  guard let (centred, epsilon) = root.dividedByRootOfMeanSquare,
    case .binary(.subtract, let x, let mean) = centred.op,
    case .reduce(.mean, x, let axes) = mean.op, axes == [x.type.rank - 1], x.type == root.type
  else { return nil }
  return .node(.norm(x, Norm(.layer, scale: nil, bias: nil, epsilon: epsilon)))
}

/// x × rsqrt(mean(x²) + ε) ⟶ norm(x), over the last axis
private let findRootMeanSquareNorm = Rule("find-rms-norm") { root in
  guard let (x, epsilon) = root.dividedByRootOfMeanSquare, x.type == root.type else { return nil }
  if case .binary(.subtract, let y, let mean) = x.op, case .reduce(.mean, y, _) = mean.op {
    return nil
  }
  return .node(.norm(x, Norm(.rms, scale: nil, bias: nil, epsilon: epsilon)))
}

/// norm(x) × scale ⟶ norm(x, scale)
private let absorbScale = Rule("absorb-norm-scale") { root in
  for (normed, vector) in root.commuted(.multiply) {
    guard case .norm(let x, var norm) = normed.op, norm.scale == nil, norm.bias == nil,
      normed.uses == 1, normed.type == root.type, let vector = vector.asVector(like: root)
    else { continue }
    norm.scale = vector
    return .node(.norm(x, norm))
  }
  return nil
}

/// norm(x, scale) + bias ⟶ norm(x, scale, bias)
private let absorbBias = Rule("absorb-norm-bias") { root in
  for (normed, vector) in root.commuted(.add) {
    guard case .norm(let x, var norm) = normed.op, norm.kind == .layer, norm.bias == nil,
      normed.uses == 1, normed.type == root.type, let vector = vector.asVector(like: root)
    else { continue }
    norm.bias = vector
    return .node(.norm(x, norm))
  }
  return nil
}

/// norm(x + r) ⟶ part(add_norm(x, r), 1)
private let normOfAdd = Rule("norm-of-add") { (root) throws(NearMiss) in
  guard case .norm(let sum, let norm) = root.op else { return nil }
  guard case .binary(.add, let x, let residual) = sum.op else {
    if case .linear(_, _, _, let epilogues, _) = sum.op, case .residual? = epilogues.last {
      throw NearMiss("the product before it adds the residual already")
    }
    return nil
  }
  guard x.type == residual.type else {
    throw NearMiss("\(x.type) and \(residual.type) differ, so the sum broadcasts")
  }
  guard root.isNorm(of: sum) else {
    throw NearMiss("its scale or bias is not known when the model is compiled")
  }
  guard sum.users.first(where: { $0.isNorm(of: sum) }) == root else {
    throw NearMiss("another normalisation of the same sum has taken it")
  }
  return .new(.part(.node(.addNorm(x, residual: residual, norm)), 1))
}

/// x + r beside norm(x + r) ⟶ part(add_norm(x, r), 0)
private let addBesideNorm = Rule("add-beside-norm") { root in
  guard case .binary(.add, let x, let residual) = root.op, x.type == residual.type, root.uses > 1,
    case .norm(_, let norm)? = root.users.first(where: { $0.isNorm(of: root) })?.op
  else { return nil }
  return .new(.part(.node(.addNorm(x, residual: residual, norm)), 0))
}

extension Value {
  /// Whether the node is a normalisation of `sum` whose scale and bias do not depend on it.
  fileprivate func isNorm(of sum: Value) -> Bool {
    guard case .norm(sum, let norm) = op else { return false }
    return [norm.scale, norm.bias].allSatisfy { $0?.isWeightExpression ?? true }
  }

  /// x and ε, if the node is x × rsqrt(mean(x²) + ε) or x ÷ √(mean(x²) + ε), over the last axis.
  fileprivate var dividedByRootOfMeanSquare: (x: Value, epsilon: Double)? {
    var readings = commuted(.multiply).map { ($0.0, $0.1, Unary.rsqrt) }
    if case .binary(.divide, let x, let root) = op { readings.append((x, root, .sqrt)) }
    for (x, root, function) in readings {
      guard case .unary(function, let sum) = root.op else { continue }
      for (mean, constant) in sum.commuted(.add) {
        guard let epsilon = constant.splat, epsilon >= 0,
          case .reduce(.mean, let square, let axes) = mean.op, axes == [x.type.rank - 1],
          case .binary(.multiply, x, x) = square.op
        else { continue }
        return (x, epsilon)
      }
    }
    return nil
  }

  /// The vector along the last axis of `whole` that the node is.
  fileprivate func asVector(like whole: Value) -> Value? {
    type.rank == 1 && type.shape == whole.type.shape.suffix(1) && type.element.isFloat ? self : nil
  }
}
