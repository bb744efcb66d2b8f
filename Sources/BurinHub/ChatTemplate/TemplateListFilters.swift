/// Jinja's filters on the elements of a value, and its tests.
extension TemplateRun {
  mutating func listFilter(
    _ name: String, _ value: TemplateValue, _ rest: inout TemplateGiven, _ line: Int
  ) throws(TemplateError) -> TemplateValue? {
    guard Self.listFilters.contains(name) else { return nil }
    if case .dict(let dict) = value, name == "dictsort" { return try sorted(dict, &rest, line) }
    guard let elements = value.elements else {
      throw TemplateError(line, expected: "something to run through", found: value.kind)
    }
    try spend(elements.count, line)
    switch name {
    case "first": return elements.first ?? .undefined("the first of no elements")
    case "last": return elements.last ?? .undefined("the last of no elements")
    case "list": return .list(elements)
    case "reverse":
      if case .text(let text) = value { return .text(text.reversed()) }
      return .sequence(elements.reversed())
    case "join":
      let separator = rest.next("d")?.string ?? []
      let path = rest.next("attribute")
      var result: [Unicode.Scalar] = []
      for (number, element) in elements.enumerated() {
        let part = try path.map { path throws(TemplateError) in
          try self.part(path, of: element, line)
        }
        result += (number > 0 ? separator : []) + (part ?? element).string
        try spend(result.count, line)
      }
      return .text(result)
    case "sum":
      let path = rest.next("attribute")
      var sum = rest.next("start") ?? .int(0)
      for element in elements {
        sum = try result(of: .add, sum, part(path, of: element, line), line)
      }
      return sum
    case "min", "max", "sort", "unique":
      let isReversed = name == "sort" && rest.next("reverse")?.isTrue ?? false
      let isExact = rest.next("case_sensitive")?.isTrue ?? false
      let path = rest.next("attribute")
      // Several attributes stand behind each other, with commas between them.
      let names = path?.scalars?.split(by: [","]) ?? []
      let paths: [TemplateValue?] = names.isEmpty ? [path] : names.map { .text($0) }
      var keyed: [(key: TemplateValue, value: TemplateValue)] = []
      for element in elements {
        var keys: [TemplateValue] = []
        for path in paths {
          let key = try part(path, of: element, line)
          keys.append(isExact ? key : folded(key))
        }
        keyed.append((.list(keys), element))
      }
      if name == "unique" {
        var kept: [(key: TemplateValue, value: TemplateValue)] = []
        for item in keyed {
          try spend(kept.count, line)
          if !kept.contains(where: { $0.key.isEqual(to: item.key) }) { kept.append(item) }
        }
        return .sequence(kept.map(\.value))
      }
      let sorted = try sorted(keyed, isReversed: isReversed || name == "max", line)
      if name == "sort" { return .list(sorted) }
      return sorted.first ?? .undefined("the \(name) of no elements")
    case "batch", "slice", "groupby": return try parted(name, elements, &rest, line)
    case "map": return try mapped(elements, &rest, line)
    default: return try selected(name, elements, &rest, line)
    }
  }

  private static let listFilters: Set = [
    "first", "last", "list", "reverse", "join", "sum", "min", "max", "sort", "unique", "map",
    "select", "reject", "selectattr", "rejectattr", "dictsort", "batch", "slice", "groupby",
  ]

  /// A text without regard to case.
  private func folded(_ value: TemplateValue) -> TemplateValue {
    value.scalars.map { TemplateValue(String($0).lowercased()) } ?? value
  }

  /// Values in the order of their keys, equal ones as they were.
  private mutating func sorted(
    _ items: [(key: TemplateValue, value: TemplateValue)], isReversed: Bool, _ line: Int
  ) throws(TemplateError) -> [TemplateValue] {
    for (one, two) in zip(items, items.dropFirst()) {
      _ = try holds(.less, one.key, two.key, line)
    }
    try spend(items.count * max(1, Int.bitWidth - items.count.leadingZeroBitCount), line)
    return items.enumerated().sorted { one, two in
      let (first, second) = isReversed ? (two, one) : (one, two)
      if first.element.key.isLess(than: second.element.key) ?? false { return true }
      if second.element.key.isLess(than: first.element.key) ?? false { return false }
      return one.offset < two.offset
    }.map(\.element.value)
  }

