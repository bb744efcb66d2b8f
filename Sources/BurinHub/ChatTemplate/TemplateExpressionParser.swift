/// Expressions, by Jinja's precedence: a condition, `or`, `and`, `not`, comparisons, sums, `~`,
/// products, powers, signs, and what follows a value.
extension TemplateParser {
  /// An expression, or several with commas between them.
  mutating func tuple(
    withConditions: Bool = true, inParentheses: Bool = false
  ) throws(TemplateError) -> TemplateExpression {
    let line = line
    var parts: [TemplateExpression] = []
    var isTuple = false
    while !isTupleEnd {
      parts.append(withConditions ? try expression() : try disjunction())
      guard skip(symbol: ",") else { break }
      isTuple = true
    }
    if !isTuple, let only = parts.first { return only }
    guard isTuple || inParentheses else { throw unexpected("an expression") }
    return TemplateExpression(line: line, node: .tuple(parts))
  }

  private var isTupleEnd: Bool {
    token.kind == .outputEnd || token.kind == .blockEnd || isSymbol(")")
  }

  /// An expression, with a condition if it has one.
  mutating func expression() throws(TemplateError) -> TemplateExpression {
    try enter()
    defer { leave() }
    let line = line
    var value = try disjunction()
    while skip(name: "if") {
      let test = try disjunction()
      let other = skip(name: "else") ? try expression() : nil
      value = TemplateExpression(line: line, node: .conditional(value, if: test, else: other))
    }
    return value
  }

  private mutating func disjunction() throws(TemplateError) -> TemplateExpression {
    let line = line
    var left = try conjunction()
    while skip(name: "or") {
      left = TemplateExpression(line: line, node: .or(left, try conjunction()))
    }
    return left
  }

  private mutating func conjunction() throws(TemplateError) -> TemplateExpression {
    let line = line
    var left = try negation()
    while skip(name: "and") {
      left = TemplateExpression(line: line, node: .and(left, try negation()))
    }
    return left
  }

  private mutating func negation() throws(TemplateError) -> TemplateExpression {
    let line = line
    guard skip(name: "not") else { return try comparison() }
    try enter()
    defer { leave() }
    return TemplateExpression(line: line, node: .not(try negation()))
  }

  private mutating func comparison() throws(TemplateError) -> TemplateExpression {
    let line = line
    let first = try sum()
    var rest: [(TemplateComparison, TemplateExpression)] = []
    while let comparison = comparisonOperator() { rest.append((comparison, try sum())) }
    return rest.isEmpty
      ? first : TemplateExpression(line: line, node: .comparison(first, rest))
  }

  private mutating func comparisonOperator() -> TemplateComparison? {
    if skip(name: "in") { return .isIn }
    if isName("not"), tokens[place + 1].kind == .name("in") {
      place += 2
      return .isNotIn
    }
    guard case .symbol(let symbol) = token.kind,
      let comparison = TemplateComparison(rawValue: symbol)
    else { return nil }
    place += 1
    return comparison
  }

  private mutating func sum() throws(TemplateError) -> TemplateExpression {
    let line = line
    var left = try concatenation()
    while isSymbol("+") || isSymbol("-") {
      let operation: TemplateOperator = isSymbol("+") ? .add : .subtract
      place += 1
      left = TemplateExpression(line: line, node: .binary(operation, left, try concatenation()))
    }
    return left
  }

  private mutating func concatenation() throws(TemplateError) -> TemplateExpression {
    let line = line
    var parts = [try product()]
    while skip(symbol: "~") { parts.append(try product()) }
    return parts.count == 1
      ? parts[0] : TemplateExpression(line: line, node: .concatenation(parts))
  }

  private mutating func product() throws(TemplateError) -> TemplateExpression {
    let line = line
    var left = try power()
    while case .symbol(let symbol) = token.kind, ["*", "/", "//", "%"].contains(symbol),
      let operation = TemplateOperator(rawValue: symbol)
    {
      place += 1
      left = TemplateExpression(line: line, node: .binary(operation, left, try power()))
    }
    return left
  }

  private mutating func power() throws(TemplateError) -> TemplateExpression {
    let line = line
    var left = try unary()
    while skip(symbol: "**") {
      left = TemplateExpression(line: line, node: .binary(.power, left, try unary()))
    }
    return left
  }

  private mutating func unary(withFilters: Bool = true) throws(TemplateError) -> TemplateExpression
  {
    try enter()
    defer { leave() }
    let line = line
    var value: TemplateExpression
    if skip(symbol: "-") {
      value = TemplateExpression(line: line, node: .negative(try unary(withFilters: false)))
    } else if skip(symbol: "+") {
      value = TemplateExpression(line: line, node: .positive(try unary(withFilters: false)))
    } else {
      value = try primary()
    }
    value = try postfix(value)
    return withFilters ? try filtered(value) : value
  }

