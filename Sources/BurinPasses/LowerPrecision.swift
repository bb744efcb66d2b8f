import BurinIR

/// In what a model's products multiply; everything else stays f32.
public enum Precision: String, Sendable, CaseIterable {
  case f32
  /// Weights are rounded to bf16, and activations where that makes the product faster; products are
  /// added up in f32.
  case bf16

  /// How many bytes a product's weight takes.
  public var bytesPerWeight: Double {
    switch self {
    case .f32: 4
    case .bf16: 2
    }
  }
}

extension Pass {
  /// Products multiply in a narrower type. What follows a product stays f32, and so do norms,
  /// attention, softmax, and embeddings unless a product shares their table.
  ///
  /// After `fuse-projections`, so that one rounding serves all of them, and before `pack-weights`,
  /// since a type has its own panels. The first products of a model, which no other precedes, stay
  /// f32 too: on small random models that takes a third off the largest error, and it is a few
  /// hundredths of the work. So does a product of an odd number of terms, because bf16 comes in pairs.
  ///
  /// - Parameter roundsActivations: whether the left side becomes bf16 too, as instructions that
  ///   multiply pairs need it. Without them the weights take half the memory, and the product is
  ///   that of f32.
  public static func lowerPrecision(to precision: Precision, roundsActivations: Bool) -> Pass {
    Pass("lower-precision") { program in
      switch precision {
      case .f32: []
      case .bf16: [lowerProduct(roundsActivations), lowerTable(TiedTables(program))]
      }
    }
  }
}

/// linear(x, w) ⟶ linear(cast(x, bf16), cast(w, bf16)), or with x as it is
private func lowerProduct(_ roundsActivations: Bool) -> Rule {
  Rule("lower-product") { (root) throws(NearMiss) in
    guard case .linear(let x, let weight, let columns, let epilogues, let tile) = root.op,
      weight.type.element == .f32, weight.type.rank == 2
    else { return nil }
    guard x.followsProduct else {
      throw NearMiss("it is the first product, and everything after it would see its rounding")
    }
    guard weight.hasPairs(axis: 0) else {
      throw NearMiss("the product has \(weight.type.shape[0]) terms, and bf16 comes in pairs")
    }
    return .new(
      .linear(
        roundsActivations ? .node(.cast(x, to: .bf16)) : .old(x), weight: weight.lowered,
        columns: columns, epilogues: epilogues.map { $0.map(Expression.old) }, tile: tile))
  }
}

/// embedding(table) ⟶ cast(embedding(cast(table, bf16)), f32), if a product has the weight tableᵀ, so
/// that the table is stored once
private func lowerTable(_ tied: TiedTables) -> Rule {
  Rule("lower-table") { root in
    guard case .embedding(let table, let indices, let rows) = root.op,
      table.type.element == .f32, table.type.rank == 2, tied.contains(table),
      table.hasPairs(axis: 1)
    else { return nil }
    return .new(
      .cast(.new(.embedding(table: table.lowered, indices: .old(indices), rows: rows)), to: .f32))
  }
}

extension Value {
  /// Whether the value depends on a product.
  fileprivate var followsProduct: Bool {
    var pending = [self]
    var seen: Set<Value> = []
    while let value = pending.popLast() {
      switch value.op {
      case .linear, .matmul, .attention: return true
      default: if seen.insert(value).inserted { pending += value.op.operands }
      }
    }
    return false
  }

  /// Whether the extent is even.
  fileprivate func hasPairs(axis: Int) -> Bool {
    type.shape[axis].dividedExactly(by: 2) != nil
  }

  /// The weight rounded to bf16, before it is transposed: so a table looks the same to the product
  /// and to the embedding that share it.
  fileprivate var lowered: Expression {
    if case .transpose(let table, let permutation) = op {
      return .new(.transpose(.node(.cast(table, to: .bf16)), permutation: permutation))
    }
    return .node(.cast(self, to: .bf16))
  }
}
