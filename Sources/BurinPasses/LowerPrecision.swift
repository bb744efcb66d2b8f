import BurinIR

/// In what a model's products multiply; everything else stays f32.
public enum Precision: String, Sendable, CaseIterable {
  /// Products of f32, whatever the weights are stored in.
  case f32
  /// Weights are rounded to bf16, and activations where that makes the product faster; products are
  /// added up in f32.
  case bf16
  /// Weights are 8 bits in blocks of 32 terms with one bf16 scale (`w8`), activations i8 in such blocks
  /// with one f32 scale (`r8`).
  case int8
  /// Weights are 4 bits in blocks of 32 terms with one f16 scale (`w4`), activations as with `int8`;
  /// first and last products, and tables that embeddings share with them, are `w8`.
  case int4

  /// How many bytes a product's weight takes.
  public var bytesPerWeight: Double {
    switch self {
    case .f32: 4
    case .bf16: 2
    case .int8: 34.0 / 32
    case .int4: 18.0 / 32
    }
  }
}

extension Pass {
  /// Products multiply in a narrower type. What follows a product stays f32, and so do norms,
  /// softmax, and embeddings unless their table is large or a product shares it. An encoder's attention multiplies
  /// pairs of bf16, whatever the precision, where there are instructions for them and its heads are
  /// wide enough.
  ///
  /// After `fuse-projections`, so that one rounding serves all of them, and before `pack-weights`,
  /// since a type has its own panels. With bf16 the first products of a model, which no other
  /// precedes, stay f32 too: on small random models that takes a third off the largest error, and it
  /// is a few hundredths of the work. Blocks, which are turned before they are rounded, lose nothing
  /// there that could be measured. A product whose terms do not fill pairs of bf16 or blocks stays
  /// f32, and so does one that chooses experts.
  ///
  /// - Parameter roundsActivations: whether the left side becomes bf16 too, as instructions that
  ///   multiply pairs need it. Without them the weights take half the memory, and the product is
  ///   that of f32.
  public static func lowerPrecision(to precision: Precision, roundsActivations: Bool) -> Pass {
    Pass("lower-precision") { program in
      let attention = roundsActivations ? [lowerAttention] : []
      return switch precision {
      case .f32: []
      case .bf16:
        [
          lowerProduct(to: .bf16, times: roundsActivations ? .bf16 : .f32),
          lowerExperts(to: .bf16, times: roundsActivations ? .bf16 : .f32),
          lowerTable(to: .bf16, TiedTables(program)),
        ] + attention
      case .int8:
        [
          lowerProduct(to: .w8, times: .r8),
          lowerExperts(to: .w8, times: .r8),
          lowerTable(to: .w8, TiedTables(program)),
        ] + attention
      case .int4:
        [
          lowerProduct(to: .w4, times: .r8),
          lowerExperts(to: .w4, times: .r8),
          lowerTable(to: .w8, TiedTables(program)),
        ] + attention
      }
    }
  }
}

extension Pass {
  /// What products and norms are rounded to is rounded before it is stored.
  public static let fuseCasts = Pass(
    "fuse-casts",
    rules: [castBeforeView, absorbCast, castOfNorm, normBesideCast, castOfSum, sumBesideCast])
}

/// cast(view(x)) ⟶ view(cast(x)), if all that becomes of x is rounded to bf16
///
/// The casts of queries, keys and values then become one, of the product that they are slices of.
private let castBeforeView = Rule("cast-before-view") { root in
  guard case .cast(let view, .bf16) = root.op, view.type.element == .f32 else { return nil }
  switch view.op {
  case .reshape(let x, let shape) where x.isRounded:
    return .new(.reshape(.node(.cast(x, to: .bf16)), shape))
  case .slice(let x, let axis, let start, let count) where x.isRounded:
    return .new(.slice(.node(.cast(x, to: .bf16)), axis: axis, start: start, count: count))
  default: return nil
  }
}

/// cast(linear(x)) ⟶ linear(x, cast)
private let absorbCast = Rule("absorb-cast") { (root) throws(NearMiss) in
  guard case .cast(let product, let element) = root.op, element.isCastOfProducts,
    case .linear(let x, let weight, let columns, let epilogues, let tile) = product.op,
    product.type.element == .f32
  else { return nil }
  guard product.uses == 1 else {
    throw NearMiss("the product \(product.id) is used \(product.uses) times")
  }
  return .node(
    .linear(
      x, weight: weight, columns: columns, epilogues: epilogues + [.cast(element)], tile: tile))
}

