import BurinIR

extension Pass {
  /// Weights of products and tables of embeddings that the model's files store in bf16 or f16 stay so.
  ///
  /// Products multiply in f32 all the same: their weights are widened in registers, which is exact, so
  /// nothing but the place that they take changes. After `lower-precision`, which may round them to
  /// another type, and before `pack-weights`, since a type has its own panels.
  public static let keepNarrowWeights = Pass("keep-narrow-weights") { program in
    [keepProduct, keepExperts, keepTable(TiedTables(program)), dropRounding]
  }
}

/// linear(x, widened(w)) ⟶ linear(x, w), for x of f32; here and below `widened` is a cast to f32 of what
/// the files store, before or after it has been moved
private let keepProduct = Rule("keep-product") { (root) throws(NearMiss) in
  guard case .linear(let x, let weight, let columns, let epilogues, let tile) = root.op,
    x.type.element == .f32, let narrow = try weight.narrowWeight
  else { return nil }
  return .new(
    .linear(
      .old(x), weight: narrow, columns: columns,
      epilogues: epilogues.map { $0.map(Expression.old) },
      tile: tile))
}

/// experts(x, widened(w)) ⟶ experts(x, w)
private let keepExperts = Rule("keep-experts") { (root) throws(NearMiss) in
  guard
    case .experts(
      let x, let chosen, let weight, let count, let columns, let epilogues, let tile) = root.op,
    x.type.element == .f32, let narrow = try weight.narrowWeight
  else { return nil }
  return .new(
    .experts(
      .old(x), chosen: .old(chosen), weight: narrow, count: count, columns: columns,
      epilogues: epilogues.map { $0.map(Expression.old) }, tile: tile))
}

/// embedding(widened(table)) ⟶ embedding(table), unless a product shares the table and cannot take it so
private func keepTable(_ tied: TiedTables) -> Rule {
  Rule("keep-table") { root in
    guard case .embedding(let table, let indices, let rows) = root.op, table.type.rank == 2,
      let (narrow, element) = table.unwidened,
      !tied.contains(table) || table.fills(element, axis: 1)
    else { return nil }
    return .new(.embedding(table: narrow, indices: .old(indices), rows: rows))
  }
}

/// cast(widened(w : t), t) ⟶ w
private let dropRounding = Rule("drop-rounding") { root in
  guard case .cast(let x, let element) = root.op, let (narrow, stored) = x.unwidened,
    stored == element
  else { return nil }
  return narrow
}

extension Value {
  /// What a product can take instead of this weight of f32: the same numbers as the files store them.
  fileprivate var narrowWeight: Expression? {
    get throws(NearMiss) {
      guard type.rank == 2, let (narrow, element) = unwidened else { return nil }
      guard fills(element, axis: 0) else {
        throw NearMiss("the product has \(type.shape[0]) terms, no multiple of \(element.unit)")
      }
      return narrow
    }
  }

  /// The same numbers in the type that the files store them in, and that type; `nil` unless the value is
  /// f32 that was widened from one type, and perhaps moved.
  fileprivate var unwidened: (narrow: Expression, element: ElementType)? {
    guard isWeightExpression, type.element == .f32 else { return nil }
    switch op {
    case .cast(let x, .f32) where x.type.element == .bf16 || x.type.element == .f16:
      return (.old(x), x.type.element)
    case .transpose(let x, let permutation):
      return x.unwidened.map { (.new(.transpose($0, permutation: permutation)), $1) }
    case .reshape(let x, let shape):
      return x.unwidened.map { (.new(.reshape($0, shape)), $1) }
    case .slice(let x, let axis, let start, let count):
      return x.unwidened.map { (.new(.slice($0, axis: axis, start: start, count: count)), $1) }
    case .concat(let parts, let axis):
      let narrow = parts.compactMap(\.unwidened)
      guard let element = narrow.first?.element, narrow.count == parts.count,
        narrow.allSatisfy({ $0.element == element })
      else { return nil }
      return (.new(.concat(narrow.map(\.narrow), axis: axis)), element)
    default: return nil
    }
  }
}
