extension TemplateValue {
  /// Whether two values are equal as in Python: numbers by value, dictionaries in any order.
  func isEqual(to other: TemplateValue) -> Bool {
    if let one = number, let two = other.number {
      if let one = integer, let two = other.integer { return one == two }
      return one == two
    }
    switch (self, other) {
    case (.undefined, .undefined), (.none, .none): return true
    case (.text(let one), .text(let two)): return one == two
    case (.list(let one), .list(let two)), (.tuple(let one), .tuple(let two)):
      return one.count == two.count && zip(one, two).allSatisfy { $0.isEqual(to: $1) }
    case (.dict(let one), .dict(let two)):
      return one.members.count == two.members.count
        && one.members.allSatisfy { member in
          TemplateDict.Key(member.key).flatMap { two[$0] }?.isEqual(to: member.value) ?? false
        }
    case (.namespace(let one), .namespace(let two)): return one === two
    case (.loop(let one), .loop(let two)): return one === two
    case (.macro(let one), .macro(let two)): return one === two
    case (.function(let one), .function(let two)): return one == two
    default: return false
    }
  }

  /// Whether this comes before another value; nil if they have no order.
  func isLess(than other: TemplateValue) -> Bool? {
    if let one = integer, let two = other.integer { return one < two }
    if let one = number, let two = other.number { return one < two }
    switch (self, other) {
    case (.text(let one), .text(let two)):
      return one.lexicographicallyPrecedes(two) { $0.value < $1.value }
    case (.list(let one), .list(let two)), (.tuple(let one), .tuple(let two)):
      for (left, right) in zip(one, two) where !left.isEqual(to: right) {
        return left.isLess(than: right)
      }
      return one.count < two.count
    default: return nil
    }
  }

  /// Whether it is among the elements of another value; nil if that has none.
  func isIn(_ other: TemplateValue) -> Bool? {
    switch other {
    case .text(let text):
      guard let part = scalars else { return nil }
      return part.isEmpty || text.firstPlace(of: part) != nil
    case .dict(let dict):
      // A tuple can be a key in Python, though not here.
      if case .tuple = self { return false }
      guard let key = TemplateDict.Key(self) else { return nil }
      return dict[key] != nil
    default:
      return other.elements?.contains { isEqual(to: $0) }
    }
  }
}

extension [Unicode.Scalar] {
  /// Where a part begins, from a place on; the part is not empty.
  func firstPlace(of part: [Unicode.Scalar], from start: Int = 0) -> Int? {
    guard let first = part.first, count >= part.count, start <= count - part.count else {
      return nil
    }
    return (start...count - part.count).first {
      self[$0] == first && self[$0..<$0 + part.count].elementsEqual(part)
    }
  }

  /// The pieces between the places where a separator stands, the separator not empty.
  func split(by separator: [Unicode.Scalar], atMost limit: Int = .max) -> [[Unicode.Scalar]] {
    var (pieces, start) = ([[Unicode.Scalar]](), 0)
    while pieces.count < limit, let place = firstPlace(of: separator, from: start) {
      pieces.append(Array(self[start..<place]))
      start = place + separator.count
    }
    return pieces + [Array(self[start...])]
  }

  /// The lines, with what ends them or without; what ends one is Python's idea of it.
  func lines(withEnds: Bool = false) -> [[Unicode.Scalar]] {
    var (lines, start, place) = ([[Unicode.Scalar]](), 0, 0)
    while place < count {
      var end = place + 1
      switch self[place] {
      case "\r" where end < count && self[end] == "\n": end += 1
      case "\n"..."\r", "\u{1C}"..."\u{1E}", "\u{85}", "\u{2028}", "\u{2029}": break
      default:
        place += 1
        continue
      }
      lines.append(Array(self[start..<(withEnds ? end : place)]))
      (start, place) = (end, end)
    }
    return start < count ? lines + [Array(self[start...])] : lines
  }

  /// The pieces between runs of white space.
  func words(atMost limit: Int = .max) -> [[Unicode.Scalar]] {
    var (pieces, place) = ([[Unicode.Scalar]](), 0)
    while true {
      while place < count, self[place].isPythonSpace { place += 1 }
      guard place < count else { return pieces }
      guard pieces.count < limit else { return pieces + [Array(self[place...])] }
      let end = self[place...].firstIndex(where: \.isPythonSpace) ?? count
      pieces.append(Array(self[place..<end]))
      place = end
    }
  }

  /// The text with a part replaced by another.
  func replacing(_ part: [Unicode.Scalar], with other: [Unicode.Scalar], atMost limit: Int = .max)
    -> [Unicode.Scalar]
  {
    guard !part.isEmpty else {
      // Before, between and after the characters.
      var result: [Unicode.Scalar] = []
      for (number, scalar) in enumerated() { result += (number < limit ? other : []) + [scalar] }
      return result + (count < limit ? other : [])
    }
    return Array(split(by: part, atMost: limit).joined(separator: other))
  }
}

/// An end of a text.
enum TemplateSide {
  case left, right, both
}

extension Sequence<Unicode.Scalar> {
  /// The text without white space, or without given characters, at its ends.
  func trimmed(_ side: TemplateSide = .both, of characters: [Unicode.Scalar]? = nil)
    -> [Unicode.Scalar]
  {
    func goes(_ scalar: Unicode.Scalar) -> Bool {
      characters?.contains(scalar) ?? scalar.isPythonSpace
    }
    var text = Array(self)[...]
    if side != .right { text = text.drop(while: goes) }
    if side != .left { while let last = text.last, goes(last) { text.removeLast() } }
    return Array(text)
  }
}