/// cast(norm(x)) ⟶ norm(x, cast), or part(norm_and_cast(x), 1) if the norm has other users
private let castOfNorm = Rule("cast-of-norm") { root in
  guard case .cast(let normed, let element) = root.op, element == normed.castOfRows,
    case .norm(let x, var norm) = normed.op, norm.cast == nil
  else { return nil }
  norm.cast = element
  return normed.uses == 1
    ? .node(.norm(x, norm)) : .new(.part(.node(.normAndCast(x, norm)), 1))
}

/// norm(x) beside cast(norm(x)) ⟶ part(norm_and_cast(x), 0)
private let normBesideCast = Rule("norm-beside-cast") { root in
  guard case .norm(let x, var norm) = root.op, norm.cast == nil, root.uses > 1,
    let element = root.castOfRows
  else { return nil }
  norm.cast = element
  return .new(.part(.node(.normAndCast(x, norm)), 0))
}

/// cast(part(add_norm(x, r), 1)) ⟶ part(add_norm(x, r, cast), 1), if all that becomes of it is rounded
private let castOfSum = Rule("cast-of-sum") { (root) throws(NearMiss) in
  guard case .cast(let normed, let element) = root.op, element == normed.castOfRows,
    case .part(let both, 1) = normed.op, case .addNorm(let x, let residual, var norm) = both.op,
    norm.cast == nil
  else { return nil }
  guard normed.uses == 1 else {
    throw NearMiss("the norm \(normed.id) is used \(normed.uses) times")
  }
  norm.cast = element
  return .new(.part(.node(.addNorm(x, residual: residual, norm)), 1))
}

/// part(add_norm(x, r), 0) beside that ⟶ part(add_norm(x, r, cast), 0)
private let sumBesideCast = Rule("sum-beside-cast") { root in
  guard case .part(let both, 0) = root.op, case .addNorm(let x, let residual, var norm) = both.op,
    norm.cast == nil,
    let normed = both.users.first(where: { if case .part(_, 1) = $0.op { true } else { false } }),
    normed.uses == 1, let element = normed.castOfRows
  else { return nil }
  norm.cast = element
  return .new(.part(.node(.addNorm(x, residual: residual, norm)), 0))
}

/// linear(x, w) ⟶ linear(cast(x), cast(wᵀ)ᵀ)
private func lowerProduct(to narrow: ElementType, times left: ElementType) -> Rule {
  Rule("lower-product") { (root) throws(NearMiss) in
    guard case .linear(let x, let weight, let columns, let epilogues, let tile) = root.op,
      weight.type.element == .f32, weight.type.rank == 2, weight.isWeightExpression
    else { return nil }
    guard narrow != .bf16 || x.followsProduct else {
      throw NearMiss("it is the first product, and everything after it would see its rounding")
    }
    guard !root.choosesExperts else {
      throw NearMiss("it chooses experts, and a choice that tips over is no small error")
    }
    let isBetween = narrow != .w4 || x.followsProduct && root.precedesProduct
    let element = isBetween ? narrow : .w8
    guard weight.fills(element, axis: 0) else {
      throw NearMiss(
        "the product has \(weight.type.shape[0]) terms, no multiple of \(element.unit)")
    }
    return .new(
      .linear(
        left == x.type.element ? .old(x) : .node(.cast(x, to: left)),
        weight: weight.lowered(to: element), columns: columns,
        epilogues: epilogues.map { $0.map(Expression.old) }, tile: tile))
  }
}

/// experts(x, w) ⟶ experts(cast(x), cast(wᵀ)ᵀ)
private func lowerExperts(to element: ElementType, times left: ElementType) -> Rule {
  Rule("lower-experts") { (root) throws(NearMiss) in
    guard
      case .experts(
        let x, let chosen, let weight, let count, let columns, let epilogues, let tile) = root.op,
      weight.type.element == .f32, weight.type.rank == 2, weight.isWeightExpression
    else { return nil }
    guard weight.fills(element, axis: 0) else {
      throw NearMiss(
        "the product has \(weight.type.shape[0]) terms, no multiple of \(element.unit)")
    }
    return .new(
      .experts(
        left == x.type.element ? .old(x) : .node(.cast(x, to: left)), chosen: .old(chosen),
        weight: weight.lowered(to: element), count: count, columns: columns,
        epilogues: epilogues.map { $0.map(Expression.old) }, tile: tile))
  }
}

