/// `format.format(...)`: Python's replacement fields, such as `{}`, `{0.name}` and `{price:>8.2f}`.
extension TemplateRun {
  mutating func filled(
    _ format: [Unicode.Scalar], _ given: TemplateGiven, _ line: Int
  ) throws(TemplateError) -> [Unicode.Scalar] {
    var next: Int? = 0
    return try filled(format, given, &next, levels: 2, line)
  }

  /// - Parameters:
  ///   - next: which argument `{}` takes; nil as soon as a field has named one by its number.
  ///   - levels: how many fields may stand inside each other.
  private mutating func filled(
    _ format: [Unicode.Scalar], _ given: TemplateGiven, _ next: inout Int?, levels: Int, _ line: Int
  ) throws(TemplateError) -> [Unicode.Scalar] {
    guard levels >= 0 else {
      throw TemplateError(line, expected: "fields at most two levels deep", found: "deeper ones")
    }
    var (result, place) = ([Unicode.Scalar](), 0)
    while place < format.count {
      let scalar = format[place]
      place += 1
      guard scalar == "{" || scalar == "}" else {
        result.append(scalar)
        continue
      }
      if place < format.count, format[place] == scalar {
        result.append(scalar)
        place += 1
        continue
      }
      guard scalar == "{", let field = ReplacementField(format, &place) else {
        throw TemplateError(
          line, expected: "fields in braces", found: "a \"\(scalar)\" that stands alone")
      }
      var value = try argument(field.path, given, &next, line)
      if let conversion = field.conversion {
        guard conversion == "s" || conversion == "r" else {
          throw TemplateError(
            line, expected: "!s or !r", found: "\"!\(printable(String(conversion).utf8))\"")
        }
        value = .text(conversion == "s" ? value.string : value.representation)
      }
      let specification = try filled(field.format, given, &next, levels: levels - 1, line)
      result += try written(value, as: specification, line)
      try spend(result.count, line)
    }
    return result
  }

  /// The value that a path such as `0.name[key]` leads to.
  private func argument(
    _ path: [Unicode.Scalar], _ given: TemplateGiven, _ next: inout Int?, _ line: Int
  ) throws(TemplateError) -> TemplateValue {
    let name = path.prefix { $0 != "." && $0 != "[" }
    func wrong(_ expected: String, _ found: String) -> TemplateError {
      TemplateError(
        line, expected: "\(expected) the field {\(printable(String(path).utf8))}", found: found)
    }
    var value: TemplateValue
    if name.isEmpty || name.allSatisfy(\.isDigit) {
      guard name.isEmpty ? next != nil : next ?? 0 == 0 else {
        throw wrong("all fields with numbers, or none, at", "both")
      }
      guard let number = name.isEmpty ? next : Int(String(name)), number < given.positional.count
      else { throw wrong("a value for", "\(given.positional.count) values") }
      next = name.isEmpty ? number + 1 : nil
      value = given.positional[number]
    } else {
      guard let named = given.named.last(where: { $0.name == String(name) }) else {
        throw wrong("a value for", "none of that name")
      }
      value = named.value
    }
    var rest = path[name.endIndex...]
    while let mark = rest.popFirst() {
      let part = rest.prefix { mark == "." ? $0 != "." && $0 != "[" : $0 != "]" }
      rest = rest[part.endIndex...]
      guard !part.isEmpty, mark == "." || mark == "[" && rest.popFirst() == "]" else {
        throw wrong("members and elements in", "something else")
      }
      if mark == "." {
        value = try member(String(part), of: value, line)
      } else {
        let number = part.allSatisfy(\.isDigit) ? Int(String(part)) : nil
        value = try item(number.map { .int($0) } ?? .text(Array(part)), of: value, line)
      }
    }
    return value
  }

  /// A value as Python's `format(value, specification)` has it.
  private mutating func written(
    _ value: TemplateValue, as specification: [Unicode.Scalar], _ line: Int
  ) throws(TemplateError) -> [Unicode.Scalar] {
    if specification.isEmpty { return value.string }
    let format = FieldFormat(specification, isText: value.scalars != nil)
    if let format { try spend(format.width + (format.precision ?? 0), line) }
    guard let text = format?.text(of: value) else {
      throw TemplateError(
        line, expected: "a format for \(value.kind)",
        found: "\"\(printable(String(specification).utf8))\"")
    }
    return text
  }
}

