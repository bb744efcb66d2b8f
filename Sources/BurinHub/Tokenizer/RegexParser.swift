/// Reads a pattern; one method per production.
struct RegexParser {
  private let pattern: [UInt32]
  private var position = 0
  private var depth = 0
  private var ignoresCase = false
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

  /// `\s`, `\p{L}` and the like, the backslash taken; nil when a single scalar is escaped.
  private mutating func escapedSet(inBrackets: Bool = false) throws(RegexError) -> ScalarSet? {
    guard let next = peek else { return nil }
    let set: ScalarSet
    switch next {
    case "s", "S": set = ScalarSet { $0.contains(.regexSpace) }
    case "d", "D": set = ScalarSet { $0.category == 8 }
    case "w", "W": set = inBrackets ? RegexParser.wordInBrackets : RegexParser.word
    case "h", "H":
      set = ScalarSet(48, 57).union(ScalarSet(65, 70)).union(ScalarSet(97, 102))
    case "p", "P":
      position += 1
      guard take("{") else { throw wrong("'{'") }
      let isInverted = take("^") != (next == "P")
      var name = ""
      while let letter = peek, letter != "}" {
        position += 1
        if letter != "_", letter != " ", letter != "-" { name.unicodeScalars.append(letter) }
      }
      guard take("}") else { throw wrong("'}'") }
      let found = try property(name)
      return isInverted ? found.inverted : found
    default: return nil
    }
    position += 1
    return "A"..."Z" ~= next ? set.inverted : set
  }

  /// `\w` by itself.
  private static var word: ScalarSet { ScalarSet { $0.contains(.regexWord) } }

  /// `\w` within brackets, where Oniguruma leaves out the Latin-1 numbers that are no digits.
  private static var wordInBrackets: ScalarSet {
    let numbers = ScalarSet(0xB2, 0xB3).union(ScalarSet(0xB9, 0xB9)).union(ScalarSet(0xBC, 0xBE))
    return word.intersection(numbers.inverted)
  }

  private func property(_ name: String) throws(RegexError) -> ScalarSet {
    let long = [
      "letter": "l", "mark": "m", "number": "n", "punctuation": "p", "symbol": "s",
      "separator": "z", "other": "c", "uppercaseletter": "lu", "lowercaseletter": "ll",
      "titlecaseletter": "lt", "modifierletter": "lm", "otherletter": "lo",
      "nonspacingmark": "mn", "spacingmark": "mc", "enclosingmark": "me",
      "decimalnumber": "nd", "letternumber": "nl", "othernumber": "no", "digit": "nd",
    ]
    let lower = name.lowercased()
    let key = long[lower] ?? lower
    let numbers = ScalarProperties.categoryNames.indices.filter { number in
      let category = ScalarProperties.categoryNames[number].lowercased()
      return category == key || key.utf8.count == 1 && category.hasPrefix(key)
    }
    switch lower {
    case "any": return ScalarSet.empty.inverted
    case "word": return RegexParser.word
    case "space", "whitespace": return ScalarSet { $0.contains(.regexSpace) }
    default: break
    }
    guard !numbers.isEmpty else { throw wrong("a property that is supported, not \(name)") }
    return ScalarSet { numbers.contains($0.category) }
  }

  private mutating func escapedScalar() throws(RegexError) -> UInt32 {
    guard let next = peek else { throw wrong("something after '\\'") }
    position += 1
    switch next {
    case "n": return 10
    case "r": return 13
    case "t": return 9
    case "f": return 12
    case "v": return 11
    case "a": return 7
    case "e": return 27
    case "0": return 0
    case "u": return try hexadecimal(4...4)
    case "x":
      guard take("{") else { return try hexadecimal(1...2) }
      let value = try hexadecimal(1...6)
      guard take("}") else { throw wrong("'}'") }
      return value
    case "a"..."z", "A"..."Z", "0"..."9":
      throw wrong("an escape that is supported", back: 1)
    default: return next.value
    }
  }

  private mutating func hexadecimal(_ digits: ClosedRange<Int>) throws(RegexError) -> UInt32 {
    var value: UInt32 = 0
    var count = 0
    while count < digits.upperBound, let next = peek, let digit = Character(next).hexDigitValue {
      value = value << 4 | UInt32(digit)
      count += 1
      position += 1
    }
    guard count >= digits.lowerBound, Unicode.Scalar(value) != nil else {
      throw wrong("a scalar in hexadecimal")
    }
    return value
  }

