import Glibc

/// `format % values`, and numbers as C writes them.
extension TemplateRun {
  /// One conversion, such as `%-5.2f`.
  private struct Conversion {
    var flags = "", width = 0, precision: Int?, letter: Unicode.Scalar = " "
    /// Its spelling, for messages.
    var spelling = "%"
  }

  /// Writes values by Python's format, without names and without widths among the values.
  mutating func formatted(
    _ format: [Unicode.Scalar], _ values: TemplateValue, _ line: Int
  ) throws(TemplateError) -> [Unicode.Scalar] {
    var rest: [TemplateValue] = [values]
    if case .tuple(let several) = values { rest = several }
    var (result, place) = ([Unicode.Scalar](), 0)
    while place < format.count {
      guard format[place] == "%" else {
        result.append(format[place])
        place += 1
        continue
      }
      let conversion = conversion(format, &place)
      if conversion.letter == "%" {
        result.append("%")
        continue
      }
      guard let value = rest.first else {
        throw TemplateError(line, expected: "a value for each %", found: "fewer")
      }
      rest.removeFirst()
      try spend(conversion.width + (conversion.precision ?? 0), line)
      result += try written(value, by: conversion, line)
      try spend(result.count, line)
    }
    switch values {
    // Python takes these for tables of named values, which need not all be written.
    case .dict, .list: return result
    default: break
    }
    guard rest.isEmpty else {
      throw TemplateError(line, expected: "a % for each value", found: "fewer")
    }
    return result
  }

  private func conversion(_ format: [Unicode.Scalar], _ place: inout Int) -> Conversion {
    var conversion = Conversion()
    func next(_ place: inout Int) -> Unicode.Scalar {
      place += 1
      let scalar = place < format.count ? format[place] : " "
      conversion.spelling.unicodeScalars.append(scalar)
      return scalar
    }
    func number(_ scalar: inout Unicode.Scalar, _ place: inout Int) -> Int {
      var value = 0
      while ("0"..."9").contains(scalar) {
        value = min(value * 10 + Int(scalar.value - 48), TemplateLimits.size)
        scalar = next(&place)
      }
      return value
    }
    var scalar = next(&place)
    while "-+ 0#".unicodeScalars.contains(scalar), place < format.count {
      conversion.flags.unicodeScalars.append(scalar)
      scalar = next(&place)
    }
    conversion.width = number(&scalar, &place)
    if scalar == "." {
      scalar = next(&place)
      conversion.precision = number(&scalar, &place)
    }
    conversion.letter = scalar
    place += 1
    return conversion
  }

  private func written(
    _ value: TemplateValue, by conversion: Conversion, _ line: Int
  ) throws(TemplateError) -> [Unicode.Scalar] {
    var text: [Unicode.Scalar]
    switch conversion.letter {
    case "s", "r":
      text = conversion.letter == "s" ? value.string : value.representation
      if let precision = conversion.precision { text = Array(text.prefix(precision)) }
    case "d", "i", "u", "x", "X", "o", "e", "E", "f", "F", "g", "G":
      guard let number = value.number else {
        throw TemplateError(
          line, expected: "a number for \(conversion.spelling)", found: value.kind)
      }
      let precision = conversion.precision.map { ".\($0)" } ?? ""
      let pattern = "%\(conversion.flags.filter { $0 != "-" })\(conversion.width)\(precision)"
      let isWhole = "diuxXo".unicodeScalars.contains(conversion.letter)
      let letter = conversion.letter == "i" || conversion.letter == "u" ? "d" : conversion.letter
      text = Array(
        (isWhole
          ? printed(pattern + "l\(letter)", value.integer ?? Int(clamping: number))
          : printed(pattern + "\(letter)", number)).unicodeScalars)
      guard conversion.flags.contains("-") else { return text }
      text = text.trimmed(.left, of: [" "])
    default:
      throw TemplateError(
        line, expected: "%s, %r, %%, or the conversion of a number", found: conversion.spelling)
    }
    let filling = [Unicode.Scalar](
      repeating: " ", count: max(0, conversion.width - text.count))
    return conversion.flags.contains("-") ? text + filling : filling + text
  }
}

/// A number as C's `printf` writes it, rounded correctly.
func printed(_ pattern: String, _ number: some CVarArg) -> String {
  withVaList([number]) { list in
    var buffer = [CChar](repeating: 0, count: 512)
    let size = Int(vsnprintf(&buffer, buffer.count, pattern, list))
    guard size >= buffer.count else {
      return String(decoding: buffer[..<size].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
    return withVaList([number]) { list in
      buffer = [CChar](repeating: 0, count: size + 1)
      vsnprintf(&buffer, buffer.count, pattern, list)
      return String(decoding: buffer[..<size].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
  }
}
