/// A valid C identifier that the compiler made itself; text from a file becomes one only by way of
/// ``CNames``.
struct CIdentifier: Hashable, Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
  /// The identifier as C sees it: ASCII letters, digits and underscores, never a keyword.
  let text: String

  var description: String { text }

  /// A name written in Burin's own sources; it cannot be interpolated, so no input reaches it.
  init(stringLiteral value: StaticString) {
    text = CIdentifier.isPlain(value.description) ? value.description : "invalid_name"
  }

  /// A name assembled from a literal stem and numbers: `matmul` and `[128, 768]` give `matmul_128x768`.
  init(_ stem: StaticString, sizes: [Int]) {
    let numbers = sizes.map { $0 < 0 ? "m\($0.magnitude)" : "\($0)" }.joined(separator: "x")
    self.init(cleaning: numbers.isEmpty ? stem.description : "\(stem)_\(numbers)")
  }

  /// Names in one, with underscores between them.
  init(joining parts: [CIdentifier]) {
    self.init(cleaning: parts.map(\.text).joined(separator: "_"))
  }

  /// Words in one, in capitals, as macros are written; each is cleaned and cut to `longest` bytes.
  init(capitals words: [String], longest: Int) {
    let name = words.map { CIdentifier.plain($0, longest: longest).uppercased() }
      .joined(separator: "_")
    // None of the language's own words is in capitals.
    text = CIdentifier.isOwned(name) ? "MY_" + name : name
  }

  /// The nearest valid identifier to any text; two texts may share one (``CNames`` tells them apart).
  init(cleaning source: String, longest: Int = CIdentifier.longest) {
    let name = CIdentifier.plain(source, longest: longest)
    // The mathematical functions come in three widths: exp, expf, expl.
    let isSuffixed = name.hasSuffix("f") || name.hasSuffix("l")
    let isTaken =
      CIdentifier.reserved.contains(name)
      || isSuffixed && CIdentifier.reserved.contains(String(name.dropLast()))
      || CIdentifier.isOwned(name)
    text = isTaken ? "my_" + name : name
  }

  /// The letters, digits and underscores of a text, or what stands for them.
  private static func plain(_ source: String, longest: Int) -> String {
    var name = ""
    // Nothing beyond the cap is looked at, so that a name of megabytes costs nothing.
    for byte in source.utf8.prefix(longest * 4) {
      if name.utf8.count == longest { break }
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        name.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        if !name.isEmpty, name.utf8.last != UInt8(ascii: "_") { name.append("_") }
      }
    }
    while name.utf8.last == UInt8(ascii: "_") { name.removeLast() }
    if name.isEmpty { name = "unnamed" }
    if let first = name.utf8.first, first < UInt8(ascii: "A") { name = "n" + name }
    return name
  }

  /// Whether a name lies in a name space of the runtime or of OpenMP.
  private static func isOwned(_ name: String) -> Bool {
    reservedPrefixes.contains { name.hasPrefix($0) }
  }

  fileprivate init(unchecked text: String) { self.text = text }

  /// The longest identifier made from text, in bytes; C promises 63 significant ones.
  static let longest = 48

  /// Whether a literal is an identifier already; compiler-made names may use the reserved ones.
  private static func isPlain(_ text: String) -> Bool {
    guard let first = text.utf8.first, !(48...57).contains(first) else { return false }
    return !keywords.contains(text)
      && text.utf8.allSatisfy {
        (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 95
      }
  }

  /// Words that belong to the language in some dialect from C99 to C23.
  private static let keywords: Set<String> = [
    "alignas", "alignof", "asm", "auto", "bool", "break", "case", "char", "const", "constexpr",
    "continue", "default", "do", "double", "else", "enum", "extern", "false", "float", "for",
    "goto",
    "if", "inline", "int", "long", "nullptr", "register", "restrict", "return", "short", "signed",
    "sizeof", "static", "static_assert", "struct", "switch", "thread_local", "true", "typedef",
    "typeof", "typeof_unqual", "union", "unsigned", "void", "volatile", "while",
  ]

  /// Keywords, and what headers or the compiler already own and a static function must not redefine.
  private static let reserved: Set<String> = keywords.union([
    "linux", "unix", "i386", "main", "complex", "imaginary", "I", "NULL", "EOF", "NAN", "INFINITY",
    "HUGE_VAL", "errno", "stdin", "stdout", "stderr", "assert", "size_t", "ptrdiff_t", "noreturn",
    "abort", "exit", "malloc", "calloc", "realloc", "free", "alloca", "memcpy", "memmove", "memset",
    "memcmp", "memchr", "strlen", "strcpy", "strcat", "strcmp", "strchr", "strdup", "index",
    "rindex",
    "bcmp", "bcopy", "bzero", "printf", "fprintf", "sprintf", "snprintf", "puts", "putchar",
    "fwrite",
    "abs", "labs", "llabs", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "pow", "sqrt",
    "cbrt", "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh",
    "acosh", "atanh", "erf", "erfc", "lgamma", "tgamma", "gamma", "ceil", "floor", "round", "trunc",
    "rint", "nearbyint", "fabs", "fmin", "fmax", "fma", "fmod", "hypot", "ldexp", "frexp", "modf",
    "isnan", "isinf", "isfinite", "signbit", "j0", "j1", "jn", "y0", "y1", "yn", "fork", "vfork",
    "execl", "execv", "forward", "encode", "step",
  ])

  /// Name spaces of the runtime and of OpenMP; names cannot begin with an underscore anyway.
  private static let reservedPrefixes = ["burin", "BURIN", "omp_", "kmp_", "OMP_", "INT", "UINT"]
}

