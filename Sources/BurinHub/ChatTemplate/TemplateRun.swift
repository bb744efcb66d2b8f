/// One run of a template: what it has written, what it may still take, the names it sees.
struct TemplateRun {
  private(set) var output: [Unicode.Scalar] = []
  var scope: TemplateScope
  /// What the clock says, for `strftime_now`: seconds since 1970.
  let now: Int
  private var work = 0
  private var depth = 0
  private var loops = 0
  /// What holds on to itself until it is cleared.
  private var scopes: [TemplateScope] = []
  private var namespaces: [TemplateNamespace] = []

  /// How a body ended.
  private enum Flow {
    case onwards, leaveLoop, nextRound
  }

  /// Runs statements over variables and gives the text.
  static func text(
    of statements: [TemplateStatement], _ variables: [(String, TemplateValue)], now: Int
  ) throws(TemplateError) -> String {
    let globals = TemplateScope()
    for name in TemplateRun.functions { globals[name] = .function(name) }
    for (name, value) in variables { globals[name] = value }
    var run = TemplateRun(scope: TemplateScope(globals), now: now)
    defer {
      for scope in run.scopes { scope.clear() }
      for namespace in run.namespaces { namespace.members = TemplateDict() }
    }
    _ = try run.run(statements)
    return String(run.output)
  }

  private init(scope: TemplateScope, now: Int) {
    self.scope = scope
    self.now = now
  }

  // MARK: Bounds

  /// Notes work done, so that no template runs for ever.
  mutating func spend(_ amount: Int, _ line: Int) throws(TemplateError) {
    work += amount + 1
    guard amount <= TemplateLimits.size, work <= TemplateLimits.work else {
      throw TemplateError(line, expected: "a template that ends", found: "one that does too much")
    }
  }

  /// Notes one more level of statements, expressions and calls.
  mutating func enter(_ line: Int) throws(TemplateError) {
    depth += 1
    guard depth <= 4 * TemplateLimits.depth else {
      throw TemplateError(
        line, expected: "at most \(4 * TemplateLimits.depth) levels of calls", found: "more")
    }
  }

  mutating func leave() { depth -= 1 }

  mutating func write(_ text: [Unicode.Scalar], _ line: Int) throws(TemplateError) {
    try spend(text.count, line)
    output += text
    guard output.count <= TemplateLimits.size else {
      throw TemplateError(
        line, expected: "at most \(TemplateLimits.size) characters", found: "more")
    }
  }

  mutating func makeNamespace() -> TemplateNamespace {
    let namespace = TemplateNamespace()
    namespaces.append(namespace)
    return namespace
  }

  // MARK: Statements

  private mutating func run(_ statements: [TemplateStatement]) throws(TemplateError) -> Flow {
    for statement in statements {
      let flow = try run(statement)
      if flow != .onwards { return flow }
    }
    return .onwards
  }

  private mutating func run(_ statement: TemplateStatement) throws(TemplateError) -> Flow {
    let line = statement.line
    try spend(0, line)
    try enter(line)
    defer { leave() }
    switch statement.node {
    case .text(let text): try write(text, line)
    case .output(let expression): try write(value(expression).string, line)
    case .choice(let cases, let last):
      for (test, body) in cases where try value(test).isTrue { return try run(body) }
      return try run(last)
    case .loop(let loop): try run(loop, over: value(loop.values), in: scope, level: 0, line)
    case .set(let target, let expression): try set(target, try value(expression), line)
    case .setBlock(let target, let filters, let body):
      try set(target, try filtered(.text(captured(body)), filters), line)
    case .macro(let macro):
      scope[macro.name] = .macro(TemplateClosure(macro, scope))
      scopes.append(scope)
    case .callBlock(let expression, let body):
      scopes.append(scope)
      guard case .call(let callee, let arguments) = expression.node else { break }
      var given = try values(arguments, line)
      given.named.append(("caller", .macro(TemplateClosure(body, scope))))
      try write(try call(value(callee), given, line).string, line)
    case .filterBlock(let filters, let body):
      try write(try filtered(.text(captured(body)), filters).string, line)
    case .with(let values, let body):
      let outer = scope
      let inner = TemplateScope(scope)
      for (target, expression) in values {
        let value = try value(expression)
        scope = inner
        try set(target, value, line)
        scope = outer
      }
      scope = inner
      defer { scope = outer }
      return try run(body)
    case .leaveLoop, .nextRound:
      guard loops > 0 else {
        throw TemplateError(
          line, expected: "break and continue inside a loop", found: "one outside")
      }
      if case .leaveLoop = statement.node { return .leaveLoop }
      return .nextRound
    }
    return .onwards
  }

  /// What a body writes, with names of its own.
  private mutating func captured(_ body: [TemplateStatement]) throws(TemplateError)
    -> [Unicode.Scalar]
  {
    let (before, outer) = (output, scope)
    output = []
    scope = TemplateScope(outer)
    defer { (output, scope) = (before, outer) }
    _ = try run(body)
    return output
  }

