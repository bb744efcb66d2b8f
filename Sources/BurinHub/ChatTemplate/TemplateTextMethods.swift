/// The methods of texts, as in Python.
extension TemplateRun {
  static let textMethods: Set = [
    "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "startswith", "endswith",
    "replace", "upper", "lower", "title", "capitalize", "swapcase", "casefold", "join", "find",
    "rfind", "index", "rindex", "count", "isdigit", "isdecimal",
    "isnumeric", "isalpha", "isalnum", "isspace", "isupper", "islower",
    "zfill", "removeprefix", "removesuffix", "partition", "rpartition", "ljust", "rjust", "center",
    "format", "format_map",
  ]

  mutating func textMethod(
    _ name: String, of text: [Unicode.Scalar], _ rest: inout TemplateGiven, _ line: Int
  ) throws(TemplateError) -> TemplateValue {
    func part(_ value: TemplateValue?) throws(TemplateError) -> [Unicode.Scalar] {
      guard let part = value?.scalars else {
        throw TemplateError(
          line, expected: "a string for \(name)", found: value?.kind ?? "nothing")
      }
      return part
    }
    func optional(_ value: TemplateValue?) throws(TemplateError) -> [Unicode.Scalar]? {
      guard let value else { return nil }
      if case .none = value { return nil }
      return try part(value)
    }
    func count(_ value: TemplateValue?) -> Int {
      let count = value?.integer ?? -1
      return count < 0 ? .max : count
    }
    switch name {
    case "strip": return .text(text.trimmed(of: try optional(rest.next("chars"))))
    case "lstrip": return .text(text.trimmed(.left, of: try optional(rest.next("chars"))))
    case "rstrip": return .text(text.trimmed(.right, of: try optional(rest.next("chars"))))
    case "split", "rsplit":
      let separator = try optional(rest.next("sep"))
      let limit = count(rest.next("maxsplit"))
      if separator?.isEmpty == true {
        throw TemplateError(line, expected: "a separator", found: "an empty one")
      }
      let isLast = name == "rsplit" && limit < .max
      let source = isLast ? text.reversed() : text
      let pieces =
        separator.map { source.split(by: isLast ? $0.reversed() : $0, atMost: limit) }
        ?? source.words(atMost: limit)
      return .list((isLast ? pieces.reversed().map { $0.reversed() } : pieces).map { .text($0) })
    case "splitlines":
      return .list(text.lines(withEnds: rest.next("keepends")?.isTrue ?? false).map { .text($0) })
    case "startswith", "endswith":
      let wanted = rest.next("prefix") ?? .none
      var parts = [wanted]
      if case .tuple(let several) = wanted { parts = several }
      for value in parts {
        let part = try part(value)
        let found = name == "startswith" ? text.prefix(part.count) : text.suffix(part.count)
        if found.elementsEqual(part) { return .bool(true) }
      }
      return .bool(false)
    case "removeprefix":
      let part = try part(rest.next("prefix"))
      return .text(text.starts(with: part) ? Array(text.dropFirst(part.count)) : text)
    case "removesuffix":
      let part = try part(rest.next("suffix"))
      let stands = text.suffix(part.count).elementsEqual(part)
      return .text(stands ? Array(text.dropLast(part.count)) : text)
    case "replace":
      let (old, new) = (try part(rest.next("old")), try part(rest.next("new")))
      let limit = count(rest.next("count"))
      return .text(try replaced(text, old, new, limit, line))
    case "join":
      let found = rest.next("iterable") ?? .none
      guard let elements = found.elements else {
        throw TemplateError(line, expected: "strings to join", found: found.kind)
      }
      var result: [Unicode.Scalar] = []
      for (number, element) in elements.enumerated() {
        result += (number > 0 ? text : []) + (try part(element))
        try spend(result.count, line)
      }
      return .text(result)
    case "find", "index", "rfind", "rindex", "count":
      let wanted = try part(rest.next("sub"))
      if name == "count" {
        return .int(wanted.isEmpty ? text.count + 1 : text.split(by: wanted).count - 1)
      }
      let isLast = name == "rfind" || name == "rindex"
      let place =
        wanted.isEmpty
        ? (isLast ? text.count : 0)
        : isLast
          ? Array(text.reversed()).firstPlace(of: wanted.reversed()).map {
            text.count - $0 - wanted.count
          }
          : text.firstPlace(of: wanted)
      if name.hasSuffix("index"), place == nil {
        throw TemplateError(line, expected: "a part of the string", found: "another string")
      }
      return .int(place ?? -1)
    case "partition", "rpartition":
      let separator = try part(rest.next("sep"))
      guard !separator.isEmpty else {
        throw TemplateError(line, expected: "a separator", found: "an empty one")
      }
      let isLast = name == "rpartition"
      let source = isLast ? text.reversed() : text
      var pieces = source.split(by: isLast ? separator.reversed() : separator, atMost: 1)
      if isLast { pieces = pieces.reversed().map { $0.reversed() } }
      guard pieces.count == 2 else {
        return .tuple(
          isLast ? [.text([]), .text([]), .text(text)] : [.text(text), .text([]), .text([])])
      }
      return .tuple([.text(pieces[0]), .text(separator), .text(pieces[1])])
    case "zfill", "ljust", "rjust", "center":
      let width = min(rest.next("width")?.integer ?? 0, TemplateLimits.size)
      let filling = name == "zfill" ? ["0"] : try optional(rest.next("fillchar")) ?? [" "]
      guard filling.count == 1 else {
        throw TemplateError(line, expected: "one character to fill with", found: "\(filling.count)")
      }
      let missing = max(0, width - text.count)
      try spend(missing, line)
      // Python puts the odd one on the left if the width is odd.
      let left =
        name == "ljust" ? 0 : name == "center" ? missing / 2 + (missing & width & 1) : missing
      let signed = name == "zfill" && (text.first == "-" || text.first == "+") ? 1 : 0
      return .text(
        Array(text[..<signed]) + Array(repeating: filling[0], count: left)
          + Array(text[signed...]) + Array(repeating: filling[0], count: missing - left))
    case "format":
      defer { rest = TemplateGiven() }
      return .text(try filled(text, rest, line))
    case "format_map":
      guard case .dict(let dict)? = rest.next("mapping") else {
        throw TemplateError(line, expected: "a dictionary for format_map", found: "another value")
      }
      var given = TemplateGiven()
      given.named = dict.members.map { (String($0.key.string), $0.value) }
      return .text(try filled(text, given, line))
    default: return textProperty(name, of: text)
    }
  }

