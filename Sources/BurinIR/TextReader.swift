extension Program {
  /// Reads the text of a `.burin` file, and verifies what it says.
  ///
  /// - Throws: `TextError` naming line and column, what was expected and what was found.
  public init(text: String) throws(TextError) { try self.init(utf8: Array(text.utf8)) }

  /// Reads the bytes of a `.burin` file, and verifies what they say.
  ///
  /// - Throws: `TextError` naming line and column, what was expected and what was found.
  public init(utf8: [UInt8]) throws(TextError) {
    var reader = TextReader(bytes: utf8, tokens: try Lexer.tokens(utf8))
    self = try reader.program()
    do { try verify(self) } catch {
      throw TextError(line: nil, column: nil, message: error.description)
    }
  }
}

/// Reads tokens as a program: headings, entries and nodes. How an operation's fields are read
/// stands in `TextFieldReader.swift`, how types are in `TextTypeReader.swift`.
struct TextReader {
  let bytes: [UInt8]
  let tokens: [Token]
  var index = 0
  var symbols: [String: Symbol] = [:]
  /// The nodes of the entry that is being read, by the names that the text gives them.
  var nodes: [String: NodeID] = [:]
  /// Every name that was read: `==` on strings takes names that are equal after Unicode
  /// normalisation for one, so two spellings of one name are refused.
  private var names: [String: [UInt8]] = [:]
  private let prototypes: [String: Op<NodeID>]
  var fields = FieldPosition()

  init(bytes: [UInt8], tokens: [Token]) {
    self.bytes = bytes
    self.tokens = tokens
    prototypes = Dictionary(
      uniqueKeysWithValues: Op.prototypes(NodeID(0)).map { ($0.mnemonic, $0) })
  }

  mutating func program() throws(TextError) -> Program {
    skipHeadings()
    try keyword("program")
    let name = try name()
    try endOfLine()
    skipHeadings()
    while isWord("symbol") {
      try symbol()
      skipHeadings()
    }
    var entries: [Entry] = []
    while token.kind != .end {
      entries.append(try entry())
      skipHeadings()
    }
    return Program(name, entries: entries)
  }

  /// `symbol seq <= 512`
  private mutating func symbol() throws(TextError) {
    try keyword("symbol")
    let start = token
    let name = try identifier("the name of a symbol")
    guard symbols[name] == nil else { throw failure("the symbol \(name) is there already", start) }
    try punctuation("<")
    try punctuation("=")
    let bound = token
    let maximum = try integer()
    guard (1...1 << 32).contains(maximum) else {
      throw failure("expected a bound in 1...\(1 << 32), found \(maximum)", bound)
    }
    symbols[name] = Symbol(name, maximum: maximum)
    try endOfLine()
  }

  /// `entry "forward" {`, nodes under headings, outputs and successors, `}`
  private mutating func entry() throws(TextError) -> Entry {
    try keyword("entry")
    let name = try name()
    try punctuation("{")
    try endOfLine()
    nodes = [:]
    var graph = Graph()
    var scope = ""
    while true {
      if token.kind == .heading {
        scope = scopeOfHeading(in: name)
        index += 1
        try endOfLine()
      } else if token.kind == .node {
        try node(&graph, scope)
      } else if token.kind != .newline {
        break
      } else {
        index += 1
      }
    }
    var outputs: [Entry.Output] = []
    var successors: [Entry.Successor] = []
    while true {
      skipHeadings()
      if isWord("output") {
        index += 1
        let name = try self.name()
        outputs.append(Entry.Output(name, try result()))
      } else if isWord("successor") {
        index += 1
        let name = try self.name()
        successors.append(Entry.Successor(name, try result()))
      } else {
        break
      }
    }
    guard isPunctuation("}") else {
      throw expected(
        outputs.isEmpty && successors.isEmpty
          ? "a node, output, successor or '}'" : "output, successor or '}'")
    }
    index += 1
    try endOfLine()
    return Entry(name, graph: graph, outputs: outputs, successors: successors)
  }

  /// `= %7`
  private mutating func result() throws(TextError) -> NodeID {
    try punctuation("=")
    let value = try nodeID()
    try endOfLine()
    return value
  }

