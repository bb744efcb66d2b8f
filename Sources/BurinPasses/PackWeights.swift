import BurinIR

extension Pass {
  /// Weights of products lie in panels, in which the kernels read them from end to end; a table of
  /// embeddings that is such a weight too, transposed, is looked up out of the same panels, and a table
  /// of blocks, for which there is no other layout, out of panels of its own.
  public static let packWeights = Pass("pack-weights") { program in
    let tied = TiedTables(program)
    return [packWeight, packExperts, packTable(tied)]
  }

  /// The columns of a panel, the same for every instruction set and number of rows.
  public static let panelWidth = 32
}

/// linear(x, w) ⟶ linear(x, pack(w)), for a w that is known when the model is compiled; here and below
private let packWeight = Rule("pack-weight") { root in
  guard case .linear(let x, let weight, let columns, let epilogues, let tile) = root.op,
    weight.type.rank == 2, weight.isWeightExpression
  else { return nil }
  return .new(
    .linear(
      .old(x), weight: .node(.pack(weight, width: Pass.panelWidth)), columns: columns,
      epilogues: epilogues.map { $0.map(Expression.old) }, tile: tile))
}

/// experts(x, w) ⟶ experts(x, pack(w)), where zeros fill the columns of each weight up to whole panels
private let packExperts = Rule("pack-experts") { root in
  guard
    case .experts(let x, let chosen, let weight, let count, let columns, let epilogues, let tile) =
      root.op, weight.type.rank == 2, weight.isWeightExpression
  else { return nil }
  return .new(
    .experts(
      .old(x), chosen: .old(chosen),
      weight: .new(
        .pack(weight.filled(count, of: columns, to: Pass.panelWidth), width: Pass.panelWidth)),
      count: count, columns: columns, epilogues: epilogues.map { $0.map(Expression.old) },
      tile: tile))
}

extension Value {
  /// `count` matrices of `columns` columns, side by side in this one, each with zeros behind it up to
  /// a multiple of `width`.
  fileprivate func filled(_ count: Int, of columns: Int, to width: Int) -> Expression {
    let missing = (width - columns % width) % width
    guard missing > 0 else { return .old(self) }
    // Inside of what turns and rounds the weight: so these stay outermost, where what writes weights
    // looks for them.
    if case .transpose(let table, [1, 0]) = op {
      if case .cast(let exact, let element) = table.op {
        let rounded = Expression.new(
          .cast(exact.filled(count, of: columns, by: missing, axis: 0), to: element))
        return .new(.transpose(rounded, permutation: [1, 0]))
      }
      return .new(
        .transpose(
          table.filled(count, of: columns, by: missing, axis: 0), permutation: [1, 0]))
    }
    return filled(count, of: columns, by: missing, axis: 1)
  }

  private func filled(_ count: Int, of extent: Int, by missing: Int, axis: Int) -> Expression {
    var shape = type.shape
    shape[axis] = Dim(missing)
    let zero = Expression.new(.constant(Literal(TensorType(type.element, []), [0])))
    let parts = (0..<count).flatMap { index in
      [
        Expression.node(
          .slice(self, axis: axis, start: Dim(index * extent), count: Dim(extent))),
        .new(.broadcast(zero, shape)),
      ]
    }
    return .new(.concat(parts, axis: axis))
  }
}

/// embedding(table) ⟶ embedding(pack(tableᵀ)), if some linear has the weight pack(tableᵀ), or if the
/// table is made of blocks
private func packTable(_ tied: TiedTables) -> Rule {
  Rule("pack-table") { root in
    guard case .embedding(let table, let indices, let rows) = root.op, table.type.rank == 2,
      table.isWeightExpression, tied.contains(table) || table.type.element.isTurned,
      table.type.shape[1].dividedExactly(by: Dim(table.type.element.termsPerGroup)) != nil
    else { return nil }
    let packed = Expression.new(
      .pack(.node(.transpose(table, permutation: [1, 0])), width: Pass.panelWidth))
    return .new(.embedding(table: packed, indices: .old(indices), rows: rows))
  }
}
