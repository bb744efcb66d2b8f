/// A recursive descent over bytes, one method per production of RFC 8259.
struct JSONParser {
  private let bytes: UnsafeRawBufferPointer
  private let options: JSON.Options
  private(set) var position = 0
  private var depth = 0

  init(_ bytes: UnsafeRawBufferPointer, options: JSON.Options) {
    self.bytes = bytes
    self.options = options
  }

  mutating func document() throws(JSONError) -> JSON {
    skipSpace()
    let value = try value()
    try end()
    return value
  }

  /// Nothing but space may follow.
  mutating func end() throws(JSONError) {
    skipSpace()
    guard position == bytes.count else { throw wrong("the end of the text") }
  }

  // MARK: Productions

  mutating func value() throws(JSONError) -> JSON {
    switch peek {
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "{"): return try object()
    case UInt8(ascii: "["): return try array()
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try number())
    case UInt8(ascii: "t") where take("true"): return .bool(true)
    case UInt8(ascii: "f") where take("false"): return .bool(false)
    case UInt8(ascii: "n") where take("null"): return .null
    case UInt8(ascii: "N") where options.allowsNonFinite && take("NaN"): return .number(.real(.nan))
    case UInt8(ascii: "I") where options.allowsNonFinite && take("Infinity"):
      return .number(.real(.infinity))
    default: throw wrong("a JSON value")
    }
  }

  private mutating func array() throws(JSONError) -> JSON {
    var elements: [JSON] = []
    try eachElement { (parser: inout JSONParser) throws(JSONError) in
      elements.append(try parser.value())
    }
    return .array(elements)
  }

  private mutating func object() throws(JSONError) -> JSON {
    let start = position
    var members: [JSONObject.Member] = []
    try eachMember { (parser: inout JSONParser, key: ByteString) throws(JSONError) in
      members.append(JSONObject.Member(key, try parser.value()))
    }
    let (index, repeated) = KeyIndex.build(members.count) { members[$0].key }
    guard let repeated else { return .object(JSONObject(distinct: members, index: index)) }
    guard options.duplicates == .keepLast else {
      throw JSONError(
        expected: "each key once in an object", found: "\(members[repeated].key) again",
        offset: start)
    }
    return .object(JSONObject(members))
  }

  /// The elements of an array one by one, each read by `element` where it stands.
  mutating func eachElement(
    _ element: (inout JSONParser) throws(JSONError) -> Void
  ) throws(JSONError) {
    guard peek == UInt8(ascii: "[") else { throw wrong("an array") }
    try enter()
    if peek == UInt8(ascii: "]") {
      position += 1
    } else {
      repeat {
        try element(&self)
        skipSpace()
      } while try separator(orEnd: UInt8(ascii: "]"), "',' or ']'")
    }
    depth -= 1
  }

  /// The members of an object one by one, each value read by `member` where it stands; the
  /// repeated keys are for `member` to find.
  mutating func eachMember(
    _ member: (inout JSONParser, ByteString) throws(JSONError) -> Void
  ) throws(JSONError) {
    guard peek == UInt8(ascii: "{") else { throw wrong("an object") }
    try enter()
    if peek == UInt8(ascii: "}") {
      position += 1
    } else {
      repeat {
        guard peek == UInt8(ascii: "\"") else { throw wrong("a key in quotes") }
        let key = try string()
        skipSpace()
        guard peek == UInt8(ascii: ":") else { throw wrong("':'") }
        position += 1
        skipSpace()
        try member(&self, key)
        skipSpace()
      } while try separator(orEnd: UInt8(ascii: "}"), "',' or '}'")
    }
    depth -= 1
  }

  /// The bracket that opens an array or object.
  private mutating func enter() throws(JSONError) {
    depth += 1
    guard depth <= options.depth else {
      throw JSONError(
        expected: "at most \(options.depth) levels of nesting", found: "more", offset: position)
    }
    position += 1
    skipSpace()
  }

  /// True after a comma, false after the closing bracket.
  private mutating func separator(orEnd end: UInt8, _ expected: String) throws(JSONError) -> Bool {
    let found = peek
    guard found == UInt8(ascii: ",") || found == end else { throw wrong(expected) }
    position += 1
    if found == end { return false }
    skipSpace()
    return true
  }

  // MARK: Strings

  private mutating func string() throws(JSONError) -> ByteString {
    let quote = position
    position += 1
    let start = position
    while true {
      try skipPlain(openedAt: quote)
      if bytes[position] == UInt8(ascii: "\"") {
        position += 1
        return ByteString([UInt8](bytes[start..<(position - 1)]))
      }
      if bytes[position] == UInt8(ascii: "\\") {
        return try escapedString(from: start, openedAt: quote)
      }
      try skipMultibyte()
    }
  }

  /// The rest of a string that has a backslash at `position`.
  private mutating func escapedString(
    from start: Int, openedAt quote: Int
  ) throws(JSONError) -> ByteString {
    var result = [UInt8](bytes[start..<position])
    while true {
      let plain = position
      try skipPlain(openedAt: quote)
      result.append(contentsOf: bytes[plain..<position])
      switch bytes[position] {
      case UInt8(ascii: "\""):
        position += 1
        return ByteString(result)
      case UInt8(ascii: "\\"):
        try escape(into: &result)
      default:
        let first = position
        try skipMultibyte()
        result.append(contentsOf: bytes[first..<position])
      }
    }
  }

  /// Moves to the next quote, backslash or byte beyond ASCII.
  @inline(__always)
  private mutating func skipPlain(openedAt quote: Int) throws(JSONError) {
    while true {
      guard position < bytes.count else {
        throw JSONError(
          expected: "the closing quote of a string", found: "the end of the text", offset: quote)
      }
      let byte = bytes[position]
      if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte >= 0x80 { return }
      guard byte >= 0x20 else { throw wrong("a control character as an escape") }
      position += 1
    }
  }

  private mutating func escape(into result: inout [UInt8]) throws(JSONError) {
    position += 1
    let kind = peek
    guard kind != UInt8(ascii: "u") else { return try unicodeEscape(into: &result) }
    switch kind {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): result.append(kind)
    case UInt8(ascii: "b"): result.append(0x08)
    case UInt8(ascii: "f"): result.append(0x0C)
    case UInt8(ascii: "n"): result.append(0x0A)
    case UInt8(ascii: "r"): result.append(0x0D)
    case UInt8(ascii: "t"): result.append(0x09)
    default: throw wrong("one of \" \\ / b f n r t u after a backslash")
    }
    position += 1
  }

  /// `\uXXXX`, or two of them that are a surrogate pair.
  private mutating func unicodeEscape(into result: inout [UInt8]) throws(JSONError) {
    let start = position - 1
    var code = try hexadecimal()
    if (0xD800..<0xDC00).contains(code), position + 1 < bytes.count,
      bytes[position] == UInt8(ascii: "\\"), bytes[position + 1] == UInt8(ascii: "u")
    {
      let afterFirst = position
      position += 1
      let low = try hexadecimal()
      if (0xDC00..<0xE000).contains(low) {
        code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
      } else {
        position = afterFirst
      }
    }
    if (0xD800..<0xE000).contains(code) {
      guard options.loneSurrogates == .replace else {
        throw JSONError(
          expected: "both halves of a surrogate pair", found: "\\u" + String(code, radix: 16),
          offset: start)
      }
      code = 0xFFFD
    }
    appendUTF8(code, to: &result)
  }

  /// Four hexadecimal digits after the `u` at `position`.
  private mutating func hexadecimal() throws(JSONError) -> UInt32 {
    position += 1
    var code: UInt32 = 0
    for _ in 0..<4 {
      let digit: UInt8
      switch peek {
      case let byte where (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte):
        digit = byte - UInt8(ascii: "0")
      case let byte where (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte):
        digit = byte - UInt8(ascii: "a") + 10
      case let byte where (UInt8(ascii: "A")...UInt8(ascii: "F")).contains(byte):
        digit = byte - UInt8(ascii: "A") + 10
      default: throw wrong("four hexadecimal digits after \\u")
      }
      code = code << 4 | UInt32(digit)
      position += 1
    }
    return code
  }

  /// Skips one scalar of two to four bytes, as the table of RFC 3629 has them.
  private mutating func skipMultibyte() throws(JSONError) {
    let length = utf8Length(bytes, at: position)
    guard length > 0 else { throw wrong("UTF-8") }
    position += length
  }

  // MARK: Numbers

  private mutating func number() throws(JSONError) -> JSON.Number {
    let start = position
    let isNegative = peek == UInt8(ascii: "-")
    if isNegative { position += 1 }
    if isNegative, peek == UInt8(ascii: "I"), options.allowsNonFinite, take("Infinity") {
      return .real(-.infinity)
    }
    let leadingZero = peek == UInt8(ascii: "0")
    var magnitude: UInt64 = 0
    var fits = true
    let digits = position
    while let digit = digitHere {
      let (product, high) = magnitude.multipliedReportingOverflow(by: 10)
      let (sum, carry) = product.addingReportingOverflow(UInt64(digit))
      magnitude = sum
      fits = fits && !high && !carry
      position += 1
    }
    guard position > digits else { throw wrong("a digit") }
    if leadingZero, position > digits + 1 {
      position = digits + 1
      throw wrong("no digit after a leading 0")
    }
    var isInteger = true
    if peek == UInt8(ascii: ".") {
      isInteger = false
      position += 1
      try skipDigits()
    }
    if peek | 0x20 == UInt8(ascii: "e") {
      isInteger = false
      position += 1
      if peek == UInt8(ascii: "+") || peek == UInt8(ascii: "-") { position += 1 }
      try skipDigits()
    }
    if isInteger, fits {
      if !isNegative, let exact = Int64(exactly: magnitude) { return .integer(exact) }
      if isNegative, magnitude <= Int64.min.magnitude {
        return .integer(Int64(truncatingIfNeeded: 0 &- magnitude))
      }
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    guard let real = Double(text), real.isFinite else {
      throw JSONError(
        expected: "a number within the range of a double", found: printable(text.utf8, limit: 40),
        offset: start)
    }
    return .real(real)
  }

  private mutating func skipDigits() throws(JSONError) {
    guard digitHere != nil else { throw wrong("a digit") }
    while digitHere != nil { position += 1 }
  }

  private var digitHere: UInt8? {
    let digit = peek &- UInt8(ascii: "0")
    return digit <= 9 ? digit : nil
  }

  // MARK: Bytes

  /// The byte at the position, or 0 at the end: 0 is nowhere legal.
  private var peek: UInt8 {
    position < bytes.count ? bytes[position] : 0
  }

  private mutating func skipSpace() {
    while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x0A, 0x0D, 0x09: position += 1
      default: return
      }
    }
  }

  /// Moves past a word if it stands here.
  private mutating func take(_ word: StaticString) -> Bool {
    let length = word.utf8CodeUnitCount
    guard bytes.count - position >= length else { return false }
    for offset in 0..<length where bytes[position + offset] != word.utf8Start[offset] {
      return false
    }
    position += length
    return true
  }

  private func wrong(_ expected: String) -> JSONError {
    let found =
      if position >= bytes.count { "the end of the text" } else {
        switch bytes[position] {
        case 0x21...0x7E: "'" + String(UnicodeScalar(bytes[position])) + "'"
        case let byte: "byte 0x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
      }
    return JSONError(expected: expected, found: found, offset: position)
  }
}
