/// Reads the words of a template into statements.
///
/// The grammar is Jinja's without templates that refer to others (`include`, `import`, `extends`,
/// `block`); `generation` marks the assistant's words for training and changes nothing.
struct TemplateParser {
  let tokens: [TemplateToken]
  var place = 0
  private var depth = 0

  /// The statements of a template.
  static func statements(of text: String) throws(TemplateError) -> [TemplateStatement] {
    guard text.utf8.count <= TemplateLimits.source else {
      throw TemplateError(
        1, expected: "a template of at most \(TemplateLimits.source) bytes",
        found: "one of \(text.utf8.count)")
    }
    var parser = TemplateParser(tokens: try TemplateLexer.tokens(of: text))
    return try parser.body(until: [])
  }

  private init(tokens: [TemplateToken]) { self.tokens = tokens }

  // MARK: Words

  var token: TemplateToken { tokens[place] }
  var line: Int { token.line }

  func unexpected(_ expected: String) -> TemplateError {
    TemplateError(line, expected: expected, found: token.summary)
  }

  func isSymbol(_ symbol: String) -> Bool { token.kind == .symbol(symbol) }
  func isName(_ name: String) -> Bool { token.kind == .name(name) }

  mutating func skip(symbol: String) -> Bool {
    guard isSymbol(symbol) else { return false }
    place += 1
    return true
  }

  mutating func skip(name: String) -> Bool {
    guard isName(name) else { return false }
    place += 1
    return true
  }

  mutating func expect(_ symbol: String) throws(TemplateError) {
    guard skip(symbol: symbol) else { throw unexpected("\"\(symbol)\"") }
  }

  mutating func name() throws(TemplateError) -> String {
    guard case .name(let name) = token.kind else { throw unexpected("a name") }
    place += 1
    return name
  }

  mutating func expect(_ kind: TemplateToken.Kind, _ text: String) throws(TemplateError) {
    guard token.kind == kind else { throw unexpected(text) }
    place += 1
  }

  /// Notes one more level inside another; every level has a `leave`.
  mutating func enter() throws(TemplateError) {
    depth += 1
    guard depth <= TemplateLimits.depth else {
      throw TemplateError(
        line, expected: "at most \(TemplateLimits.depth) levels inside each other", found: "more")
    }
  }

  mutating func leave() { depth -= 1 }

  // MARK: Bodies

  /// Statements up to one of these tags, at whose name the parser then stands; without tags up to the
  /// end.
  private mutating func body(until ends: [String]) throws(TemplateError) -> [TemplateStatement] {
    try enter()
    defer { leave() }
    var body: [TemplateStatement] = []
    while true {
      let line = line
      switch token.kind {
      case .text(let text):
        place += 1
        body.append(TemplateStatement(line: line, node: .text(text)))
      case .outputBegin:
        place += 1
        body.append(TemplateStatement(line: line, node: .output(try tuple())))
        try expect(.outputEnd, "}}")
      case .blockBegin:
        place += 1
        if case .name(let name) = token.kind, ends.contains(name) { return body }
        body.append(TemplateStatement(line: line, node: try statement()))
      case .end where ends.isEmpty:
        return body
      default:
        throw unexpected(ends.isEmpty ? "text or a tag" : "{% \(ends.joined(separator: " or ")) %}")
      }
    }
  }

  /// The rest of a tag, the body after it, and the tag that ends it.
  private mutating func block(_ end: String) throws(TemplateError) -> [TemplateStatement] {
    try endTag()
    let body = try body(until: [end])
    place += 1
    try expect(.blockEnd, "%}")
    return body
  }

  private mutating func endTag() throws(TemplateError) {
    _ = skip(symbol: ":")
    try expect(.blockEnd, "%}")
  }

