import Glibc

/// Jinja's filters, those that work on one value; `TemplateListFilters.swift` has those on many.
extension TemplateRun {
  mutating func filtered(
    _ start: TemplateValue, _ filters: [TemplateFilter]
  ) throws(TemplateError) -> TemplateValue {
    var value = start
    for filter in filters {
      value = try apply(filter.name, value, values(filter.arguments, filter.line), filter.line)
    }
    return value
  }

  /// A filter's value; every argument has to be one that it takes.
  mutating func apply(
    _ name: String, _ value: TemplateValue, _ given: TemplateGiven, _ line: Int
  ) throws(TemplateError) -> TemplateValue {
    try spend(value.count ?? 0, line)
    var rest = given
    var result = try textFilter(name, value, &rest, line)
    if result == nil { result = try valueFilter(name, value, &rest, line) }
    if result == nil { result = try listFilter(name, value, &rest, line) }
    guard let result else {
      throw TemplateError(
        line, expected: "a filter that Burin knows", found: "\"\(printable(name.utf8))\"")
    }
    try check(rest, of: name, line)
    return result
  }

  // MARK: Texts

  private mutating func textFilter(
    _ name: String, _ value: TemplateValue, _ rest: inout TemplateGiven, _ line: Int
  ) throws(TemplateError) -> TemplateValue? {
    func method(_ name: String) throws(TemplateError) -> TemplateValue {
      var none = TemplateGiven()
      return try textMethod(name, of: value.string, &none, line)
    }
    switch name {
    case "upper", "lower", "capitalize": return try method(name)
    case "title":
      // Unlike Python's method, Jinja's filter leaves the letter after an apostrophe alone.
      var (result, isInside) = ("", false)
      for scalar in value.string {
        let properties = scalar.properties
        result += isInside ? properties.lowercaseMapping : properties.uppercaseMapping
        isInside = !(scalar.isPythonSpace || "-({[<".unicodeScalars.contains(scalar))
      }
      return TemplateValue(result)
    case "string": return .text(value.string)
    case "safe": return .text(value.string)
    case "trim":
      let characters = rest.next("chars")?.scalars
      return .text(value.string.trimmed(of: characters))
    case "replace":
      let (old, new) = (rest.next("old"), rest.next("new"))
      guard let old, let new else {
        throw TemplateError(line, expected: "replace(old, new)", found: "fewer arguments")
      }
      let count = rest.next("count")?.integer ?? -1
      return .text(
        try replaced(value.string, old.string, new.string, count < 0 ? .max : count, line))
    case "indent":
      let width = rest.next("width") ?? .int(4)
      let first = rest.next("first")?.isTrue ?? false
      let blank = rest.next("blank")?.isTrue ?? false
      let space =
        width.scalars ?? Array(repeating: " ", count: min(max(0, width.integer ?? 4), 1000))
      // So a line break at the end stays.
      let lines = (value.string + ["\n"]).lines()
      try spend(value.string.count + lines.count * space.count, line)
      var result: [Unicode.Scalar] = first ? space : []
      for (number, text) in lines.enumerated() {
        if number > 0 { result += ["\n"] + (blank || !text.isEmpty ? space : []) }
        result += text
      }
      return .text(result)
    case "e", "escape":
      let entities: [Unicode.Scalar: String] = [
        "&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&#39;", "\"": "&#34;",
      ]
      return TemplateValue(value.string.map { entities[$0] ?? String($0) }.joined())
    case "format":
      let values = rest.positional
      rest.positional = []
      return .text(try formatted(value.string, .tuple(values), line))
    case "wordcount":
      return .int(value.string.split { !$0.isIdentifierPart }.count)
    case "center":
      var width = TemplateGiven(positional: [rest.next("width") ?? .int(80)])
      return try textMethod("center", of: value.string, &width, line)
    case "truncate":
      let length = rest.next("length")?.integer ?? 255
      let kills = rest.next("killwords")?.isTrue ?? false
      let end = rest.next("end")?.string ?? Array("...".unicodeScalars)
      let leeway = rest.next("leeway")?.integer ?? 5
      let text = value.string
      if text.count <= length + leeway { return .text(text) }
      let start = Array(text.prefix(max(0, length - end.count)))
      let last = kills ? nil : start.lastIndex(of: " ")
      return .text((last.map { Array(start[..<$0]) } ?? start) + end)
    default: return nil
    }
  }

  // MARK: Values

