import BurinIR

extension Pass {
  /// Transposes cancel, merge, and sink below what does not care, so that they meet and cancel; a
  /// transposed weight is transposed when the model is compiled.
  ///
  /// After `fuse-attention`, which puts transposes around the operands and the result.
  public static let foldTransposes = Pass(
    "fold-transposes", rules: viewRules + [sinkThroughOne, sinkThroughTwo, cancelAcrossReshape])
}

/// f(transpose(x, p)) ⟶ transpose(f(x), p), for f of single elements or of rows that stay rows
private let sinkThroughOne = Rule("sink-transpose") { root in
  guard !root.isWeightExpression else { return nil }
  func sink(
    _ x: Value, keepingLast: Bool = false, _ make: (Expression) -> Op<Expression>
  ) -> Expression? {
    guard case .transpose(let y, let p) = x.op, x.uses == 1, !keepingLast || p.last == p.count - 1
    else { return nil }
    return .new(.transpose(.new(make(.old(y))), permutation: p))
  }
  switch root.op {
  case .unary(let function, let x): return sink(x) { .unary(function, $0) }
  case .scale(let x, let factor): return sink(x) { .scale($0, by: factor) }
  case .cast(let x, let element):
    return sink(x, keepingLast: element.block > 1) { .cast($0, to: element) }
  case .softmax(let x): return sink(x, keepingLast: true) { .softmax($0) }
  case .norm(let x, let norm):
    return sink(x, keepingLast: true) { .norm($0, norm.map(Expression.old)) }
  case .slice(let x, let axis, let start, let count):
    guard case .transpose(_, let p) = x.op else { return nil }
    return sink(x) { .slice($0, axis: p[axis], start: start, count: count) }
  case .reduce(let function, let x, let axes):
    guard case .transpose(_, let p) = x.op else { return nil }
    return sink(x) { .reduce(function, $0, axes: axes.map { p[$0] }.sorted()) }
  default: return nil
  }
}

/// f(transpose(x, p), transpose(y, p)) ⟶ transpose(f(x, y), p); the same with a y that looks alike
/// before and after p
private let sinkThroughTwo = Rule("sink-transpose-of-both") { root in
  guard !root.isWeightExpression, case .binary(let function, let x, let y) = root.op else {
    return nil
  }
  if case .transpose(let a, let p) = x.op, case .transpose(let b, p) = y.op {
    guard a.type.rank == b.type.rank, x.uses == 1 || y.uses == 1 || x == y else { return nil }
    return .new(.transpose(.node(.binary(function, a, b)), permutation: p))
  }
  if case .transpose(let a, let p) = x.op, x.uses == 1, y.isUnmoved(by: p) {
    return .new(.transpose(.node(.binary(function, a, y)), permutation: p))
  }
  if case .transpose(let b, let p) = y.op, y.uses == 1, x.isUnmoved(by: p) {
    return .new(.transpose(.node(.binary(function, x, b)), permutation: p))
  }
  return nil
}

/// transpose(reshape(transpose(x, p), s), q) ⟶ reshape(x), where the reshape only splits axes and
/// q undoes p on the parts
private let cancelAcrossReshape = Rule("cancel-transposes-across-reshape") { root in
  guard case .transpose(let reshaped, let q) = root.op,
    case .reshape(let inner, let shape) = reshaped.op, case .transpose(let x, let p) = inner.op,
    let parts = splits(of: inner.type.shape, into: shape)
  else { return nil }
  // The axes of the reshaped tensor in the order in which x has them.
  let original = p.indices.sorted { p[$0] < p[$1] }.flatMap { parts[$0] }
  return q == original ? .node(.reshape(x, root.type.shape)) : nil
}

/// For each axis of `shape` the axes of `finer` into which it is split, in order; `nil` if any axis
/// of `finer` spans two.
private func splits(of shape: [Dim], into finer: [Dim]) -> [[Int]]? {
  var parts: [[Int]] = []
  var next = 0
  for extent in shape {
    var part: [Int] = []
    var product: Dim = 1
    while product != extent || part.isEmpty {
      guard next < finer.count else { return nil }
      product = product * finer[next]
      part.append(next)
      next += 1
      guard extent.dividedExactly(by: product) != nil else { return nil }
    }
    parts.append(part)
  }
  guard finer[next...].allSatisfy({ $0 == 1 }), !parts.isEmpty else { return nil }
  parts[parts.count - 1] += Array(next..<finer.count)
  return parts
}

extension Value {
  /// Whether the node, as an operand that broadcasts, is the same to a tensor before and after its
  /// axes are permuted: it varies along axes only that stay where they are.
  fileprivate func isUnmoved(by permutation: [Int]) -> Bool {
    let added = permutation.count - type.rank
    guard added >= 0 else { return false }
    return type.shape.indices.allSatisfy {
      type.shape[$0] == 1 || permutation[$0 + added] == $0 + added
    }
  }
}
