/// A word of a template.
struct TemplateToken {
  enum Kind: Hashable {
    case text([Unicode.Scalar])
    case outputBegin, outputEnd, blockBegin, blockEnd
    case name(String)
    case string([Unicode.Scalar])
    case integer(Int)
    case real(Double)
    case symbol(String)
    case end
  }

  var kind: Kind
  var line: Int

  /// What it is, for a message.
  var summary: String {
    switch kind {
    case .text: "text"
    case .outputBegin: "{{"
    case .outputEnd: "}}"
    case .blockBegin: "{%"
    case .blockEnd: "%}"
    case .name(let name): "\"\(printable(name.utf8))\""
    case .string: "a string"
    case .integer(let value): "\(value)"
    case .real(let value): "\(value)"
    case .symbol(let symbol): "\"\(symbol)\""
    case .end: "the end of the template"
    }
  }
}

/// Cuts a Jinja template into words, as transformers sets Jinja up: the line break after a block goes
/// (`trim_blocks`), and so does the white space before one that begins a line (`lstrip_blocks`).
struct TemplateLexer {
  private typealias Scalars = [Unicode.Scalar]

  private let source: [Unicode.Scalar]
  private var place = 0
  private var line = 1
  private var tokens: [TemplateToken] = []
  /// Whether what was read last ended a line, or nothing was.
  private var startsLine = true

  /// The words of a template, the last one `end`.
  static func tokens(of text: String) throws(TemplateError) -> [TemplateToken] {
    var lexer = TemplateLexer(text)
    try lexer.run()
    return lexer.tokens
  }

  private init(_ text: String) {
    var source = Scalars()
    for scalar in text.unicodeScalars {
      if scalar == "\n", source.last == "\r" { source.removeLast() }
      source.append(scalar)
      // A carriage return alone ends a line too.
      if source.count > 1, source[source.count - 2] == "\r" { source[source.count - 2] = "\n" }
    }
    if source.last == "\r" { source[source.count - 1] = "\n" }
    if source.last == "\n" { source.removeLast() }
    self.source = source
  }

  private func stands(_ text: String, at place: Int) -> Bool {
    var place = place
    for scalar in text.unicodeScalars {
      guard place < source.count, source[place] == scalar else { return false }
      place += 1
    }
    return true
  }

  private mutating func advance(to end: Int) {
    for index in place..<end where source[index] == "\n" { line += 1 }
    startsLine = end > place ? source[end - 1] == "\n" : startsLine
    place = end
  }

  private func afterSpace(_ start: Int) -> Int {
    var end = start
    while end < source.count, source[end].isPythonSpace { end += 1 }
    return end
  }

  private mutating func add(_ kind: TemplateToken.Kind) {
    tokens.append(TemplateToken(kind: kind, line: line))
  }

  // MARK: Text and tags

  private mutating func run() throws(TemplateError) {
    while place < source.count {
      guard let tag = (place..<source.count).first(where: { isTag($0) }) else {
        add(.text(Array(source[place...])))
        advance(to: source.count)
        break
      }
      let isOutput = source[tag + 1] == "{"
      let sign = tag + 2 < source.count ? source[tag + 2] : " "
      let inner = tag + (sign == "-" || sign == "+" ? 3 : 2)
      text(before: tag, sign: sign, isOutput: isOutput)
      if source[tag + 1] == "#" {
        try comment(from: inner)
      } else if !isOutput, let start = rawStart(inner) {
        try raw(from: start)
      } else {
        add(isOutput ? .outputBegin : .blockBegin)
        advance(to: inner)
        try words(isOutput: isOutput)
      }
    }
    add(.end)
  }

  private func isTag(_ place: Int) -> Bool {
    source[place] == "{" && place + 1 < source.count
      && (source[place + 1] == "%" || source[place + 1] == "{" || source[place + 1] == "#")
  }

  /// Adds the text before a tag without the white space that the tag takes.
  private mutating func text(before tag: Int, sign: Unicode.Scalar, isOutput: Bool) {
    var end = tag
    if sign == "-" {
      while end > place, source[end - 1].isPythonSpace { end -= 1 }
    } else if sign != "+", !isOutput {
      var start = tag
      while start > place, source[start - 1] != "\n", source[start - 1].isPythonSpace { start -= 1 }
      if start > place ? source[start - 1] == "\n" : startsLine { end = start }
    }
    if end > place { add(.text(Array(source[place..<end]))) }
    advance(to: tag)
  }

