/// The values of expressions.
extension TemplateRun {
  mutating func value(_ expression: TemplateExpression) throws(TemplateError) -> TemplateValue {
    let line = expression.line
    try spend(0, line)
    try enter(line)
    defer { leave() }
    switch expression.node {
    case .constant(let value): return value
    case .name(let name):
      return scope[name] ?? .undefined("\"\(printable(name.utf8))\", which nothing sets")
    case .tuple(let parts): return try nested(.tuple(values(parts)), line)
    case .list(let parts): return try nested(.list(values(parts)), line)
    case .dict(let members):
      var dict = TemplateDict()
      for (key, value) in members {
        let name = try self.value(key)
        guard dict.set(name, to: try self.value(value)) else {
          throw TemplateError(line, expected: "a key", found: name.kind)
        }
      }
      return try nested(.dict(dict), line)
    case .attribute(let owner, let name): return try member(name, of: value(owner), line)
    case .item(let owner, let index): return try item(value(index), of: value(owner), line)
    case .slice(let owner, let from, let to, let step):
      return try slice(
        value(owner), optional(from), optional(to), optional(step), line)
    case .call(let callee, let arguments):
      return try call(value(callee), values(arguments, line), line)
    case .filter(let operand, let filter): return try filtered(value(operand), [filter])
    case .test(let operand, let test):
      return .bool(
        try self.test(test.name, value(operand), values(test.arguments, line), test.line))
    case .not(let operand): return .bool(try !value(operand).isTrue)
    case .negative(let operand): return try signed(value(operand), isNegative: true, line)
    case .positive(let operand): return try signed(value(operand), isNegative: false, line)
    case .and(let left, let right):
      let value = try value(left)
      return value.isTrue ? try self.value(right) : value
    case .or(let left, let right):
      let value = try value(left)
      return value.isTrue ? value : try self.value(right)
    case .binary(let operation, let left, let right):
      return try result(of: operation, value(left), value(right), line)
    case .concatenation(let parts):
      var text: [Unicode.Scalar] = []
      for part in parts {
        text += try value(part).string
        try spend(text.count, line)
      }
      return .text(text)
    case .comparison(let first, let rest): return try compare(first, rest, line)
    case .conditional(let value, let test, let other):
      if try self.value(test).isTrue { return try self.value(value) }
      return try optional(other) ?? .undefined("the else of a condition that has none")
    }
  }

  private mutating func optional(_ expression: TemplateExpression?) throws(TemplateError)
    -> TemplateValue?
  {
    guard let expression else { return nil }
    return try value(expression)
  }

  private mutating func values(_ parts: [TemplateExpression]) throws(TemplateError)
    -> [TemplateValue]
  {
    var values: [TemplateValue] = []
    for part in parts { values.append(try value(part)) }
    return values
  }

  mutating func values(
    _ arguments: TemplateArguments, _ line: Int
  ) throws(TemplateError) -> TemplateGiven {
    var given = TemplateGiven(positional: try values(arguments.positional))
    for (name, expression) in arguments.named { given.named.append((name, try value(expression))) }
    if let list = arguments.list {
      let found = try value(list)
      guard let elements = found.elements else {
        throw TemplateError(line, expected: "arguments after *", found: found.kind)
      }
      given.positional += elements
    }
    if let dict = arguments.dict {
      guard case .dict(let members) = try value(dict) else {
        throw TemplateError(line, expected: "a dictionary after **", found: "another value")
      }
      for (key, value) in members.members { given.named.append((String(key.string), value)) }
    }
    return given
  }

  /// A value that is not too deep: whatever walks through values may then recurse.
  mutating func nested(
    _ value: TemplateValue, _ line: Int
  ) throws(TemplateError) -> TemplateValue {
    var level: [TemplateValue] = [value]
    for _ in 0..<TemplateLimits.depth {
      var next: [TemplateValue] = []
      for value in level {
        switch value {
        case .list(let values), .tuple(let values), .sequence(let values): next += values
        case .dict(let dict): next += dict.members.map(\.value)
        default: break
        }
      }
      if next.isEmpty { return value }
      try spend(next.count, line)
      level = next
    }
    throw TemplateError(
      line, expected: "lists at most \(TemplateLimits.depth) levels deep", found: "deeper ones")
  }

  // MARK: Members