  private mutating func sorted(
    _ dict: TemplateDict, _ rest: inout TemplateGiven, _ line: Int
  ) throws(TemplateError) -> TemplateValue {
    let isExact = rest.next("case_sensitive")?.isTrue ?? false
    let byValue = rest.next("by").map { String($0.string) } == "value"
    let isReversed = rest.next("reverse")?.isTrue ?? false
    let keyed = dict.members.map { member in
      let key = byValue ? member.value : member.key
      return (
        key: isExact ? key : folded(key), value: TemplateValue.tuple([member.key, member.value])
      )
    }
    return .list(try sorted(keyed, isReversed: isReversed, line))
  }

  /// The part of a value that a path such as `function.name` leads to; the value without a path.
  ///
  /// - Parameter fallback: what stands for each step that leads nowhere.
  private func part(
    _ path: TemplateValue?, of value: TemplateValue, default fallback: TemplateValue? = nil,
    _ line: Int
  ) throws(TemplateError) -> TemplateValue {
    guard let path else { return value }
    var part = value
    for name in path.string.split(by: ["."]) {
      let index = Int(String(name)).map { TemplateValue.int($0) }
      part = try item(index ?? .text(name), of: part, line)
      if let fallback, case .undefined = part { part = fallback }
    }
    return part
  }

  /// `batch`, `slice` and `groupby`.
  private mutating func parted(
    _ name: String, _ elements: [TemplateValue], _ rest: inout TemplateGiven, _ line: Int
  ) throws(TemplateError) -> TemplateValue {
    if name == "groupby" { return try grouped(elements, &rest, line) }
    guard let count = rest.next(name == "batch" ? "linecount" : "slices")?.integer,
      name == "batch" || count != 0
    else { throw TemplateError(line, expected: "a number for \(name)", found: "another value") }
    var filling = rest.next("fill_with")
    if case .none? = filling { filling = nil }
    var parts: [[TemplateValue]] = []
    if name == "batch" {
      for element in elements {
        if parts.isEmpty { parts.append([]) }
        if parts[parts.count - 1].count == count { parts.append([]) }
        parts[parts.count - 1].append(element)
      }
      if let filling, let last = parts.last, last.count < count {
        try spend(count, line)
        parts[parts.count - 1] += Array(repeating: filling, count: count - last.count)
      }
    } else if count > 0 {
      try spend(count, line)
      // Of parts that cannot be equal, the first ones are larger by one.
      let (size, larger) = elements.count.quotientAndRemainder(dividingBy: count)
      for number in 0..<count {
        let start = number * size + min(number, larger)
        parts.append(Array(elements[start..<start + size + (number < larger ? 1 : 0)]))
        if let filling, number >= larger { parts[number].append(filling) }
      }
    }
    return try nested(.sequence(parts.map { .list($0) }), line)
  }

  private mutating func grouped(
    _ elements: [TemplateValue], _ rest: inout TemplateGiven, _ line: Int
  ) throws(TemplateError) -> TemplateValue {
    guard let path = rest.next("attribute") else {
      throw TemplateError(line, expected: "an attribute for groupby", found: "none")
    }
    var fallback = rest.next("default")
    if case .none? = fallback { fallback = nil }
    let isExact = rest.next("case_sensitive")?.isTrue ?? false
    var keyed: [(key: TemplateValue, value: TemplateValue)] = []
    for element in elements {
      let key = try part(path, of: element, default: fallback, line)
      keyed.append((isExact ? key : folded(key), .tuple([key, element])))
    }
    var groups: [(key: TemplateValue, grouper: TemplateValue, list: [TemplateValue])] = []
    for value in try sorted(keyed, isReversed: false, line) {
      guard case .tuple(let pair) = value else { continue }
      let key = isExact ? pair[0] : folded(pair[0])
      if let last = groups.last, last.key.isEqual(to: key) {
        groups[groups.count - 1].list.append(pair[1])
      } else {
        groups.append((key, pair[0], [pair[1]]))
      }
    }
    return try nested(.list(groups.map { .tuple([$0.grouper, .list($0.list)]) }), line)
  }