  private mutating func valueFilter(
    _ name: String, _ value: TemplateValue, _ rest: inout TemplateGiven, _ line: Int
  ) throws(TemplateError) -> TemplateValue? {
    switch name {
    case "default", "d":
      let other = rest.next("default_value") ?? .text([])
      let alsoFalse = rest.next("boolean")?.isTrue ?? false
      if case .undefined = value { return other }
      return alsoFalse && !value.isTrue ? other : value
    case "length", "count":
      guard let count = value.count else {
        throw TemplateError(line, expected: "something with a length", found: value.kind)
      }
      return .int(count)
    case "abs":
      if let integer = value.integer {
        return integer < 0 ? try signed(value, isNegative: true, line) : .int(integer)
      }
      guard case .real(let real) = value else {
        throw TemplateError(line, expected: "a number", found: value.kind)
      }
      return .real(abs(real))
    case "int":
      let fallback = rest.next("default") ?? .int(0)
      let base = rest.next("base")?.integer ?? 10
      if let integer = value.integer { return .int(integer) }
      if case .real(let real) = value, real.isFinite { return .int(Int(clamping: real)) }
      guard let text = value.scalars.map({ String($0.trimmed()) }) else { return fallback }
      return Self.integer(text, base: base).map { .int($0) }
        ?? Double(text).flatMap { $0.isFinite ? .int(Int(clamping: $0)) : nil } ?? fallback
    case "float":
      let fallback = rest.next("default") ?? .real(0)
      if let number = value.number { return .real(number) }
      return value.scalars.flatMap { Double(String($0.trimmed())) }.map { .real($0) } ?? fallback
    case "round":
      let precision = rest.next("precision")?.integer ?? 0
      let method = rest.next("method").map { String($0.string) } ?? "common"
      guard let number = value.number, (-15...15).contains(precision),
        ["common", "ceil", "floor"].contains(method)
      else {
        throw TemplateError(line, expected: "a number and common, ceil or floor", found: value.kind)
      }
      // Python's `round` leaves integers what they are, and rounds the number itself, not its product.
      if method == "common", precision >= 0 {
        if let integer = value.integer { return .int(integer) }
        return .real(Double(printed("%.\(precision)f", number)) ?? number)
      }
      let scale = pow(10, Double(abs(precision)))
      let part = precision < 0 ? number / scale : number * scale
      let rounded = part.rounded(
        method == "ceil" ? .up : method == "floor" ? .down : .toNearestOrEven)
      let result = precision < 0 ? rounded * scale : rounded / scale
      return method == "common" && value.integer != nil
        ? .int(Int(clamping: result)) : .real(result)
    case "tojson": return try json(value, &rest, line)
    case "attr":
      // Unlike a point, it finds no elements.
      let name = String(rest.next("name")?.string ?? [])
      return ownMember(name, of: value)
        ?? .undefined("\"\(printable(name.utf8))\" of \(value.kind)")
    case "items":
      if case .undefined = value { return .sequence([]) }
      guard case .dict(let dict) = value else {
        throw TemplateError(line, expected: "a dictionary", found: value.kind)
      }
      return .sequence(dict.members.map { .tuple([$0.key, $0.value]) })
    default: return nil
    }
  }

  /// The integer that a text spells in a base, as Python reads it: digits may have `_` between them,
  /// and what says the base may stand before them.
  private static func integer(_ text: String, base: Int) -> Int? {
    guard (2...36).contains(base) else { return nil }
    var digits = text[...]
    let sign = digits.first == "-" ? "-" : ""
    if digits.first == "-" || digits.first == "+" { digits.removeFirst() }
    let marks = [2: "0b", 8: "0o", 16: "0x"]
    if let mark = marks[base], digits.lowercased().hasPrefix(mark) { digits = digits.dropFirst(2) }
    let parts = digits.split(separator: "_", omittingEmptySubsequences: false)
    guard !parts.contains(where: { $0.isEmpty || $0.first == "+" || $0.first == "-" }) else {
      return nil
    }
    return Int(sign + parts.joined(), radix: base)
  }

  private mutating func json(
    _ value: TemplateValue, _ rest: inout TemplateGiven, _ line: Int
  ) throws(TemplateError) -> TemplateValue {
    var writer = TemplateJSON()
    writer.ensuresASCII = rest.next("ensure_ascii")?.isTrue ?? false
    switch rest.next("indent") ?? .none {
    case .text(let text): writer.indent = text
    case .int(let width): writer.indent = Array(repeating: " ", count: min(max(0, width), 1000))
    default: break
    }
    if writer.indent != nil { writer.between = [","] }
    if let separators = rest.next("separators"), let parts = separators.elements, parts.count == 2 {
      (writer.between, writer.afterKey) = (parts[0].string, parts[1].string)
    }
    writer.sortsKeys = rest.next("sort_keys")?.isTrue ?? false
    let text: [Unicode.Scalar]
    do throws(TemplateJSON.Unwritable) { text = try writer.text(value) } catch {
      throw TemplateError(line, expected: "a value that JSON has", found: error.kind)
    }
    try spend(text.count, line)
    return .text(text)
  }
}
