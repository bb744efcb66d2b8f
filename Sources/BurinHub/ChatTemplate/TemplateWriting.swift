extension TemplateValue {
  /// The value as Python's `str` has it.
  var string: [Unicode.Scalar] {
    switch self {
    case .undefined: []
    case .text(let text): text
    default: representation
    }
  }

  /// The value as Python's `repr` has it.
  var representation: [Unicode.Scalar] {
    func joined(_ parts: [[Unicode.Scalar]], _ open: String, _ close: String) -> [Unicode.Scalar] {
      Array(open.unicodeScalars) + parts.joined(separator: ", ".unicodeScalars)
        + Array(close.unicodeScalars)
    }
    switch self {
    case .undefined: return Array("Undefined".unicodeScalars)
    case .none: return Array("None".unicodeScalars)
    case .bool(let value): return Array((value ? "True" : "False").unicodeScalars)
    case .int(let value): return Array("\(value)".unicodeScalars)
    case .real(let value): return Array(value.pythonText.unicodeScalars)
    case .text(let text): return pythonQuoted(text)
    case .list(let values): return joined(values.map(\.representation), "[", "]")
    case .tuple(let values):
      return joined(values.map(\.representation), "(", values.count == 1 ? ",)" : ")")
    case .dict(let dict):
      let parts = dict.members.map {
        $0.key.representation + ": ".unicodeScalars + $0.value.representation
      }
      return joined(parts, "{", "}")
    default: return Array("<\(kind)>".unicodeScalars)
    }
  }
}

/// Writes JSON as Python's `json.dumps` does.
struct TemplateJSON {
  var ensuresASCII = false
  /// What a level is indented by; nil for one line.
  var indent: [Unicode.Scalar]?
  var between: [Unicode.Scalar] = [",", " "]
  var afterKey: [Unicode.Scalar] = [":", " "]
  var sortsKeys = false

  /// The text of a value; nil, with what it is, if JSON has no such value.
  func text(_ value: TemplateValue, level: Int = 0) throws(Unwritable) -> [Unicode.Scalar] {
    switch value {
    case .none: return Array("null".unicodeScalars)
    case .bool(let value): return Array((value ? "true" : "false").unicodeScalars)
    case .int(let value): return Array("\(value)".unicodeScalars)
    case .real(let value): return Array(number(value).unicodeScalars)
    case .text(let text): return quoted(text)
    case .list(let values), .tuple(let values):
      var parts: [[Unicode.Scalar]] = []
      for value in values { parts.append(try text(value, level: level + 1)) }
      return block("[", parts, "]", level)
    case .dict(let dict):
      var members: [(key: [Unicode.Scalar], value: TemplateValue)] = []
      for (key, value) in dict.members { members.append((try self.key(key), value)) }
      if sortsKeys {
        members.sort { $0.key.lexicographicallyPrecedes($1.key) { $0.value < $1.value } }
      }
      var parts: [[Unicode.Scalar]] = []
      for (key, value) in members {
        parts.append(quoted(key) + afterKey + (try text(value, level: level + 1)))
      }
      return block("{", parts, "}", level)
    default: throw Unwritable(kind: value.kind)
    }
  }

  /// A value that JSON cannot hold.
  struct Unwritable: Error {
    var kind: String
  }

  private func number(_ value: Double) -> String {
    value.isNaN
      ? "NaN"
      : value.isInfinite
        ? (value < 0 ? "-Infinity" : "Infinity")
        : value.pythonText
  }

  private func key(_ value: TemplateValue) throws(Unwritable) -> [Unicode.Scalar] {
    if case .text(let text) = value { return text }
    return try text(value)
  }

  private func block(
    _ open: Unicode.Scalar, _ parts: [[Unicode.Scalar]], _ close: Unicode.Scalar, _ level: Int
  ) -> [Unicode.Scalar] {
    guard let indent, !parts.isEmpty else {
      return [open] + parts.joined(separator: between) + [close]
    }
    func newLine(_ level: Int) -> [Unicode.Scalar] {
      ["\n"] + Array(repeatElement(indent, count: level).joined())
    }
    return [open] + newLine(level + 1) + parts.joined(separator: between + newLine(level + 1))
      + newLine(level) + [close]
  }

  private func quoted(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = ["\""]
    for scalar in text {
      switch scalar {
      case "\"", "\\": result += ["\\", scalar]
      case "\n": result += ["\\", "n"]
      case "\r": result += ["\\", "r"]
      case "\t": result += ["\\", "t"]
      case "\u{8}": result += ["\\", "b"]
      case "\u{C}": result += ["\\", "f"]
      default:
        guard scalar.value < 32 || (ensuresASCII && scalar.value > 126) else {
          result.append(scalar)
          continue
        }
        for unit in String(scalar).utf16 {
          let digits = String(unit, radix: 16)
          result += "\\u\(String(repeating: "0", count: 4 - digits.count))\(digits)".unicodeScalars
        }
      }
    }
    return result + ["\""]
  }
}
