extension Unicode.Scalar {
  /// White space by Python's idea of it, which counts the four separators of ASCII.
  public var isPythonSpace: Bool { (0x1C...0x1F).contains(value) || properties.isWhitespace }

  /// Whether a name may begin with it.
  var isIdentifierStart: Bool {
    value < 128
      ? ("a"..."z").contains(self) || ("A"..."Z").contains(self) || self == "_"
      : properties.isIDStart
  }

  /// Whether a name may go on with it.
  var isIdentifierPart: Bool {
    isIdentifierStart || ("0"..."9").contains(self)
      || (value >= 128 && properties.isIDContinue)
  }
}

extension String {
  /// The characters as one string.
  init(_ scalars: some Sequence<Unicode.Scalar>) {
    self.init()
    unicodeScalars.append(contentsOf: scalars)
  }
}

/// A string literal's text with its escapes undone; an unknown escape stays as it is.
func unescaped(_ text: ArraySlice<Unicode.Scalar>) -> [Unicode.Scalar] {
  let simple: [Unicode.Scalar: Unicode.Scalar] = [
    "n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", "\"": "\"", "a": "\u{7}", "b": "\u{8}",
    "f": "\u{C}", "v": "\u{B}",
  ]
  var result: [Unicode.Scalar] = []
  var place = text.startIndex
  func scalar(_ start: Int, _ most: Int, radix: UInt32) -> (Unicode.Scalar, Int)? {
    var (value, end) = (UInt32(0), start)
    while end < min(start + most, text.endIndex),
      let digit = Character(text[end]).hexDigitValue.map(UInt32.init), digit < radix
    {
      value = value * radix + digit
      end += 1
    }
    guard end > start, radix == 8 || end == start + most, let scalar = Unicode.Scalar(value) else {
      return nil
    }
    return (scalar, end)
  }
  while place < text.endIndex {
    guard text[place] == "\\", place + 1 < text.endIndex else {
      result.append(text[place])
      place += 1
      continue
    }
    let next = text[place + 1]
    if let known = simple[next] {
      result.append(known)
      place += 2
    } else if next == "\n" {
      place += 2
    } else if let (found, end) = next == "x"
      ? scalar(place + 2, 2, radix: 16)
      : next == "u"
        ? scalar(place + 2, 4, radix: 16)
        : next == "U" ? scalar(place + 2, 8, radix: 16) : scalar(place + 1, 3, radix: 8)
    {
      result.append(found)
      place = end
    } else {
      result.append(text[place])
      place += 1
    }
  }
  return result
}

// MARK: - As Python writes values

extension Double {
  /// The number as Python's `repr` has it.
  var pythonText: String {
    if isNaN { return "nan" }
    if isInfinite { return self < 0 ? "-inf" : "inf" }
    if self == 0 { return sign == .minus ? "-0.0" : "0.0" }
    // The shortest digits are the same; where the exponent begins is not.
    let text = "\(abs(self))".lowercased()
    let parts = text.split(separator: "e")
    let number = parts[0].split(separator: ".")
    var digits = String(number[0]) + (number.count > 1 && number[1] != "0" ? number[1] : "")
    var exponent = (parts.count > 1 ? Int(parts[1]) ?? 0 : 0) + number[0].count
    while digits.hasPrefix("0"), digits.count > 1 {
      digits.removeFirst()
      exponent -= 1
    }
    while digits.hasSuffix("0"), digits.count > 1 { digits.removeLast() }
    let sign = self < 0 ? "-" : ""
    if exponent > 16 || exponent < -3 {
      let rest = digits.dropFirst()
      let power = exponent - 1
      let width = abs(power) < 10 ? "0\(abs(power))" : "\(abs(power))"
      return sign + digits.prefix(1) + (rest.isEmpty ? "" : "." + rest)
        + (power < 0 ? "e-" : "e+") + width
    }
    if exponent <= 0 { return sign + "0." + String(repeating: "0", count: -exponent) + digits }
    if digits.count <= exponent {
      return sign + digits + String(repeating: "0", count: exponent - digits.count) + ".0"
    }
    return sign + digits.prefix(exponent) + "." + digits.dropFirst(exponent)
  }
}

/// A string in quotes, as Python's `repr` has it.
func pythonQuoted(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
  let quote: Unicode.Scalar = text.contains("'") && !text.contains("\"") ? "\"" : "'"
  var result = [quote]
  for scalar in text {
    switch scalar {
    case "\n": result += "\\n".unicodeScalars
    case "\r": result += "\\r".unicodeScalars
    case "\t": result += "\\t".unicodeScalars
    case "\\": result += "\\\\".unicodeScalars
    case quote: result += ["\\", scalar]
    default:
      switch scalar.properties.generalCategory {
      case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator,
        .paragraphSeparator:
        result += escapedCode(scalar).unicodeScalars
      case .spaceSeparator where scalar != " ": result += escapedCode(scalar).unicodeScalars
      default: result.append(scalar)
      }
    }
  }
  return result + [quote]
}

private func escapedCode(_ scalar: Unicode.Scalar) -> String {
  let digits = String(scalar.value, radix: 16)
  let width = scalar.value < 0x100 ? 2 : scalar.value < 0x10000 ? 4 : 8
  let letter = [2: "x", 4: "u", 8: "U"][width] ?? "x"
  return "\\" + letter + String(repeating: "0", count: width - digits.count) + digits
}