  /// - Parameters:
  ///   - outer: the names that the loop sees.
  ///   - level: how often it was run again inside of itself.
  private mutating func run(
    _ loop: TemplateStatement.Loop, over found: TemplateValue, in outer: TemplateScope, level: Int,
    _ line: Int
  ) throws(TemplateError) {
    guard var elements = found.elements else {
      throw TemplateError(line, expected: "something to run through", found: found.kind)
    }
    try spend(elements.count, line)
    let before = scope
    defer { scope = before }
    if let test = loop.test {
      var kept: [TemplateValue] = []
      for element in elements {
        scope = TemplateScope(outer)
        try set(loop.target, element, line)
        if try value(test).isTrue { kept.append(element) }
      }
      elements = kept
    }
    guard !elements.isEmpty else {
      scope = TemplateScope(outer)
      _ = try run(loop.otherwise)
      return
    }
    loops += 1
    defer { loops -= 1 }
    let state = TemplateLoop(elements, level: level)
    if loop.isRecursive { state.again = (loop, outer) }
    for index in elements.indices {
      state.index = index
      scope = TemplateScope(outer)
      scope["loop"] = .loop(state)
      try set(loop.target, elements[index], line)
      if try run(loop.body) == .leaveLoop { break }
    }
  }

  private mutating func set(
    _ target: TemplateTarget, _ value: TemplateValue, _ line: Int
  ) throws(TemplateError) {
    switch target {
    case .name(let name): scope[name] = value
    case .member(let owner, let name):
      guard case .namespace(let namespace)? = scope[owner] else {
        throw TemplateError(
          line, expected: "a namespace before .\(printable(name.utf8))",
          found: scope[owner]?.kind ?? "nothing")
      }
      namespace.members[.init(name)] = value
    case .tuple(let targets):
      guard let elements = value.elements, elements.count == targets.count else {
        throw TemplateError(
          line, expected: "\(targets.count) values",
          found: value.elements.map { "\($0.count)" } ?? value.kind)
      }
      for (target, element) in zip(targets, elements) { try set(target, element, line) }
    }
  }

  /// What a recursive loop writes for the values that it is called with.
  mutating func call(
    _ loop: TemplateLoop, _ arguments: TemplateGiven, _ line: Int
  ) throws(TemplateError) -> TemplateValue {
    guard let (statement, scope) = loop.again else {
      throw TemplateError(line, expected: "a loop that is recursive", found: "one that is not")
    }
    guard let values = arguments.positional.first, arguments.positional.count == 1,
      arguments.named.isEmpty
    else { throw TemplateError(line, expected: "one value for the loop", found: "others") }
    try enter(line)
    defer { leave() }
    let before = output
    output = []
    defer { output = before }
    try run(statement, over: values, in: scope, level: loop.level + 1, line)
    return .text(output)
  }

  // MARK: Macros

  /// What a macro writes for these arguments.
  mutating func call(
    _ closure: TemplateClosure, _ arguments: TemplateGiven, _ line: Int
  ) throws(TemplateError) -> TemplateValue {
    try enter(line)
    defer { leave() }
    let macro = closure.macro
    let (before, outer, outerLoops) = (output, scope, loops)
    (output, scope, loops) = ([], TemplateScope(closure.scope), 0)
    defer { (output, scope, loops) = (before, outer, outerLoops) }
    var rest = arguments
    scope["varargs"] = .tuple(Array(rest.positional.dropFirst(macro.parameters.count)))
    scope["caller"] = rest.take("caller") ?? .undefined("no caller")
    for (place, parameter) in macro.parameters.enumerated() {
      if place < rest.positional.count {
        scope[parameter.name] = rest.positional[place]
      } else if let given = rest.take(parameter.name) {
        scope[parameter.name] = given
      } else if let fallback = parameter.fallback {
        scope[parameter.name] = try value(fallback)
      } else {
        scope[parameter.name] = .undefined("parameter \(parameter.name) was not given")
      }
    }
    var named = TemplateDict()
    for (name, value) in rest.named { named[.init(name)] = value }
    scope["kwargs"] = .dict(named)
    _ = try run(macro.body)
    return .text(output)
  }
}

/// The arguments of a call.
struct TemplateGiven {
  var positional: [TemplateValue] = []
  var named: [(name: String, value: TemplateValue)] = []

  /// Takes a named argument out.
  mutating func take(_ name: String) -> TemplateValue? {
    guard let place = named.firstIndex(where: { $0.name == name }) else { return nil }
    return named.remove(at: place).value
  }

  /// Takes the argument at the first place, or by its name.
  mutating func next(_ name: String) -> TemplateValue? {
    positional.isEmpty ? take(name) : positional.removeFirst()
  }
}
