/// What is wrong with the text of a program, and where.
public struct TextError: Error, CustomStringConvertible, Equatable {
  /// Counted from 1; `nil` where the program as a whole is at fault.
  public let line: Int?
  /// Counted in Unicode scalars from 1.
  public let column: Int?
  /// What was expected, and what was found.
  public let message: String

  /// `line 3, column 14: expected ')', found 'x'`.
  public var description: String {
    guard let line, let column else { return message }
    return "line \(line), column \(column): \(message)"
  }
}

/// A piece of the text that means something.
struct Token {
  enum Kind: Equatable {
    /// Letters, digits and underscores, not beginning with a digit.
    case word
    /// `%` and a word or number.
    case node
    /// Digits, perhaps with a point and an exponent, without a sign.
    case number
    /// With its quotation marks.
    case string
    /// A line that is a comment, from `//` on.
    case heading
    case punctuation(UInt8)
    case newline
    case end
  }

  var kind: Kind
  var range: Range<Int>
  var line: Int
  var column: Int
}

/// Splits a text into tokens, in one pass over its bytes.
struct Lexer {
  private let bytes: [UInt8]
  private var tokens: [Token] = []
  private var position = 0
  private var line = 1
  private var column = 1
  /// How many parentheses and brackets are open: inside, a newline is a space.
  private var depth = 0

  private init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// The tokens of a text, ended by one of kind `end`.
  static func tokens(_ bytes: [UInt8]) throws(TextError) -> [Token] {
    var lexer = Lexer(bytes)
    while try lexer.scan() {}
    return lexer.tokens
  }

  private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

  private func byte(after distance: Int) -> UInt8? {
    position + distance < bytes.count ? bytes[position + distance] : nil
  }

  private mutating func advance(_ count: Int = 1) {
    for byte in bytes[position..<position + count] where byte & 0xC0 != 0x80 { column += 1 }
    position += count
  }

  private mutating func advance(while condition: (UInt8) -> Bool) {
    while let byte = current, condition(byte) { advance() }
  }

  private mutating func add(_ kind: Token.Kind, _ scan: (inout Lexer) throws(TextError) -> Void)
    throws(TextError)
  {
    let (start, line, column) = (position, line, column)
    try scan(&self)
    tokens.append(Token(kind: kind, range: start..<position, line: line, column: column))
  }

  private func failure(_ message: String) -> TextError {
    TextError(line: line, column: column, message: message)
  }

  /// Reads one token; `false` after the last one.
  private mutating func scan() throws(TextError) -> Bool {
    advance { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: "\r") }
    guard let byte = current else {
      try add(.newline) { _ in }
      try add(.end) { _ in }
      return false
    }
    switch byte {
    case UInt8(ascii: "\n"): try scanNewline()
    case UInt8(ascii: "/") where self.byte(after: 1) == byte: try scanComment()
    case UInt8(ascii: "\""): try add(.string) { lexer throws(TextError) in try lexer.scanString() }
    case UInt8(ascii: "%"):
      try add(.node) { lexer throws(TextError) in
        lexer.advance()
        guard lexer.current.map(isWordByte) == true else {
          throw lexer.failure("expected the name of a node after '%'")
        }
        lexer.advance(while: isWordByte)
      }
    case _ where isDigit(byte): try add(.number) { lexer in lexer.scanNumber() }
    case _ where isWordByte(byte): try add(.word) { lexer in lexer.advance(while: isWordByte) }
    case _ where "()[]{},:=<+-*/".utf8.contains(byte):
      if byte == UInt8(ascii: "(") || byte == UInt8(ascii: "[") { depth += 1 }
      if byte == UInt8(ascii: ")") || byte == UInt8(ascii: "]") { depth = max(depth - 1, 0) }
      try add(.punctuation(byte)) { lexer in lexer.advance() }
    default:
      throw failure("a character that means nothing here")
    }
    return true
  }

  private mutating func scanNewline() throws(TextError) {
    if depth == 0 && tokens.last?.kind != .newline {
      try add(.newline) { lexer in lexer.advance() }
    } else {
      advance()
    }
    line += 1
    column = 1
  }

  /// A comment on a line of its own is a heading; after something else it is a space.
  private mutating func scanComment() throws(TextError) {
    let isHeading = depth == 0 && (tokens.isEmpty || tokens.last?.kind == .newline)
    let toEnd = { (lexer: inout Lexer) in lexer.advance { $0 != UInt8(ascii: "\n") } }
    if isHeading { try add(.heading, toEnd) } else { toEnd(&self) }
  }

  private mutating func scanString() throws(TextError) {
    advance()
    while current != UInt8(ascii: "\"") {
      guard let byte = current, byte != UInt8(ascii: "\n") else {
        throw failure("expected '\"' at the end of a name")
      }
      // Whatever stands after a backslash does not end the name.
      let escapes =
        byte == UInt8(ascii: "\\") && self.byte(after: 1).map { $0 != UInt8(ascii: "\n") } == true
      advance(escapes ? 2 : 1)
    }
    advance()
  }

  private mutating func scanNumber() {
    advance(while: isDigit)
    if current == UInt8(ascii: "."), byte(after: 1).map(isDigit) == true {
      advance()
      advance(while: isDigit)
    }
    guard current == UInt8(ascii: "e") else { return }
    let sign = byte(after: 1) == UInt8(ascii: "+") || byte(after: 1) == UInt8(ascii: "-") ? 1 : 0
    guard byte(after: 1 + sign).map(isDigit) == true else { return }
    advance(1 + sign)
    advance(while: isDigit)
  }
}

/// A text with its escapes undone; `nil` if one is unknown or the bytes are not UTF-8.
func unescaped(_ bytes: some Collection<UInt8>) -> String? {
  var result: [UInt8] = []
  var rest = bytes[...]
  while let byte = rest.popFirst() {
    guard byte == UInt8(ascii: "\\") else {
      result.append(byte)
      continue
    }
    switch rest.popFirst() {
    case UInt8(ascii: "\\"): result.append(UInt8(ascii: "\\"))
    case UInt8(ascii: "\""): result.append(UInt8(ascii: "\""))
    case UInt8(ascii: "n"): result.append(UInt8(ascii: "\n"))
    case UInt8(ascii: "t"): result.append(UInt8(ascii: "\t"))
    case UInt8(ascii: "u"):
      guard rest.popFirst() == UInt8(ascii: "{"),
        let close = rest.firstIndex(of: UInt8(ascii: "}")),
        let digits = String(validating: rest[..<close], as: UTF8.self), digits.utf8.count <= 8,
        let value = UInt32(digits, radix: 16), let scalar = Unicode.Scalar(value)
      else { return nil }
      result += UTF8.encode(scalar).map(Array.init) ?? []
      rest = rest[close...].dropFirst()
    default: return nil
    }
  }
  return String(validating: result, as: UTF8.self)
}
