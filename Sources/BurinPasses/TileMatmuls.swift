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
  /// Gives every product and attention that has none its schedule, from tables of what was measured.
  public static func tileMatmuls(for level: InstructionLevel) -> Pass {
    Pass("tile-matmuls", rules: [tileLinear(level), tileAttention(level)])
  }
}

/// The micro-kernel of a product: as many accumulators as registers hold beside the operands.
///
/// Vectors are of 16 columns whatever the register's width, and two of them are a panel.
private func linearTile(_ level: InstructionLevel) -> LinearTile {
  switch level {
  case .v4: LinearTile(rows: 8, vectors: 2, rowBlock: 128)
  case .v3: LinearTile(rows: 6, vectors: 1, rowBlock: 96)
  case .generic: LinearTile(rows: 4, vectors: 1, rowBlock: 96)
  }
}

/// The micro-kernel of attention, and how many queries share a pass over the keys.
private func attentionTile(_ level: InstructionLevel) -> AttentionTile {
  switch level {
  case .v4: AttentionTile(queries: 64, rows: 8, vectors: 2)
  case .v3: AttentionTile(queries: 48, rows: 6, vectors: 1)
  case .generic: AttentionTile(queries: 32, rows: 4, vectors: 1)
  }
}

/// linear(...) ⟶ linear(..., tile)
private func tileLinear(_ level: InstructionLevel) -> Rule {
  Rule("tile-linear") { root in
    guard case .linear(let x, let weight, let columns, let epilogues, nil) = root.op else {
      return nil
    }
    return .node(
      .linear(
        x, weight: weight, columns: columns, epilogues: epilogues,
        tile: linearTile(level)))
  }
}

/// attention(...) ⟶ attention(..., tile)
private func tileAttention(_ level: InstructionLevel) -> Rule {
  Rule("tile-attention") { root in
    guard case .attention(let query, let key, let value, let scores, nil) = root.op else {
      return nil
    }
    return .node(
      .attention(
        query: query, key: key, value: value, scores: scores,
        tile: attentionTile(level)))
  }
}
