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
private func linearTile(_ level: InstructionLevel, columns: Int) -> LinearTile {
  switch (level, columns) {
  case (.v4, 17...): LinearTile(rows: 8, vectors: 2, rowBlock: 128)
  case (.v4, _): LinearTile(rows: 8, vectors: 1, rowBlock: 128)
  case (.v3, _): LinearTile(rows: 6, vectors: 1, rowBlock: 96)
  case (.generic, _): LinearTile(rows: 4, vectors: 1, rowBlock: 96)
  }
}

/// The micro-kernel of attention, and how many queries share a pass over the keys.
private func attentionTile(_ level: InstructionLevel, width: Int) -> AttentionTile {
  switch (level, width) {
  case (.v4, _): AttentionTile(queries: 64, rows: 8, vectors: 2)
  case (.v3, _): AttentionTile(queries: 48, rows: 6, vectors: 1)
  case (.generic, _): AttentionTile(queries: 32, rows: 4, vectors: 1)
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
        tile: linearTile(level, columns: columns)))
  }
}

/// attention(...) ⟶ attention(..., tile)
private func tileAttention(_ level: InstructionLevel) -> Rule {
  Rule("tile-attention") { root in
    guard case .attention(let query, let key, let value, let scores, nil) = root.op else {
      return nil
    }
    let width = query.type.shape[3].maximum
    return .node(
      .attention(
        query: query, key: key, value: value, scores: scores,
        tile: attentionTile(level, width: width)))
  }
}