/// One field in braces: what it shows, how that is converted, and the format.
private struct ReplacementField {
  var path: [Unicode.Scalar] = []
  var conversion: Unicode.Scalar?
  var format: [Unicode.Scalar] = []

  /// Reads up to the closing brace, from behind the opening one on; nil if there is none.
  init?(_ text: [Unicode.Scalar], _ place: inout Int) {
    func next() -> Unicode.Scalar? {
      defer { place += 1 }
      return place < text.count ? text[place] : nil
    }
    var isElement = false
    var scalar = next()
    while let current = scalar, isElement || !"!:}".unicodeScalars.contains(current) {
      if current == "{", !isElement { return nil }
      isElement = isElement ? current != "]" : current == "["
      path.append(current)
      scalar = next()
    }
    if scalar == "!" {
      conversion = next()
      scalar = next()
    }
    if scalar == ":" {
      var depth = 1
      while let current = next() {
        depth += current == "{" ? 1 : current == "}" ? -1 : 0
        if depth == 0 { return }
        format.append(current)
      }
      return nil
    }
    if scalar != "}" { return nil }
  }
}

/// What stands behind the colon of a field: `[[fill]align][sign][#][0][width][grouping][.precision][type]`.
private struct FieldFormat {
  /// Wider than any text may be.
  private static let most = 1 << 40

  private var fill: Unicode.Scalar = " "
  private var align: Unicode.Scalar?
  private var sign: Unicode.Scalar?
  private var isAlternate = false
  private(set) var width = 0
  private var grouping: Unicode.Scalar?
  private(set) var precision: Int?
  private var type: Unicode.Scalar?

  /// - Parameter isText: whether a text is to be written, which zeros fill on the right.
  init?(_ text: [Unicode.Scalar], isText: Bool) {
    var rest = text[...]
    func take(_ set: String) -> Unicode.Scalar? {
      guard let first = rest.first, set.unicodeScalars.contains(first) else { return nil }
      return rest.removeFirst()
    }
    func number() -> Int? {
      let digits = rest.prefix(while: \.isDigit)
      rest = rest.dropFirst(digits.count)
      return digits.isEmpty ? nil : min(Int(String(digits)) ?? .max, Self.most)
    }
    var hasFill = false
    if rest.count > 1, "<>=^".unicodeScalars.contains(rest[rest.startIndex + 1]) {
      fill = rest.removeFirst()
      hasFill = true
    }
    align = take("<>=^")
    sign = take("+- ")
    isAlternate = take("#") != nil
    if !hasFill, take("0") != nil {
      fill = "0"
      if align == nil, !isText { align = "=" }
    }
    width = number() ?? 0
    grouping = take(",_")
    if take(".") != nil {
      guard let digits = number() else { return nil }
      precision = digits
    }
    type = rest.popFirst()
    if !rest.isEmpty { return nil }
  }

  /// The value in this format; nil if it has no such format.
  func text(of value: TemplateValue) -> [Unicode.Scalar]? {
    switch value {
    case .text(let text):
      guard type == nil || type == "s", sign == nil, !isAlternate, grouping == nil, align != "="
      else { return nil }
      return aligned([], precision.map { Array(text.prefix($0)) } ?? text, default: "<")
    case .real(let number): return text(of: number)
    case .bool, .int:
      if let type, "eEfFgG%".unicodeScalars.contains(type) {
        return value.number.flatMap { text(of: $0) }
      }
      return value.integer.flatMap { text(of: $0) }
    default: return nil
    }
  }

  private func text(of number: Int) -> [Unicode.Scalar]? {
    if precision != nil { return nil }
    if type == "c" {
      guard let code = UInt32(exactly: number), let scalar = Unicode.Scalar(code), sign == nil,
        !isAlternate, grouping == nil
      else { return nil }
      return aligned([], [scalar], default: ">")
    }
    let bases: [Unicode.Scalar: Int] = ["b": 2, "o": 8, "d": 10, "n": 10, "x": 16, "X": 16]
    guard let base = bases[type ?? "d"], type != "n" || grouping == nil,
      base == 10 || grouping != ","
    else { return nil }
    let digits = String(number.magnitude, radix: base, uppercase: type == "X")
    let mark = isAlternate && base != 10 ? "0\(type ?? "d")" : ""
    return numeric(
      isNegative: number < 0, mark: mark, whole: digits, rest: "", perGroup: base == 10 ? 3 : 4)
  }