  /// `owner.name`: a member of the value's type, else the element of that name.
  func member(
    _ name: String, of owner: TemplateValue, _ line: Int
  ) throws(TemplateError) -> TemplateValue {
    if case .undefined(let what) = owner { throw missing(what, line) }
    if let own = ownMember(name, of: owner) { return own }
    return element(.init(name), of: owner)
      ?? .undefined("\"\(printable(name.utf8))\" of \(owner.kind)")
  }

  /// `owner[index]`: the element, else the member of that name.
  func item(
    _ index: TemplateValue, of owner: TemplateValue, _ line: Int
  ) throws(TemplateError) -> TemplateValue {
    if case .undefined(let what) = owner { throw missing(what, line) }
    if let element = element(index, of: owner) { return element }
    if case .text(let name) = index, let own = ownMember(String(name), of: owner) { return own }
    return .undefined("\"\(printable(String(index.string).utf8))\" of \(owner.kind)")
  }

  /// A member that a value has besides its elements.
  func ownMember(_ name: String, of owner: TemplateValue) -> TemplateValue? {
    switch owner {
    case .loop(let loop): loop.member(name)
    case .namespace(let namespace): namespace.members[.init(name)]
    // A group of `groupby`; no other pair is asked for these.
    case .tuple(let pair) where ["grouper", "list"].contains(name) && pair.count == 2:
      if case .list = pair[1] { pair[name == "list" ? 1 : 0] } else { nil }
    case .text where Self.textMethods.contains(name), .dict where Self.dictMethods.contains(name),
      .list where Self.listMethods.contains(name), .tuple where ["count", "index"].contains(name):
      .method(TemplateReceiver(owner), name)
    default: nil
    }
  }

  private func element(_ index: TemplateValue, of owner: TemplateValue) -> TemplateValue? {
    if case .dict(let dict) = owner { return TemplateDict.Key(index).flatMap { dict[$0] } }
    guard let place = index.integer, let count = owner.count else { return nil }
    let positive = place < 0 ? place + count : place
    guard (0..<count).contains(positive) else { return nil }
    switch owner {
    case .text(let text): return .text([text[positive]])
    case .list(let values), .tuple(let values): return values[positive]
    default: return nil
    }
  }

  func missing(_ what: String, _ line: Int) -> TemplateError {
    TemplateError(line, expected: "a value", found: what)
  }

  private mutating func slice(
    _ owner: TemplateValue, _ from: TemplateValue?, _ to: TemplateValue?, _ step: TemplateValue?,
    _ line: Int
  ) throws(TemplateError) -> TemplateValue {
    func bound(_ value: TemplateValue?) throws(TemplateError) -> Int? {
      guard let value else { return nil }
      if case .none = value { return nil }
      guard let bound = value.integer else {
        throw TemplateError(line, expected: "integers in a slice", found: value.kind)
      }
      return bound
    }
    let (start, end, stride) = (try bound(from), try bound(to), try bound(step) ?? 1)
    if case .undefined(let what) = owner { throw missing(what, line) }
    guard stride != 0 else { throw TemplateError(line, expected: "a step", found: "0") }
    guard let count = owner.count else { return .undefined("a slice of \(owner.kind)") }
    let places = Self.places(start, end, stride, of: count)
    try spend(count, line)
    switch owner {
    case .text(let text): return .text(places.map { text[$0] })
    case .list(let values): return .list(places.map { values[$0] })
    case .tuple(let values): return .tuple(places.map { values[$0] })
    default: return .undefined("a slice of \(owner.kind)")
    }
  }

  /// The places of a slice, by Python's rules.
  private static func places(_ start: Int?, _ end: Int?, _ step: Int, of count: Int) -> [Int] {
    func clamped(_ bound: Int) -> Int {
      let place = bound < 0 ? max(bound, -count - 1) + count : min(bound, count)
      return step > 0 ? max(place, 0) : min(max(place, -1), count - 1)
    }
    let first = start.map(clamped) ?? (step > 0 ? 0 : count - 1)
    let last = end.map(clamped) ?? (step > 0 ? count : -1)
    // A step beyond the ends gives one element.
    let stride = step > 0 ? min(step, count + 1) : max(step, -count - 1)
    return Array(Swift.stride(from: first, to: last, by: stride))
  }
}