  private mutating func primary() throws(TemplateError) -> TemplateExpression {
    let line = line
    func constant(_ value: TemplateValue) -> TemplateExpression {
      TemplateExpression(line: line, node: .constant(value))
    }
    switch token.kind {
    case .name(let name):
      place += 1
      switch name {
      case "true", "True": return constant(.bool(true))
      case "false", "False": return constant(.bool(false))
      case "none", "None": return constant(.none)
      default: return TemplateExpression(line: line, node: .name(name))
      }
    case .string(var text):
      place += 1
      while case .string(let more) = token.kind {
        text += more
        place += 1
      }
      return constant(.text(text))
    case .integer(let value):
      place += 1
      return constant(.int(value))
    case .real(let value):
      place += 1
      return constant(.real(value))
    case .symbol("("):
      place += 1
      try enter()
      defer { leave() }
      let value = try tuple(inParentheses: true)
      try expect(")")
      return value
    case .symbol("["):
      place += 1
      var elements: [TemplateExpression] = []
      while !isSymbol("]") {
        if !elements.isEmpty { try expect(",") }
        if isSymbol("]") { break }
        elements.append(try expression())
      }
      try expect("]")
      return TemplateExpression(line: line, node: .list(elements))
    case .symbol("{"):
      place += 1
      var members: [(key: TemplateExpression, value: TemplateExpression)] = []
      while !isSymbol("}") {
        if !members.isEmpty { try expect(",") }
        if isSymbol("}") { break }
        let key = try expression()
        try expect(":")
        members.append((key, try expression()))
      }
      try expect("}")
      return TemplateExpression(line: line, node: .dict(members))
    default:
      throw unexpected("an expression")
    }
  }

  // MARK: After a value

  private mutating func postfix(_ start: TemplateExpression) throws(TemplateError)
    -> TemplateExpression
  {
    var value = start
    while true {
      let line = line
      if skip(symbol: ".") {
        if case .integer(let index) = token.kind {
          place += 1
          let index = TemplateExpression(line: line, node: .constant(.int(index)))
          value = TemplateExpression(line: line, node: .item(value, index))
        } else {
          value = TemplateExpression(line: line, node: .attribute(value, try name()))
        }
      } else if skip(symbol: "[") {
        value = TemplateExpression(line: line, node: try subscripted(value))
        try expect("]")
      } else if isSymbol("(") {
        value = TemplateExpression(line: line, node: .call(value, try arguments()))
      } else {
        return value
      }
    }
  }

  private mutating func subscripted(_ value: TemplateExpression) throws(TemplateError)
    -> TemplateExpression.Node
  {
    let from = isSymbol(":") ? nil : try expression()
    guard skip(symbol: ":") else {
      guard let from else { throw unexpected("an index") }
      return .item(value, from)
    }
    let to = isSymbol(":") || isSymbol("]") ? nil : try expression()
    let step = !skip(symbol: ":") || isSymbol("]") ? nil : try expression()
    return .slice(value, from: from, to: to, step: step)
  }

  private mutating func filtered(_ start: TemplateExpression) throws(TemplateError)
    -> TemplateExpression
  {
    var value = start
    while true {
      let line = line
      if skip(symbol: "|") {
        value = TemplateExpression(line: line, node: .filter(value, try filter()))
      } else if skip(name: "is") {
        let isNegated = skip(name: "not")
        value = TemplateExpression(line: line, node: .test(value, try test()))
        if isNegated { value = TemplateExpression(line: line, node: .not(value)) }
      } else if isSymbol("(") {
        value = TemplateExpression(line: line, node: .call(value, try arguments()))
      } else {
        return value
      }
    }
  }

  /// A filter's name and arguments.
  mutating func filter() throws(TemplateError) -> TemplateFilter {
    let line = line
    let name = try name()
    return TemplateFilter(
      line: line, name: name, arguments: isSymbol("(") ? try arguments() : TemplateArguments())
  }

  /// A test's name and arguments; a single argument needs no parentheses.
  private mutating func test() throws(TemplateError) -> TemplateFilter {
    var test = TemplateFilter(line: line, name: try name())
    if isSymbol("(") {
      test.arguments = try arguments()
      return test
    }
    switch token.kind {
    case .name("else"), .name("or"), .name("and"): return test
    case .name("is"): throw unexpected("one test")
    case .name, .string, .integer, .real, .symbol("["), .symbol("{"):
      test.arguments.positional = [try postfix(primary())]
      return test
    default: return test
    }
  }

  private mutating func arguments() throws(TemplateError) -> TemplateArguments {
    var arguments = TemplateArguments()
    try expect("(")
    while !isSymbol(")") {
      if skip(symbol: "**") {
        arguments.dict = try expression()
      } else if skip(symbol: "*") {
        arguments.list = try expression()
      } else if case .name(let name) = token.kind, tokens[place + 1].kind == .symbol("=") {
        place += 2
        arguments.named.append((name, try expression()))
      } else {
        guard arguments.named.isEmpty, arguments.list == nil, arguments.dict == nil else {
          throw unexpected("a named argument")
        }
        arguments.positional.append(try expression())
      }
      guard skip(symbol: ",") else { break }
    }
    try expect(")")
    return arguments
  }
}