  private mutating func statement() throws(TemplateError) -> TemplateStatement.Node {
    let start = token
    switch try name() {
    case "if": return try choice()
    case "for": return try loop()
    case "set": return try set()
    case "macro":
      let name = try name()
      let parameters = try parameters()
      return .macro(
        TemplateMacro(name: name, parameters: parameters, body: try block("endmacro")))
    case "call":
      let parameters = isSymbol("(") ? try parameters() : []
      let call = try expression()
      guard case .call = call.node else {
        throw TemplateError(start.line, expected: "a call of a macro", found: "something else")
      }
      return .callBlock(
        call, TemplateMacro(name: "caller", parameters: parameters, body: try block("endcall")))
    case "filter":
      var filters = [try filter()]
      while skip(symbol: "|") { filters.append(try filter()) }
      return .filterBlock(filters, try block("endfilter"))
    case "with":
      var values: [(TemplateTarget, TemplateExpression)] = []
      while token.kind != .blockEnd, !isSymbol(":") {
        if !values.isEmpty { try expect(",") }
        let target = TemplateTarget.name(try name())
        try expect("=")
        values.append((target, try expression()))
      }
      return .with(values, try block("endwith"))
    case "generation": return .with([], try block("endgeneration"))
    case "break":
      try expect(.blockEnd, "%}")
      return .leaveLoop
    case "continue":
      try expect(.blockEnd, "%}")
      return .nextRound
    default:
      throw TemplateError(
        start.line,
        expected: "if, for, set, macro, call, filter, with, raw, generation, break or continue",
        found: start.summary)
    }
  }

  private mutating func choice() throws(TemplateError) -> TemplateStatement.Node {
    var cases: [(test: TemplateExpression, body: [TemplateStatement])] = []
    var last: [TemplateStatement] = []
    while true {
      let test = try tuple(withConditions: false)
      try endTag()
      cases.append((test, try body(until: ["elif", "else", "endif"])))
      switch try name() {
      case "elif": continue
      case "else": last = try block("endif")
      default: try expect(.blockEnd, "%}")
      }
      return .choice(cases, else: last)
    }
  }

  private mutating func loop() throws(TemplateError) -> TemplateStatement.Node {
    let target = try target()
    guard skip(name: "in") else { throw unexpected("\"in\"") }
    let values = try tuple(withConditions: false)
    let test = skip(name: "if") ? try expression() : nil
    let isRecursive = skip(name: "recursive")
    try endTag()
    let body = try body(until: ["endfor", "else"])
    var otherwise: [TemplateStatement] = []
    if try name() == "else" { otherwise = try block("endfor") } else { try expect(.blockEnd, "%}") }
    return .loop(
      .init(
        target: target, values: values, test: test, isRecursive: isRecursive, body: body,
        otherwise: otherwise))
  }

  private mutating func set() throws(TemplateError) -> TemplateStatement.Node {
    let target = try target(withMembers: true)
    if skip(symbol: "=") {
      let value = try tuple()
      try expect(.blockEnd, "%}")
      return .set(target, value)
    }
    var filters: [TemplateFilter] = []
    while skip(symbol: "|") { filters.append(try filter()) }
    return .setBlock(target, filters, try block("endset"))
  }

  /// `a`, `a, b`, `(a, b)`, and for `set` also `a.b`.
  private mutating func target(withMembers: Bool = false) throws(TemplateError) -> TemplateTarget {
    try enter()
    defer { leave() }
    var parts: [TemplateTarget] = []
    var isTuple = false
    repeat {
      if skip(symbol: "(") {
        parts.append(try target())
        try expect(")")
      } else if case .name = token.kind, !isName("in") || parts.isEmpty {
        let name = try name()
        if ["true", "false", "none", "True", "False", "None"].contains(name) {
          place -= 1
          throw unexpected("a name that can be set")
        }
        if withMembers, skip(symbol: ".") {
          parts.append(.member(of: name, try self.name()))
        } else {
          parts.append(.name(name))
        }
      } else if isTuple {
        break
      } else {
        throw unexpected("a name")
      }
      isTuple = isTuple || isSymbol(",")
    } while skip(symbol: ",")
    return isTuple ? .tuple(parts) : parts[0]
  }

  private mutating func parameters() throws(TemplateError) -> [(
    name: String, fallback: TemplateExpression?
  )] {
    var parameters: [(name: String, fallback: TemplateExpression?)] = []
    try expect("(")
    while !isSymbol(")") {
      if !parameters.isEmpty { try expect(",") }
      let name = try name()
      parameters.append((name, skip(symbol: "=") ? try expression() : nil))
    }
    try expect(")")
    return parameters
  }
}
