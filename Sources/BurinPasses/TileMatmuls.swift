import BurinIR

extension Pass {
  /// Gives every product and attention that has none its schedule: the one that was chosen for its
  /// kernel, or else that of the cost model, which is the same for all instructions.
  public static func tileMatmuls(schedules: Schedules = Schedules()) -> Pass {
    Pass(
      "tile-matmuls",
      rules: [tileLinear(schedules), tileExperts(schedules), tileAttention(schedules)])
  }
}

/// The schedule of a product of rows of so many bytes: a block is as many rows as fill 6 MiB, which
/// the last cache keeps while the panels pass by; blocks of fewer rows read the weights more often.
private func linearTile(rowBytes: Int) -> LinearTile {
  LinearTile(rowBlock: max(64, min(4096, (6 << 20) / max(1, rowBytes) / 64 * 64)))
}

/// The schedule of attention: 64 queries and the scores of a chunk of keys fit the second-level cache.
private let attentionTile = AttentionTile(queries: 64)

/// linear(...) ⟶ linear(..., tile)
private func tileLinear(_ schedules: Schedules) -> Rule {
  Rule("tile-linear") { root in
    guard case .linear(let x, let weight, let columns, let epilogues, nil) = root.op,
      let depth = x.type.shape.last?.maximum
    else { return nil }
    return .node(
      .linear(
        x, weight: weight, columns: columns, epilogues: epilogues,
        tile: root.chosen(among: schedules)?.linear
          ?? linearTile(rowBytes: depth * x.type.element.bytes)))
  }
}

/// experts(...) ⟶ experts(..., tile)
private func tileExperts(_ schedules: Schedules) -> Rule {
  Rule("tile-experts") { root in
    guard
      case .experts(
        let x, let chosen, let weight, let count, let columns, let epilogues, nil) = root.op,
      let depth = x.type.shape.last?.maximum
    else { return nil }
    return .node(
      .experts(
        x, chosen: chosen, weight: weight, count: count, columns: columns, epilogues: epilogues,
        tile: root.chosen(among: schedules)?.linear
          ?? linearTile(rowBytes: depth * x.type.element.bytes)))
  }
}

/// attention(...) ⟶ attention(..., tile)
private func tileAttention(_ schedules: Schedules) -> Rule {
  Rule("tile-attention") { root in
    guard case .attention(let query, let key, let value, let scores, nil) = root.op else {
      return nil
    }
    return .node(
      .attention(
        query: query, key: key, value: value, scores: scores,
        tile: root.chosen(among: schedules)?.attention ?? attentionTile))
  }
}