  /// A class in brackets, the opening one taken.
  private mutating func bracket() throws(RegexError) -> ScalarSet {
    depth += 1
    guard depth < 100 else { throw wrong("brackets nested more than 100 deep") }
    defer { depth -= 1 }
    let isInverted = take("^")
    var result: ScalarSet?
    var set = ScalarSet.empty
    var isFirst = true
    while isFirst || peek != "]" {
      guard peek != nil else { throw wrong("']'") }
      if take("&&") {
        result = result?.intersection(set) ?? set
        set = .empty
      } else if take("[:") {
        set = set.union(try posixClass())
      } else if take("[") {
        set = set.union(try bracket())
      } else {
        set = set.union(try bracketItem())
      }
      isFirst = false
    }
    position += 1
    let all = result?.intersection(set) ?? set
    return isInverted ? all.inverted : all
  }

  private mutating func bracketItem() throws(RegexError) -> ScalarSet {
    let first: UInt32
    if take("\\") {
      if let set = try escapedSet(inBrackets: true) { return set }
      first = take("b") ? 8 : try escapedScalar()
    } else {
      first = pattern[position]
      position += 1
    }
    let dash = UInt32(UInt8(ascii: "-"))
    let close = UInt32(UInt8(ascii: "]"))
    guard position + 1 < pattern.count, pattern[position] == dash,
      pattern[position + 1] != close, pattern[position + 1] != UInt32(UInt8(ascii: "["))
    else { return try literal(first) }
    position += 1
    var last = pattern[position]
    position += 1
    if last == UInt32(UInt8(ascii: "\\")) {
      let start = position
      if try escapedSet(inBrackets: true) != nil {
        // A dash before a class stands for itself.
        position = start - 2
        return try literal(first)
      }
      last = try escapedScalar()
    }
    guard first <= last else { throw wrong("a range in order") }
    return try folded(first, last)
  }

  private mutating func posixClass() throws(RegexError) -> ScalarSet {
    let isInverted = take("^")
    let known: [(StaticString, ScalarSet)] = [
      ("digit:]", ScalarSet { $0.category == 8 }),
      ("space:]", ScalarSet { $0.contains(.regexSpace) }),
      ("word:]", RegexParser.wordInBrackets),
      ("punct:]", ScalarSet { 11...21 ~= $0.category }),
    ]
    for (name, set) in known where take(name) { return isInverted ? set.inverted : set }
    throw wrong("a POSIX class that is supported")
  }

  // MARK: Case

  private func literal(_ scalar: UInt32) throws(RegexError) -> ScalarSet {
    try folded(scalar, scalar)
  }

  /// A range and, where case is ignored, what differs from it by case only.
  private func folded(_ first: UInt32, _ last: UInt32) throws(RegexError) -> ScalarSet {
    var set = ScalarSet(first, last)
    guard ignoresCase else { return set }
    guard last < 0x80 else { throw wrong("ASCII where case is ignored") }
    for scalar in first...last {
      if 65...90 ~= scalar { set = set.union(ScalarSet(scalar + 32, scalar + 32)) }
      if 97...122 ~= scalar { set = set.union(ScalarSet(scalar - 32, scalar - 32)) }
      // Long s and the Kelvin sign fold to ASCII letters.
      if scalar | 32 == 0x73 { set = set.union(ScalarSet(0x17F, 0x17F)) }
      if scalar | 32 == 0x6B { set = set.union(ScalarSet(0x212A, 0x212A)) }
    }
    return set
  }

  // MARK: Scalars

  private var peek: Unicode.Scalar? {
    position < pattern.count ? Unicode.Scalar(pattern[position]) : nil
  }

  private mutating func take(_ text: StaticString) -> Bool {
    text.withUTF8Buffer { bytes in
      guard position + bytes.count <= pattern.count else { return false }
      for (offset, byte) in bytes.enumerated() where pattern[position + offset] != UInt32(byte) {
        return false
      }
      position += bytes.count
      return true
    }
  }

  private func wrong(_ expected: String, back: Int = 0) -> RegexError {
    RegexError(message: "\(expected) at character \(position - back)")
  }
}