  private mutating func mapped(
    _ elements: [TemplateValue], _ rest: inout TemplateGiven, _ line: Int
  ) throws(TemplateError) -> TemplateValue {
    var result: [TemplateValue] = []
    if let path = rest.take("attribute") {
      let fallback = rest.take("default")
      for element in elements {
        result.append(try part(path, of: element, default: fallback, line))
      }
      return .sequence(result)
    }
    guard !rest.positional.isEmpty else {
      throw TemplateError(line, expected: "a filter for map", found: "none")
    }
    let name = String(rest.positional.removeFirst().string)
    for element in elements { result.append(try apply(name, element, rest, line)) }
    rest = TemplateGiven()
    return .sequence(result)
  }

  /// `select`, `reject`, `selectattr` and `rejectattr`.
  private mutating func selected(
    _ name: String, _ elements: [TemplateValue], _ rest: inout TemplateGiven, _ line: Int
  ) throws(TemplateError) -> TemplateValue {
    let path = name.hasSuffix("attr") ? rest.next("attribute") : nil
    let test = rest.positional.isEmpty ? nil : String(rest.positional.removeFirst().string)
    var kept: [TemplateValue] = []
    for element in elements {
      let part = try part(path, of: element, line)
      let isRight = try test.map { name throws(TemplateError) in
        try self.test(name, part, rest, line)
      }
      if (isRight ?? part.isTrue) == name.hasPrefix("select") { kept.append(element) }
    }
    rest = TemplateGiven()
    return .sequence(kept)
  }

  // MARK: Tests

  func test(
    _ name: String, _ value: TemplateValue, _ given: TemplateGiven, _ line: Int
  ) throws(TemplateError) -> Bool {
    func other() throws(TemplateError) -> TemplateValue {
      guard let other = given.positional.first else {
        throw TemplateError(line, expected: "a value for the test \(name)", found: "none")
      }
      return other
    }
    func isDivisible(by divisor: Double?) throws(TemplateError) -> Bool {
      guard let number = value.number, let divisor, divisor != 0 else {
        throw TemplateError(line, expected: "numbers for the test \(name)", found: value.kind)
      }
      return number.truncatingRemainder(dividingBy: divisor) == 0
    }
    switch name {
    case "defined": if case .undefined = value { return false } else { return true }
    case "undefined": if case .undefined = value { return true } else { return false }
    case "none": if case .none = value { return true } else { return false }
    case "boolean": if case .bool = value { return true } else { return false }
    case "true": if case .bool(true) = value { return true } else { return false }
    case "false": if case .bool(false) = value { return true } else { return false }
    case "integer": if case .int = value { return true } else { return false }
    case "float": if case .real = value { return true } else { return false }
    case "number": return value.number != nil
    case "string": return value.scalars != nil
    case "mapping": if case .dict = value { return true } else { return false }
    case "sequence": return value.count != nil
    case "iterable": return value.elements != nil
    case "callable":
      switch value {
      case .macro, .function, .method: return true
      default: return false
      }
    case "lower", "upper":
      let text = value.string
      return text.contains(where: \.properties.isCased)
        && text.allSatisfy {
          name == "lower" ? !$0.properties.isUppercase : !$0.properties.isLowercase
        }
    case "odd": return try !isDivisible(by: 2)
    case "even": return try isDivisible(by: 2)
    case "divisibleby": return try isDivisible(by: other().number)
    case "eq", "equalto", "==": return try holds(.equal, value, other(), line)
    case "ne", "!=": return try holds(.unequal, value, other(), line)
    case "lt", "lessthan", "<": return try holds(.less, value, other(), line)
    case "le", "<=": return try holds(.lessOrEqual, value, other(), line)
    case "gt", "greaterthan", ">": return try holds(.greater, value, other(), line)
    case "ge", ">=": return try holds(.greaterOrEqual, value, other(), line)
    case "in": return try holds(.isIn, value, other(), line)
    case "sameas":
      let other = try other()
      return value.kind == other.kind && value.isEqual(to: other)
    default:
      throw TemplateError(
        line, expected: "a test that Burin knows", found: "\"\(printable(name.utf8))\"")
    }
  }
}
