/// Sets of scalars in a pattern: `\d`, `\p{L}`, `[^a-z]`.
extension RegexParser {
  /// `\s`, `\p{L}` and the like, the backslash taken; nil when a single scalar is escaped.
  mutating func escapedSet(inBrackets: Bool = false) throws(RegexError) -> ScalarSet? {
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

  mutating func escapedScalar() throws(RegexError) -> UInt32 {
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
  mutating func bracket() throws(RegexError) -> ScalarSet {
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

  func literal(_ scalar: UInt32) throws(RegexError) -> ScalarSet {
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
}
