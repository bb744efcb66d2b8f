/// In which order an operation runs: what stands behind `tile:`. It never changes a bit of the result.
public enum Schedule: Hashable, Sendable {
  /// That of a product.
  case linear(LinearTile)
  /// That of attention.
  case attention(AttentionTile)

  /// That of a product, if it is one.
  public var linear: LinearTile? { if case .linear(let tile) = self { tile } else { nil } }

  /// That of attention, if it is one.
  public var attention: AttentionTile? { if case .attention(let tile) = self { tile } else { nil } }
}

extension Schedule: CustomStringConvertible {
  /// The schedule as the IR's text spells it: `rows 1024 panels 4 even`.
  public var description: String {
    switch self {
    case .linear(let tile): Tile(tile).text("rows")
    case .attention(let tile): Tile(block: tile.queries).text("queries")
    }
  }
}

extension Schedule {
  /// Reads what `description` spells; `nil` for anything else.
  public init?(_ text: String) {
    var words = text.split(separator: " ")[...]
    func number(_ word: Substring?) -> Int? {
      word.flatMap { Int($0) }.flatMap { (1...1 << 16).contains($0) ? $0 : nil }
    }
    guard let word = words.popFirst(), let block = number(words.popFirst()) else { return nil }
    if word == "queries" {
      self = .attention(AttentionTile(queries: block))
    } else {
      var tile = LinearTile(rowBlock: block)
      if words.first == "panels" {
        guard let panels = number(words.dropFirst().first) else { return nil }
        tile.panels = panels
        words = words.dropFirst(2)
      }
      if words.first == "even" {
        tile.isEven = true
        words.removeFirst()
      }
      self = .linear(tile)
    }
    // Whatever else could be read, only one spelling is.
    guard description == text else { return nil }
  }
}

extension Op {
  /// The schedule, of an operation that has one.
  public var schedule: Schedule? {
    switch self {
    case .linear(_, _, _, _, let tile), .experts(_, _, _, _, _, _, let tile):
      tile.map { .linear($0) }
    case .attention(_, _, _, _, let tile): tile.map { .attention($0) }
    default: nil
    }
  }

  /// The operation with another schedule, or without; one of another kind counts as none.
  public func scheduled(_ schedule: Schedule?) -> Op {
    switch self {
    case .linear(let x, let weight, let columns, let epilogues, _):
      .linear(
        x, weight: weight, columns: columns, epilogues: epilogues, tile: schedule?.linear)
    case .experts(let x, let chosen, let weight, let count, let columns, let epilogues, _):
      .experts(
        x, chosen: chosen, weight: weight, count: count, columns: columns, epilogues: epilogues,
        tile: schedule?.linear)
    case .attention(let query, let key, let value, let scores, _):
      .attention(
        query: query, key: key, value: value, scores: scores, tile: schedule?.attention)
    default: self
    }
  }
}