  private func text(of number: Double) -> [Unicode.Scalar]? {
    let magnitude = number.magnitude
    var digits: String
    switch type {
    case nil where isAlternate: return nil
    case nil:
      digits =
        precision.map { Self.general(magnitude, digits: max($0, 1)) }
        ?? magnitude.pythonText
    case "e", "E", "f", "F", "g", "G", "n", "%":
      if type == "n", grouping != nil { return nil }
      let letter = type == "n" ? "g" : type == "%" ? "f" : type ?? "g"
      let pattern = "%\(isAlternate ? "#" : "").\(precision ?? 6)\(letter)"
      digits = printed(pattern, type == "%" ? magnitude * 100 : magnitude)
      if type == "%" { digits += "%" }
    default: return nil
    }
    let whole = digits.prefix { ("0"..."9").contains($0) }
    return numeric(
      isNegative: number.sign == .minus && !number.isNaN, mark: "", whole: String(whole),
      rest: String(digits.dropFirst(whole.count)), perGroup: 3)
  }

  /// So many digits, without zeros at the end but for the one behind the point.
  private static func general(_ number: Double, digits: Int) -> String {
    let text = printed("%.\(digits - 1)e", number)
    guard let mark = text.lastIndex(of: "e"), let exponent = Int(text[text.index(after: mark)...])
    else { return text }
    func trimmed(_ text: some StringProtocol) -> String {
      guard text.contains(".") else { return String(text) }
      var text = String(text)
      while text.hasSuffix("0") { text.removeLast() }
      if text.hasSuffix(".") { text.removeLast() }
      return text
    }
    if exponent < -4 || exponent + 1 > digits - 1 { return trimmed(text[..<mark]) + text[mark...] }
    let fixed = trimmed(printed("%.\(digits - 1 - exponent)f", number))
    return fixed.contains(".") ? fixed : fixed + ".0"
  }

  /// A number of digits in groups, with its sign and what marks its base in front.
  private func numeric(
    isNegative: Bool, mark: String, whole: String, rest: String, perGroup: Int
  ) -> [Unicode.Scalar] {
    var front = Array(mark.unicodeScalars)
    if isNegative {
      front.insert("-", at: 0)
    } else if let sign, sign != "-" {
      front.insert(sign, at: 0)
    }
    var digits = Array(whole.unicodeScalars)
    if let grouping, !digits.isEmpty {
      // Zeros that fill are grouped with the others.
      let room = fill == "0" && align == "=" ? width - front.count - rest.count : 0
      var count = digits.count
      while count + (count - 1) / perGroup < room { count += 1 }
      digits = Array(repeating: "0", count: count - digits.count) + digits
      var grouped: [Unicode.Scalar] = []
      for (place, digit) in digits.enumerated() {
        if place > 0, (digits.count - place) % perGroup == 0 { grouped.append(grouping) }
        grouped.append(digit)
      }
      digits = grouped
    }
    return aligned(front, digits + rest.unicodeScalars, default: ">")
  }

  /// A text in as much room as is asked for; what stands in front of it stays there for `=`.
  private func aligned(
    _ front: [Unicode.Scalar], _ text: [Unicode.Scalar], default usual: Unicode.Scalar
  ) -> [Unicode.Scalar] {
    let missing = max(0, width - front.count - text.count)
    func filling(_ count: Int) -> [Unicode.Scalar] { Array(repeating: fill, count: count) }
    switch align ?? usual {
    case "<": return front + text + filling(missing)
    case "^": return filling(missing / 2) + front + text + filling(missing - missing / 2)
    case "=": return front + filling(missing) + text
    default: return filling(missing) + front + text
    }
  }
}

extension Unicode.Scalar {
  fileprivate var isDigit: Bool { ("0"..."9").contains(self) }
}
