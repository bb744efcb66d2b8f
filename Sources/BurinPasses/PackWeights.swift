import BurinIR

extension Pass {
  /// Weights of products lie in panels, in which the kernels read them from end to end; a table of
  /// embeddings that is such a weight too, transposed, is looked up out of the same panels.
  public static let packWeights = Pass("pack-weights") { program in
    let tied = TiedTables(program)
    return [packWeight, packTable(tied)]
  }

  /// The columns of a panel, the same for every instruction set and number of rows.
  public static let panelWidth = 32
}

/// linear(x, w) ⟶ linear(x, pack(w))
private let packWeight = Rule("pack-weight") { root in
  guard case .linear(let x, let weight, let columns, let epilogues, let tile) = root.op,
    weight.type.rank == 2
  else { return nil }
  return .new(
    .linear(
      .old(x), weight: .node(.pack(weight, width: Pass.panelWidth)), columns: columns,
      epilogues: epilogues.map { $0.map(Expression.old) }, tile: tile))
}

/// embedding(table) ⟶ embedding(pack(tableᵀ)), if some linear has the weight pack(tableᵀ)
private func packTable(_ tied: TiedTables) -> Rule {
  Rule("pack-table") { root in
    guard case .embedding(let table, let indices, let rows) = root.op, table.type.rank == 2,
      tied.contains(table),
      table.type.shape[1].dividedExactly(by: Dim(table.type.element.termsPerGroup)) != nil
    else { return nil }
    let packed = Expression.new(
      .pack(.node(.transpose(table, permutation: [1, 0])), width: Pass.panelWidth))
    return .new(.embedding(table: packed, indices: .old(indices), rows: rows))
  }
}
