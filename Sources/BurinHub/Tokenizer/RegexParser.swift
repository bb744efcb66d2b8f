/// Reads a pattern; one method per production.
struct RegexParser {
  let pattern: [UInt32]
  var position = 0
  var depth = 0
  var ignoresCase = false
  private var dotMatchesNewline = false

  init(_ pattern: [UInt8]) {
    self.pattern = UTF8Text.scalars(UTF8Text.repaired(pattern))
  }

  /// The whole pattern.
  mutating func parse() throws(RegexError) -> RegexNode {
    let node = try choice()
    guard position == pattern.count else { throw wrong("')' without '('") }
    return node
  }

  // MARK: Productions

  private mutating func choice() throws(RegexError) -> RegexNode {
    depth += 1
    guard depth < 100 else { throw wrong("groups nested more than 100 deep") }
    defer { depth -= 1 }
    var branches = [try sequence()]
    while take("|") { branches.append(try sequence()) }
    return branches.count == 1 ? branches[0] : .choice(branches)
  }

  private mutating func sequence() throws(RegexError) -> RegexNode {
    var parts: [RegexNode] = []
    while let next = peek, next != "|", next != ")" {
      // Options like (?i) without a colon reach to the end of the group.
      if let rest = try openOptions() {
        parts.append(rest)
        break
      }
      parts.append(try quantified())
    }
    return parts.count == 1 ? parts[0] : .sequence(parts)
  }

  private mutating func quantified() throws(RegexError) -> RegexNode {
    var node = try atom()
    while let (min, max, isInterval) = try quantifier() {
      var greed = RegexGreed.greedy
      // As in Ruby, a plus after an interval repeats the interval.
      if take("?") {
        if isInterval, min == max { throw wrong("a lazy fixed interval") }
        greed = .lazy
      } else if !isInterval, take("+") {
        greed = .possessive
      }
      if node.isNullable, max == nil { throw wrong("a repetition of what may be empty") }
      node = .repetition(node, min: min, max: max, greed)
    }
    return node
  }

  private mutating func quantifier() throws(RegexError) -> (Int, Int?, Bool)? {
    if take("*") { return (0, nil, false) }
    if take("+") { return (1, nil, false) }
    if take("?") { return (0, 1, false) }
    guard peek == "{" else { return nil }
    let start = position
    position += 1
    let low = try number()
    var high = low
    if take(",") { high = try number() } else if low == nil { high = nil }
    guard take("}"), low != nil || high != nil else {
      position = start
      return nil
    }
    let isOpen = pattern[position - 2] == UInt32(UInt8(ascii: ","))
    if let high, high < low ?? 0 { throw wrong("an interval with its bounds in order") }
    return (low ?? 0, isOpen ? nil : high, true)
  }

  private mutating func number() throws(RegexError) -> Int? {
    var value: Int?
    while let next = peek, "0"..."9" ~= next {
      value = (value ?? 0) * 10 + Int(next.value - 48)
      position += 1
      if value ?? 0 > 1000 { throw wrong("an interval up to 1000") }
    }
    return value
  }

  private mutating func atom() throws(RegexError) -> RegexNode {
    guard let next = peek else { throw wrong("something to match") }
    position += 1
    switch next {
    case "(": return try group()
    case "[": return .set(try bracket())
    case ".":
      return .set(dotMatchesNewline ? ScalarSet.empty.inverted : ScalarSet(10, 10).inverted)
    case "^": return .assertion(.lineStart)
    case "$": return .assertion(.lineEnd)
    case "*", "+", "?": throw wrong("something to repeat", back: 1)
    case "\\": return try escape()
    default: return .set(try literal(next.value))
    }
  }

  /// `(?i)` and the like in the middle of a group: what follows it, or nil if there is none here.
  private mutating func openOptions() throws(RegexError) -> RegexNode? {
    let start = position
    guard take("(?") else { return nil }
    let before = (ignoresCase, dotMatchesNewline)
    guard options(), take(")") else {
      (ignoresCase, dotMatchesNewline) = before
      position = start
      return nil
    }
    let rest = try choice()
    (ignoresCase, dotMatchesNewline) = before
    return rest
  }

  /// Letters such as `i`, `m`, `-x`; false when there are none that are known.
  private mutating func options() -> Bool {
    var isOn = true
    let start = position
    while let next = peek {
      switch next {
      case "-": isOn = false
      case "i": ignoresCase = isOn
      case "m": dotMatchesNewline = isOn
      default: return position > start
      }
      position += 1
    }
    return false
  }

  private mutating func group() throws(RegexError) -> RegexNode {
    let saved = (ignoresCase, dotMatchesNewline)
    defer { (ignoresCase, dotMatchesNewline) = saved }
    var wrap: (RegexNode) -> RegexNode = { $0 }
    if take("?") {
      if take(":") {
      } else if take("=") {
        wrap = { .look($0, isAhead: true, isNegative: false) }
      } else if take("!") {
        wrap = { .look($0, isAhead: true, isNegative: true) }
      } else if take("<=") {
        wrap = { .look($0, isAhead: false, isNegative: false) }
      } else if take("<!") {
        wrap = { .look($0, isAhead: false, isNegative: true) }
      } else if take(">") {
        wrap = { .atomic($0) }
      } else if take("<") {
        while let next = peek, next != ">" {
          guard UnicodeTables.shared[next.value].contains(.regexWord) else {
            throw wrong("the name of a group")
          }
          position += 1
        }
        guard take(">") else { throw wrong("'>'") }
      } else if options(), take(":") {
      } else {
        throw wrong("a kind of group that is supported")
      }
    }
    let body = try choice()
    guard take(")") else { throw wrong("')'") }
    return wrap(body)
  }

  // MARK: Single scalars

  private mutating func escape() throws(RegexError) -> RegexNode {
    guard let next = peek else { throw wrong("something after '\\'") }
    let assertions: [Unicode.Scalar: RegexAssertion] = [
      "b": .wordBoundary, "B": .noWordBoundary, "A": .textStart, "z": .textEnd,
      "Z": .textEndOrNewline,
    ]
    if let assertion = assertions[next] {
      position += 1
      return .assertion(assertion)
    }
    switch next {
    case "1"..."9", "k", "g", "G", "K", "R", "X": throw wrong("an escape that is supported")
    default:
      if let set = try escapedSet() { return .set(set) }
      return .set(try literal(try escapedScalar()))
    }
  }

  // MARK: Scalars

  var peek: Unicode.Scalar? {
    position < pattern.count ? Unicode.Scalar(pattern[position]) : nil
  }

  mutating func take(_ text: StaticString) -> Bool {
    text.withUTF8Buffer { bytes in
      guard position + bytes.count <= pattern.count else { return false }
      for (offset, byte) in bytes.enumerated() where pattern[position + offset] != UInt32(byte) {
        return false
      }
      position += bytes.count
      return true
    }
  }

  func wrong(_ expected: String, back: Int = 0) -> RegexError {
    RegexError(message: "\(expected) at character \(position - back)")
  }
}