/// Hands out identifiers, each only once: `a.b` beside `a_b` stay two.
struct CNames: Sendable {
  private var taken: Set<String>
  private var next: [String: Int] = [:]

  /// A name space in which the given names are in use already.
  init(reserving names: some Sequence<CIdentifier> = [CIdentifier]()) {
    taken = Set(names.map(\.text))
  }

  /// A new identifier that resembles the text, whatever the text is.
  mutating func make(_ text: String) -> CIdentifier { make(CIdentifier(cleaning: text)) }

  /// A new identifier that is the wanted one, or the wanted one and a number.
  mutating func make(_ wanted: CIdentifier) -> CIdentifier {
    var name = wanted.text
    var number = next[wanted.text, default: 2]
    while !taken.insert(name).inserted {
      name = "\(wanted.text)_\(number)"
      number += 1
    }
    next[wanted.text] = number
    return CIdentifier(unchecked: name)
  }
}

/// Turns any text into text that cannot leave the comment or the literal it stands in.
enum CText {
  /// The longest text that a comment repeats, in scalars.
  static let longestComment = 600

  /// Text that is safe inside both kinds of comment: printable ASCII on one line, no comment
  /// delimiters, no trigraphs, and no backslash, which could continue the line.
  static func comment(_ source: String, longest: Int = longestComment) -> String {
    var text = ""
    var length = 0
    var previous: Unicode.Scalar = " "
    for scalar in source.unicodeScalars {
      if length == longest {
        text += " ..."
        break
      }
      length += 1
      switch scalar {
      case "\n", "\r", "\t", "\u{B}", "\u{C}", "\u{85}", "\u{2028}", "\u{2029}":
        text += " "
        previous = " "
        continue
      case "/" where previous == "*", "*" where previous == "/", "?" where previous == "?":
        text += " "
      default: break
      }
      if (32...126).contains(scalar.value), scalar != "\\" {
        text.unicodeScalars.append(scalar)
      } else {
        text += "<U+\(String(scalar.value, radix: 16, uppercase: true))>"
      }
      previous = scalar
    }
    while let last = text.utf8.last, last == 32 { text.removeLast() }
    return text
  }

  /// The text as a C string literal of the same UTF-8 bytes, quotes included.
  static func literal(_ source: String) -> String {
    var text = "\""
    var previous: UInt8 = 0
    for byte in source.utf8 {
      switch byte {
      case UInt8(ascii: "\""): text += "\\\""
      case UInt8(ascii: "\\"): text += "\\\\"
      case UInt8(ascii: "\n"): text += "\\n"
      case UInt8(ascii: "\t"): text += "\\t"
      case UInt8(ascii: "?") where previous == UInt8(ascii: "?"): text += "\\?"
      case 32...126: text.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        // Three octal digits end by themselves; a hexadecimal escape would swallow what follows.
        let digits = String(byte, radix: 8)
        text += "\\" + String(repeating: "0", count: 3 - digits.utf8.count) + digits
      }
      previous = byte
    }
    return text + "\""
  }
}