  /// `%7 = add(%5, %6) : f32[batch, seq, 768]`; the type may be left out where it follows.
  private mutating func node(_ graph: inout Graph, _ scope: String) throws(TextError) {
    let start = token
    let name = text(start)
    guard nodes[name] == nil else { throw failure("\(name) is there already", start) }
    index += 1
    try punctuation("=")
    let mnemonic = token
    guard mnemonic.kind == .word, let prototype = prototypes[text(mnemonic)] else {
      throw expected("an operation")
    }
    index += 1
    let (op, type) = try call(prototype)
    let id: NodeID
    do { id = try graph.append(op, scope: scope) } catch {
      throw failure(error.description, mnemonic)
    }
    if let type, type.value != graph[id].type {
      throw failure("expected \(graph[id].type), found \(type.value)", type.start)
    }
    nodes[name] = id
    try endOfLine()
  }

  /// The part of the model that a heading names; none if that is the entry's own name.
  private func scopeOfHeading(in entry: String) -> String {
    let bytes = self.bytes[token.range].dropFirst(2)
    let isSpace = { (byte: UInt8) in byte <= UInt8(ascii: " ") }
    let trimmed = bytes.drop(while: isSpace).reversed().drop(while: isSpace).reversed()
    guard !trimmed.elementsEqual(heading(of: "", in: entry).utf8) else { return "" }
    // A comment that nobody escaped stands for itself.
    return unescaped(trimmed) ?? String(decoding: trimmed, as: UTF8.self)
  }

  // Tokens.

  var token: Token { tokens[index] }

  func text(_ token: Token) -> String { String(decoding: bytes[token.range], as: UTF8.self) }

  /// Whether the next token is this one, or the one at another place.
  func isPunctuation(_ character: Unicode.Scalar, at place: Int? = nil) -> Bool {
    let place = place ?? index
    return place < tokens.count && tokens[place].kind == .punctuation(UInt8(ascii: character))
  }

  /// Whether the next token is this word, or the one at another place.
  func isWord(_ word: String, at place: Int? = nil) -> Bool {
    let place = place ?? index
    guard place < tokens.count, tokens[place].kind == .word else { return false }
    return bytes[tokens[place].range].elementsEqual(word.utf8)
  }

  private mutating func skipHeadings() {
    while token.kind == .heading || token.kind == .newline { index += 1 }
  }

  mutating func endOfLine() throws(TextError) {
    guard token.kind == .newline else { throw expected("the end of the line") }
    index += 1
  }

  private mutating func keyword(_ word: String) throws(TextError) {
    guard isWord(word) else { throw expected("'\(word)'") }
    index += 1
  }

  mutating func identifier(_ what: String) throws(TextError) -> String {
    guard token.kind == .word else { throw expected(what) }
    defer { index += 1 }
    return text(token)
  }

  mutating func punctuation(_ character: Unicode.Scalar) throws(TextError) {
    guard isPunctuation(character) else { throw expected("'\(character)'") }
    index += 1
  }

  mutating func nodeID() throws(TextError) -> NodeID {
    guard token.kind == .node else { throw expected("a node") }
    guard let id = nodes[text(token)] else {
      throw failure("there is no \(text(token)) above", token)
    }
    index += 1
    return id
  }

  mutating func name() throws(TextError) -> String {
    guard token.kind == .string else { throw expected("a name in quotation marks") }
    guard let name = unescaped(bytes[token.range].dropFirst().dropLast()) else {
      throw failure("expected UTF-8 and the escapes \\\\ \\\" \\n \\t \\u{...}", token)
    }
    if let other = names.updateValue(Array(name.utf8), forKey: name), other != Array(name.utf8) {
      throw failure("a name that differs from an earlier one only in its spelling", token)
    }
    index += 1
    return name
  }

  /// A whole number, perhaps with a sign, of a magnitude that arithmetic can take.
  mutating func integer() throws(TextError) -> Int {
    let start = token
    let negative = isPunctuation("-")
    if negative { index += 1 }
    guard token.kind == .number, bytes[token.range].allSatisfy(isDigit) else {
      throw expected("a whole number")
    }
    guard let value = Int(text(token)), value <= 1 << 56 else {
      throw failure("a number that is too large", start)
    }
    index += 1
    return negative ? -value : value
  }

  // Errors.

  func failure(_ message: String, _ token: Token) -> TextError {
    TextError(line: token.line, column: token.column, message: message)
  }

  func expected(_ what: String) -> TextError {
    failure("expected \(what), found \(found(token))", token)
  }

  private func found(_ token: Token) -> String {
    switch token.kind {
    case .newline where tokens[min(index + 1, tokens.count - 1)].kind == .end, .end:
      return "the end of the text"
    case .newline: return "the end of the line"
    case .heading: return "a comment"
    default:
      let shown = token.range.prefix(40)
      let text = String(decoding: bytes[shown.startIndex..<shown.endIndex], as: UTF8.self)
      return "'\(text)'" + (shown.count < token.range.count ? "..." : "")
    }
  }
}