  /// Where a tag ends that ends here: a sign decides what it takes of the white space after it.
  private func end(of closing: String, at place: Int, trims: Bool = true) -> Int? {
    if trims, stands("+" + closing, at: place) { return place + 3 }
    if stands("-" + closing, at: place) { return afterSpace(place + 3) }
    guard stands(closing, at: place) else { return nil }
    let end = place + 2
    return trims && end < source.count && source[end] == "\n" ? end + 1 : end
  }

  private mutating func comment(from inner: Int) throws(TemplateError) {
    for index in inner..<max(inner, source.count) {
      guard let end = end(of: "#}", at: index) else { continue }
      advance(to: end)
      return
    }
    throw TemplateError(line, expected: "#} at the end of the comment", found: "none")
  }

  /// Where the text of a raw block begins, if the tag is one.
  private func rawStart(_ inner: Int) -> Int? {
    let name = afterSpace(inner)
    guard stands("raw", at: name) else { return nil }
    let closing = afterSpace(name + 3)
    return end(of: "%}", at: closing, trims: false)
  }

  private mutating func raw(from start: Int) throws(TemplateError) {
    advance(to: start)
    for tag in start..<max(start, source.count) where stands("{%", at: tag) {
      let sign = tag + 2 < source.count ? source[tag + 2] : " "
      let name = afterSpace(tag + (sign == "-" || sign == "+" ? 3 : 2))
      guard stands("endraw", at: name), let end = end(of: "%}", at: afterSpace(name + 6)) else {
        continue
      }
      text(before: tag, sign: sign, isOutput: false)
      advance(to: end)
      return
    }
    throw TemplateError(line, expected: "{% endraw %}", found: "none")
  }

  // MARK: Inside a tag

  /// Longer ones first.
  private static let symbols = [
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}",
    ">", "<", "=", ".", ":", "|", ",", ";",
  ]

  private mutating func words(isOutput: Bool) throws(TemplateError) {
    let closing = isOutput ? "}}" : "%}"
    var open: [String] = []
    while true {
      advance(to: afterSpace(place))
      guard place < source.count else {
        throw TemplateError(line, expected: closing, found: "the end of the template")
      }
      if open.isEmpty, let end = end(of: closing, at: place, trims: !isOutput) {
        add(isOutput ? .outputEnd : .blockEnd)
        advance(to: end)
        return
      }
      let scalar = source[place]
      if scalar.isIdentifierStart {
        var end = place + 1
        while end < source.count, source[end].isIdentifierPart { end += 1 }
        add(.name(String(source[place..<end])))
        advance(to: end)
      } else if ("0"..."9").contains(scalar) {
        try number()
      } else if scalar == "'" || scalar == "\"" {
        try string()
      } else if let symbol = Self.symbols.first(where: { stands($0, at: place) }) {
        if let close = ["(": ")", "[": "]", "{": "}"][symbol] { open.append(close) }
        if [")", "]", "}"].contains(symbol), open.popLast() != symbol {
          throw TemplateError(line, expected: "a bracket that was opened", found: "\"\(symbol)\"")
        }
        add(.symbol(symbol))
        advance(to: place + symbol.unicodeScalars.count)
      } else {
        throw TemplateError(
          line, expected: "an expression",
          found: "\"\(printable(String(scalar).utf8))\"")
      }
    }
  }

  private mutating func number() throws(TemplateError) {
    let followsPoint = place > 0 && source[place - 1] == "."
    var end = place
    func digits(_ start: Int) -> Int {
      var end = start
      while end < source.count, ("0"..."9").contains(source[end]) || source[end] == "_" { end += 1 }
      return end
    }
    end = digits(end)
    var isReal = false
    if !followsPoint {
      if end + 1 < source.count, source[end] == ".", ("0"..."9").contains(source[end + 1]) {
        isReal = true
        end = digits(end + 1)
      }
      if end < source.count, source[end] == "e" || source[end] == "E" {
        let sign = end + 1 < source.count && "+-".unicodeScalars.contains(source[end + 1]) ? 2 : 1
        let last = digits(end + sign)
        if last > end + sign { (isReal, end) = (true, last) }
      }
    }
    let text = String(source[place..<end]).filter { $0 != "_" }
    if isReal, let value = Double(text) {
      add(.real(value))
    } else if !isReal, let value = Int(text) {
      add(.integer(value))
    } else {
      throw TemplateError(line, expected: "a number of 64 bits", found: printable(text.utf8))
    }
    advance(to: end)
  }

  private mutating func string() throws(TemplateError) {
    let quote = source[place]
    var end = place + 1
    while end < source.count, source[end] != quote { end += source[end] == "\\" ? 2 : 1 }
    guard end < source.count else {
      throw TemplateError(line, expected: "a string that ends", found: "the end of the template")
    }
    add(.string(unescaped(source[(place + 1)..<end])))
    advance(to: end + 1)
  }
}
