import Glibc

/// Functions and methods.
extension TemplateRun {
  /// What every template can call.
  static let functions = ["range", "dict", "namespace", "raise_exception", "strftime_now"]

  mutating func call(
    _ callee: TemplateValue, _ arguments: TemplateGiven, _ line: Int
  ) throws(TemplateError) -> TemplateValue {
    try spend(arguments.positional.count, line)
    switch callee {
    case .macro(let closure): return try call(closure, arguments, line)
    case .loop(let loop): return try call(loop, arguments, line)
    case .function(let name): return try function(name, arguments, line)
    case .method(let receiver, let name):
      var rest = arguments
      let result = try method(name, of: receiver.value, &rest, line)
      try check(rest, of: name, line)
      return result
    case .undefined(let what):
      throw TemplateError(line, expected: "something to call", found: what)
    default: throw TemplateError(line, expected: "something to call", found: callee.kind)
    }
  }

  /// Refuses arguments that nothing took.
  func check(_ rest: TemplateGiven, of name: String, _ line: Int) throws(TemplateError) {
    guard rest.positional.isEmpty, rest.named.isEmpty else {
      throw TemplateError(
        line, expected: "the arguments that \(name) takes",
        found: rest.named.first.map { "\"\(printable($0.name.utf8))\" too" } ?? "more")
    }
  }

  private mutating func function(
    _ name: String, _ arguments: TemplateGiven, _ line: Int
  ) throws(TemplateError) -> TemplateValue {
    var rest = arguments
    switch name {
    case "raise_exception":
      let message = rest.next("message") ?? .undefined("")
      throw TemplateError(
        line, expected: "a conversation that the template takes",
        found: "\"\(printable(String(message.string).utf8, limit: 400))\"")
    case "strftime_now":
      guard let format = rest.next("format")?.scalars else {
        throw TemplateError(line, expected: "a format of dates", found: "another value")
      }
      return TemplateValue(date(String(format)))
    case "range":
      let bounds = rest.positional.compactMap(\.integer)
      guard bounds.count == rest.positional.count, (1...3).contains(bounds.count),
        bounds.count < 3 || bounds[2] != 0
      else { throw TemplateError(line, expected: "range of integers", found: "others") }
      let (start, end) = bounds.count == 1 ? (0, bounds[0]) : (bounds[0], bounds[1])
      let step = bounds.count == 3 ? bounds[2] : 1
      // Jinja's sandbox has this bound.
      let count = (Double(end) - Double(start)) / Double(step)
      guard count <= 100_000 else {
        throw TemplateError(line, expected: "a range of at most 100000", found: "a longer one")
      }
      try spend(max(0, Int(clamping: count)), line)
      return .list(stride(from: start, to: end, by: step).map { .int($0) })
    default:
      var members = TemplateDict()
      if case .dict(let given)? = rest.positional.first {
        members = given
        rest.positional.removeFirst()
      }
      for (name, value) in rest.named { members[.init(name)] = value }
      rest.named = []
      try check(rest, of: name, line)
      guard name == "namespace" else { return try nested(.dict(members), line) }
      let namespace = makeNamespace()
      namespace.members = members
      return .namespace(namespace)
    }
  }

  /// The time of the run by a format of `strftime`.
  private func date(_ format: String) -> String {
    var (time, parts) = (time_t(now), tm())
    localtime_r(&time, &parts)
    // Nothing in a format is longer than its name by more than this.
    var buffer = [CChar](repeating: 0, count: format.utf8.count * 40 + 64)
    let count = strftime(&buffer, buffer.count, format, &parts)
    return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  // MARK: Methods

  static let dictMethods: Set = [
    "items", "keys", "values", "get", "copy", "pop", "popitem", "update", "setdefault", "clear",
  ]
  static let listMethods: Set = [
    "count", "index", "copy", "append", "extend", "insert", "pop", "remove", "reverse", "sort",
    "clear",
  ]

  private mutating func method(
    _ name: String, of owner: TemplateValue, _ rest: inout TemplateGiven, _ line: Int
  ) throws(TemplateError) -> TemplateValue {
    try spend(owner.count ?? 0, line)
    switch (owner, name) {
    case (.text(let text), _): return try textMethod(name, of: text, &rest, line)
    case (.dict(let dict), "items"):
      return .list(dict.members.map { .tuple([$0.key, $0.value]) })
    case (.dict(let dict), "keys"): return .list(dict.members.map(\.key))
    case (.dict(let dict), "values"): return .list(dict.members.map(\.value))
    case (.dict(let dict), "get"):
      let key = rest.next("key") ?? .none
      let fallback = rest.next("default") ?? .none
      return TemplateDict.Key(key).flatMap { dict[$0] } ?? fallback
    case (.dict, "copy"), (.list, "copy"): return owner
    case (.list(let values), "count"), (.tuple(let values), "count"):
      let wanted = rest.next("value") ?? .none
      return .int(values.filter { $0.isEqual(to: wanted) }.count)
    case (.list(let values), "index"), (.tuple(let values), "index"):
      let wanted = rest.next("value") ?? .none
      guard let place = values.firstIndex(where: { $0.isEqual(to: wanted) }) else {
        throw TemplateError(line, expected: "an element of the list", found: "another value")
      }
      return .int(place)
    case (.loop(let loop), "cycle"):
      let values = rest.positional
      rest.positional = []
      guard !values.isEmpty else {
        throw TemplateError(line, expected: "values to take turns", found: "none")
      }
      return values[loop.index % values.count]
    case (.loop(let loop), _):
      let values = rest.positional
      rest.positional = []
      let last = loop.last
      loop.last = values
      return .bool(last.map { !TemplateValue.tuple($0).isEqual(to: .tuple(values)) } ?? true)
    default:
      throw TemplateError(
        line, expected: "a method that changes nothing", found: "\(name) of \(owner.kind)")
    }
  }
}
