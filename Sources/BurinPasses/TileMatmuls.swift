import BurinIR

/// A level of the x86-64 instruction set, as far as schedules know it.
public enum InstructionLevel: String, Sendable, CaseIterable {
  /// Nothing is known: SSE2, or another architecture.
  case generic
  /// AVX2 and FMA: 16 registers of 8 lanes.
  case v3
  /// AVX-512: 32 registers of 16 lanes.
  case v4
}

extension Pass {
  /// Gives every product and attention that has none its schedule: the one that was chosen for its
  /// kernel, or else that of the cost model, tables of what was measured.
  public static func tileMatmuls(
    for level: InstructionLevel, schedules: Schedules = Schedules()
  ) -> Pass {
    Pass(
      "tile-matmuls",
      rules: [
        tileLinear(level, schedules), tileExperts(level, schedules),
        tileAttention(level, schedules),
      ])
  }
}

/// Rows and vectors of 16 columns of the micro-kernel, `Runtime/kernels/tile.h`: as many sums as the
/// registers hold beside the operands.
private func microKernel(_ level: InstructionLevel) -> (rows: Int, vectors: Int) {
  switch level {
  case .v4: (8, 2)
  case .v3, .generic: (6, 1)
  }
}

/// The schedule of a product of rows of so many bytes: a block is as many rows as fill 6 MiB, which
/// the last cache keeps while the panels pass by; blocks of fewer rows read the weights more often.
private func linearTile(_ level: InstructionLevel, rowBytes: Int) -> LinearTile {
  let (rows, vectors) = microKernel(level)
  let block = (6 << 20) / max(1, rowBytes) / 64 * 64
  return LinearTile(rows: rows, vectors: vectors, rowBlock: max(64, min(4096, block)))
}

/// The schedule of attention: 64 queries and the scores of a chunk of keys fit the second-level
/// cache of every level.
private func attentionTile(_ level: InstructionLevel) -> AttentionTile {
  let (rows, vectors) = microKernel(level)
  return AttentionTile(queries: 64, rows: rows, vectors: vectors)
}

/// linear(...) ⟶ linear(..., tile)
private func tileLinear(_ level: InstructionLevel, _ schedules: Schedules) -> Rule {
  Rule("tile-linear") { root in
    guard case .linear(let x, let weight, let columns, let epilogues, nil) = root.op,
      let depth = x.type.shape.last?.maximum
    else { return nil }
    return .node(
      .linear(
        x, weight: weight, columns: columns, epilogues: epilogues,
        tile: root.chosen(among: schedules)?.linear
          ?? linearTile(level, rowBytes: depth * x.type.element.bytes)))
  }
}

/// experts(...) ⟶ experts(..., tile)
private func tileExperts(_ level: InstructionLevel, _ schedules: Schedules) -> Rule {
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
          ?? linearTile(level, rowBytes: depth * x.type.element.bytes)))
  }
}

/// attention(...) ⟶ attention(..., tile)
private func tileAttention(_ level: InstructionLevel, _ schedules: Schedules) -> Rule {
  Rule("tile-attention") { root in
    guard case .attention(let query, let key, let value, let scores, nil) = root.op else {
      return nil
    }
    return .node(
      .attention(
        query: query, key: key, value: value, scores: scores,
        tile: root.chosen(among: schedules)?.attention ?? attentionTile(level)))
  }
}