  /// A replacement, whose size is looked at before it is made.
  mutating func replaced(
    _ text: [Unicode.Scalar], _ old: [Unicode.Scalar], _ new: [Unicode.Scalar], _ limit: Int,
    _ line: Int
  ) throws(TemplateError) -> [Unicode.Scalar] {
    let places = min(limit, old.isEmpty ? text.count + 1 : text.split(by: old).count - 1)
    try spend(text.count + places * new.count, line)
    return text.replacing(old, with: new, atMost: limit)
  }

  /// Methods without arguments.
  private func textProperty(_ name: String, of text: [Unicode.Scalar]) -> TemplateValue {
    let string = String(text)
    func all(_ holds: (Unicode.Scalar) -> Bool) -> TemplateValue {
      .bool(!text.isEmpty && text.allSatisfy(holds))
    }
    func isLetter(_ scalar: Unicode.Scalar) -> Bool {
      switch scalar.properties.generalCategory {
      case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
      default: false
      }
    }
    func isNumber(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.numericType != nil }
    switch name {
    case "upper": return TemplateValue(string.uppercased())
    case "lower": return TemplateValue(string.lowercased())
    case "casefold":
      // Upper case and back takes ß and ligatures apart; the dotless i stays one.
      return TemplateValue(
        text.map { scalar in
          let upper = scalar == "\u{131}" ? "\u{131}" : scalar.properties.uppercaseMapping
          return upper.unicodeScalars.map(\.properties.lowercaseMapping).joined()
        }.joined())
    case "capitalize":
      return .text(
        Array(
          ((text.first?.properties.titlecaseMapping ?? "")
            + String(text.dropFirst()).lowercased()).unicodeScalars))
    case "title":
      var (result, isInside) = ("", false)
      for scalar in text {
        let properties = scalar.properties
        result += isInside ? properties.lowercaseMapping : properties.titlecaseMapping
        isInside = properties.isCased
      }
      return TemplateValue(result)
    case "swapcase":
      return TemplateValue(
        text.map {
          $0.properties.isUppercase
            ? $0.properties.lowercaseMapping : $0.properties.uppercaseMapping
        }.joined())
    case "isdecimal": return all { $0.properties.numericType == .decimal }
    case "isnumeric": return all(isNumber)
    case "isdigit":
      return all {
        $0.properties.numericType == .decimal || $0.properties.numericType == .digit
      }
    case "isalpha": return all(isLetter)
    case "isalnum": return all { isLetter($0) || isNumber($0) }
    case "isspace": return all(\.isPythonSpace)
    case "isupper":
      return .bool(
        text.contains { $0.properties.isUppercase } && !text.contains { $0.properties.isLowercase })
    default:
      return .bool(
        text.contains { $0.properties.isLowercase } && !text.contains { $0.properties.isUppercase })
    }
  }
}
