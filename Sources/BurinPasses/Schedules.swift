import BurinIR

/// Schedules that were chosen for some kernels by measuring; all others have those of the tables.
public struct Schedules: Hashable, Sendable {
  /// By kernel, as `Op.kernelLine` spells it.
  public var chosen: [String: Schedule]

  /// Schedules by the IR's line of their kernels, with types in place of operands.
  public init(_ chosen: [String: Schedule] = [:]) { self.chosen = chosen }
}

extension Op where Operand == TensorType {
  /// What tells a kernel from others, whatever its schedule: the IR's line with types in place of
  /// operands.
  public func kernelLine(result: ValueType) -> String {
    "\(scheduled(nil).text) : \(result)"
  }
}

extension Value {
  /// The schedule that was chosen for this node's kernel.
  func chosen(among schedules: Schedules) -> Schedule? {
    if schedules.chosen.isEmpty { return nil }
    return schedules.chosen[op.map(\.type).kernelLine(result: .tensor(type))]
  }
}

extension Schedule {
  /// The schedules worth measuring for an operation that has this one, which comes first.
  public func candidates(for op: Op<TensorType>) -> [Schedule] {
    switch (self, op) {
    case (.linear(let tile), .linear(let x, _, let columns, _, _)):
      tile.candidates(rows: x.rowCount, panels: (columns + 31) / 32).map { .linear($0) }
    case (.linear(let tile), .experts(let x, _, _, _, _, _, _)):
      tile.candidates(rows: x.rowCount, panels: 1).map { .linear($0) }
    case (.attention(let tile), .attention(let query, let key, let value, _, _)):
      tile.candidates(query: query, key: key, value: value).map { .attention($0) }
    default: [self]
    }
  }
}

extension TensorType {
  /// All extents but the last one, at most.
  fileprivate var rowCount: Int { shape.dropLast().product.maximum }
}

extension LinearTile {
  /// - Cut into tiles of equal height, no tile has a single row, whose few sums leave the multipliers
  ///   waiting.
  /// - Several panels at a time read rows less often and panels more often; all panels at a time split
  ///   the rows among the threads instead of the columns.
  /// - Smaller blocks of rows stay in a nearer cache.
  fileprivate func candidates(rows count: Int, panels all: Int) -> [LinearTile] {
    var found = [self]
    func add(_ change: (inout LinearTile) -> Void) {
      var tile = self
      change(&tile)
      if !found.contains(tile) { found.append(tile) }
    }
    if count > 6 {
      add { $0.isEven = true }
      for panels in [2, 4, all] where panels <= all { add { $0.panels = panels } }
    }
    for block in [64, 256] where block < min(rowBlock, count) { add { $0.rowBlock = block } }
    return found
  }
}

extension AttentionTile {
  /// Fewer queries at a time are more tasks for the threads, more queries find their keys' pages once
  /// for all; multiples of 16, some of them of 6 too, of which a micro-kernel may have its rows.
  fileprivate func candidates(
    query: TensorType, key: TensorType, value: TensorType
  ) -> [AttentionTile] {
    guard let heads = query.shape[2].constant, let groups = key.shape[2].constant,
      let width = query.shape[3].constant, let valueWidth = value.shape[3].constant
    else { return [self] }
    let most = query.shape[1].maximum * heads / groups
    // What a task holds of its rows shall not fill the second-level cache.
    let room = (256 << 10) / (4 * (width + valueWidth))
    let others = [16, 32, 48, 96, 128].filter { $0 != queries && $0 <= room }
    return [self]
      + others.filter { min($0, queries) < most }.map(AttentionTile.init(queries:))
  }
}