/// attention(q, k, v) ⟶ attention(cast(q), cast(k), cast(v)), where whole sequences attend to
/// themselves, as in an encoder
///
/// A decoder's attention stays f32: one query reads from a cache what a whole prompt computes, and both
/// have to be the same. So do heads narrower than 32, as in tiny models of random weights: there the
/// rounding of scores took the error beyond 2e-2 of the largest value.
private let lowerAttention = Rule("lower-attention") { (root) throws(NearMiss) in
  guard case .attention(let query, let key, let value, let scores, let tile) = root.op,
    query.type.element == .f32, key.type.element == .f32, value.type.element == .f32
  else { return nil }
  guard query.type.shape[1] == key.type.shape[1], !scores.isCausal else {
    throw NearMiss("its queries do not attend to all of their own sequence")
  }
  guard let width = query.type.shape[3].constant, width >= 32, width % 2 == 0 else {
    throw NearMiss("its heads are \(query.type.shape[3]) wide, and not 32 or more in pairs")
  }
  return .new(
    .attention(
      query: .node(.cast(query, to: .bf16)), key: .node(.cast(key, to: .bf16)),
      value: .node(.cast(value, to: .bf16)), scores: scores.map(Expression.old), tile: tile))
}

extension Scores {
  fileprivate var isCausal: Bool {
    masks.contains { if case .causal = $0 { true } else { false } }
  }
}

/// embedding(table) ⟶ embedding(cast(table)), if a product has the weight tableᵀ, so that the table is
/// stored once, or if the table is large
///
/// A word's row loses as little as a product's weight does, and a table of words is often half of a
/// small model. Tables of positions and of token types are not worth it.
private func lowerTable(to element: ElementType, _ tied: TiedTables) -> Rule {
  Rule("lower-table") { root in
    guard case .embedding(let table, let indices, let rows) = root.op,
      table.type.element == .f32, table.type.rank == 2, table.isWeightExpression,
      tied.contains(table) || table.type.count.minimum >= 1 << 20, table.fills(element, axis: 1)
    else { return nil }
    return .new(
      .embedding(table: .node(.cast(table, to: element)), indices: .old(indices), rows: rows))
  }
}

extension ElementType {
  /// Of how many terms a product must have a multiple.
  var unit: Int { max(block, termsPerGroup) }
}

extension Value {
  /// Whether the value depends on a product.
  fileprivate var followsProduct: Bool { reachesProduct([self]) { $0.op.operands } }

  /// Whether a product depends on the value.
  fileprivate var precedesProduct: Bool { reachesProduct(users) { $0.users } }

  private func reachesProduct(_ start: [Value], _ next: (Value) -> [Value]) -> Bool {
    var pending = start
    var seen: Set<Value> = []
    while let value = pending.popLast() {
      switch value.op {
      case .linear, .experts, .matmul, .attention: return true
      default: if seen.insert(value).inserted { pending += next(value) }
      }
    }
    return false
  }

  /// Whether all that becomes of the value is rounded to bf16, perhaps after it has been cut up.
  fileprivate var isRounded: Bool {
    !users.isEmpty
      && users.allSatisfy { user in
        switch user.op {
        case .cast(_, .bf16): true
        case .slice, .reshape: user.isRounded
        default: false
        }
      }
  }

  /// The first type that the value is rounded to and that a kernel over rows can round to as it stores.
  fileprivate var castOfRows: ElementType? {
    guard type.element == .f32, let width = type.shape.last else { return nil }
    for case .cast(_, let element) in users.map(\.op) where element.isCastOfRows(of: width) {
      return element
    }
    return nil
  }

  /// Whether the largest of these values decide which experts are used.
  fileprivate var choosesExperts: Bool {
    users.contains { user in
      switch user.op {
      case .topK: true
      case .softmax, .unary, .scale, .reshape: user.choosesExperts
      default: false
      }
    }
  }

  /// Whether the extent is made of whole groups or blocks.
  func fills(_ element: ElementType, axis: Int) -> Bool {
    type.shape[axis].dividedExactly(by: Dim(element.unit)) != nil
  }

  /// The weight cast with its terms along the last axis: so blocks run along them, and a table looks
  /// the same to the product and to the embedding that share it.
  fileprivate func lowered(to element: ElementType) -> Expression {
    let rows: Expression =
      if case .transpose(let table, [1, 0]) = op {
        .old(table)
      } else {
        .node(.transpose(self, permutation: [1, 0]))
      }
    return .new(.transpose(.new(.cast(rows, to: element)), permutation: [1, 0]))
  }
}
