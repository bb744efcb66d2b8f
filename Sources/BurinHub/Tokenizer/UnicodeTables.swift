/// What the libraries behind `tokenizers` know of each Unicode scalar.
///
/// The package asks five libraries of four Unicode versions, none of them Swift's; the tables hold
/// what each one answers, one bit a question. They are decoded from text on first use (about 0.2 ms).
struct UnicodeTables: @unchecked Sendable {
  /// The only instance; never freed, never changed.
  static let shared = UnicodeTables()

  /// Which block of 256 class numbers a page of 256 code points has.
  private let pages: UnsafeMutablePointer<UInt16>
  private let blocks: UnsafeMutablePointer<UInt8>
  private let properties: UnsafeMutablePointer<ScalarProperties>

  /// How many classes there are; scalars of one class have the same properties.
  let classCount: Int
  /// Runs of one combining class: first scalar, scalar after the last, class.
  private let combiningRuns: [(start: UInt32, end: UInt32, value: UInt8)]
  /// Full canonical decompositions, without Hangul.
  let canonical: ScalarMap
  /// Full compatibility decompositions where they differ from the canonical ones.
  let compatible: ScalarMap
  /// Lower-case mappings of single scalars.
  let lowercase: ScalarMap
  private let compositions: [(pair: UInt64, composite: UInt32)]

  private init() {
    var classes = PackedDigits(UnicodeData.classes)
    classCount = Int(classes.next())
    properties = .allocate(capacity: 256)
    properties.initialize(repeating: ScalarProperties(rawValue: 0), count: 256)
    for number in 0..<classCount {
      properties[number] = ScalarProperties(rawValue: classes.next())
    }

    let pageCount = 0x110000 >> 8
    pages = .allocate(capacity: pageCount)
    pages.initialize(repeating: 0, count: pageCount)
    var runs = PackedDigits(UnicodeData.runs)
    var storage: [UInt8] = []
    storage.reserveCapacity(400 << 8)
    var uniform = [Int](repeating: -1, count: classCount)
    var left = Int(runs.next())
    var current = UInt8(runs.next())
    for page in 0..<pageCount {
      if left >= 256, uniform[Int(current)] >= 0 {
        pages[page] = UInt16(uniform[Int(current)])
        left -= 256
      } else {
        let block = storage.count >> 8
        if left >= 256 { uniform[Int(current)] = block }
        var missing = 256
        while missing > 0 {
          let count = min(missing, left)
          storage.append(contentsOf: repeatElement(current, count: count))
          missing -= count
          left -= count
          if left == 0, !runs.isAtEnd {
            left = Int(runs.next())
            current = UInt8(runs.next())
          }
        }
        pages[page] = UInt16(block)
      }
      if left == 0, !runs.isAtEnd {
        left = Int(runs.next())
        current = UInt8(runs.next())
      }
    }
    blocks = .allocate(capacity: storage.count)
    blocks.initialize(from: storage, count: storage.count)

    var combining = PackedDigits(UnicodeData.combining)
    combiningRuns = (0..<combining.next()).map { _ in
      let start = combining.next()
      let length = combining.next()
      return (start, start + length, UInt8(combining.next()))
    }
    canonical = ScalarMap(UnicodeData.canonical)
    compatible = ScalarMap(UnicodeData.compatible)
    lowercase = ScalarMap(UnicodeData.lowercase)
    var composing = PackedDigits(UnicodeData.compositions)
    compositions = (0..<composing.next()).map { _ in
      let first = UInt64(composing.next())
      let second = UInt64(composing.next())
      return (first << 32 | second, composing.next())
    }
  }

  /// The number of a scalar's class, below `classCount`.
  @inline(__always)
  func classNumber(_ scalar: UInt32) -> Int {
    Int(blocks[Int(pages[Int(scalar >> 8)]) << 8 | Int(scalar & 0xFF)])
  }

  /// The properties of a scalar below 0x110000.
  @inline(__always)
  subscript(scalar: UInt32) -> ScalarProperties {
    properties[classNumber(scalar)]
  }

  /// The properties that the scalars of a class share.
  func properties(ofClass number: Int) -> ScalarProperties { properties[number] }

  /// The canonical combining class, 0 for a starter.
  func combiningClass(_ scalar: UInt32) -> UInt8 {
    guard scalar >= 0x300, self[scalar].contains(.decomposesOrCombines) else { return 0 }
    var low = 0
    var high = combiningRuns.count
    while low < high {
      let middle = (low + high) / 2
      if combiningRuns[middle].end <= scalar { low = middle + 1 } else { high = middle }
    }
    guard low < combiningRuns.count, combiningRuns[low].start <= scalar else { return 0 }
    return combiningRuns[low].value
  }

  /// The primary composite of two scalars, or nil (Unicode Standard Annex 15).
  func compose(_ first: UInt32, _ second: UInt32) -> UInt32? {
    if 0x1100..<0x1113 ~= first, 0x1161..<0x1176 ~= second {
      return 0xAC00 + ((first - 0x1100) * 21 + second - 0x1161) * 28
    }
    if 0xAC00..<0xD7A4 ~= first, 0x11A8..<0x11C3 ~= second, (first - 0xAC00) % 28 == 0 {
      return first + second - 0x11A7
    }
    guard second >= 0x300 else { return nil }
    let pair = UInt64(first) << 32 | UInt64(second)
    var low = 0
    var high = compositions.count
    while low < high {
      let middle = (low + high) / 2
      if compositions[middle].pair < pair { low = middle + 1 } else { high = middle }
    }
    guard low < compositions.count, compositions[low].pair == pair else { return nil }
    return compositions[low].composite
  }
}

/// Yes-or-no questions about a scalar, and its general category.
struct ScalarProperties: OptionSet, Sendable {
  let rawValue: UInt32

  /// The general category as the regular expressions see it: an index into `categoryNames`.
  var category: Int { Int(rawValue & 31) }

  /// The two-letter names of the general categories.
  static let categoryNames = [
    "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi",
    "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Co", "Cn",
  ]

  /// BERT's cleaning removes it: a control, format, private or unassigned character.
  static let control = ScalarProperties(rawValue: 1 << 5)
  /// BERT's removal of accents removes it: a nonspacing mark.
  static let accent = ScalarProperties(rawValue: 1 << 6)
  /// `StripAccents` removes it: any mark.
  static let mark = ScalarProperties(rawValue: 1 << 7)
  /// Punctuation, ASCII symbols included.
  static let punctuation = ScalarProperties(rawValue: 1 << 8)
  /// White space.
  static let space = ScalarProperties(rawValue: 1 << 9)
  /// A digit or another number.
  static let numeric = ScalarProperties(rawValue: 1 << 10)
  /// `\w` of the `Whitespace` pre-tokenizer and of added tokens that are single words.
  static let word = ScalarProperties(rawValue: 1 << 11)
  /// `\w` in a `Split` or `Replace` pattern.
  static let regexWord = ScalarProperties(rawValue: 1 << 12)
  /// `\s` in a `Split` or `Replace` pattern.
  static let regexSpace = ScalarProperties(rawValue: 1 << 13)
  /// It has a canonical decomposition or a combining class.
  static let decomposesOrCombines = ScalarProperties(rawValue: 1 << 14)
  /// It has any decomposition or a combining class.
  static let decomposesCompatibly = ScalarProperties(rawValue: 1 << 15)
  /// It composes with the scalar before it, or never stands in NFC.
  static let composes = ScalarProperties(rawValue: 1 << 16)
  /// It has a lower-case mapping.
  static let hasLowercase = ScalarProperties(rawValue: 1 << 17)
}

/// Scalars that map to one or more scalars, sorted by the scalar.
struct ScalarMap: Sendable {
  private var keys: [UInt32] = []
  private var starts: [UInt32] = []
  private var pool: [UInt32] = []

  fileprivate init(_ data: StaticString) {
    var digits = PackedDigits(data)
    let count = Int(digits.next())
    keys.reserveCapacity(count)
    starts.reserveCapacity(count + 1)
    pool.reserveCapacity(count * 3)
    var key: UInt32 = 0
    for _ in 0..<count {
      key += digits.next()
      keys.append(key)
      starts.append(UInt32(pool.count))
      for _ in 0..<digits.next() { pool.append(digits.next()) }
    }
    starts.append(UInt32(pool.count))
  }

  /// What a scalar maps to, or nil when it maps to itself.
  subscript(scalar: UInt32) -> ArraySlice<UInt32>? {
    var low = 0
    var high = keys.count
    while low < high {
      let middle = (low + high) / 2
      if keys[middle] < scalar { low = middle + 1 } else { high = middle }
    }
    guard low < keys.count, keys[low] == scalar else { return nil }
    return pool[Int(starts[low])..<Int(starts[low + 1])]
  }
}

/// The scripts that the `UnicodeScripts` pre-tokenizer tells apart.
struct UnicodeScripts: Sendable {
  /// The only instance, made on first use.
  static let shared = UnicodeScripts()

  /// Where each run of one script begins.
  private var starts: [UInt32] = []
  private var numbers: [UInt8] = []

  private init() {
    var digits = PackedDigits(UnicodeData.scripts)
    var start: UInt32 = 0
    for _ in 0..<digits.next() {
      start += digits.next()
      starts.append(start)
      numbers.append(UInt8(digits.next()))
    }
  }

  /// The number of a scalar's script; 0 when it goes with any.
  subscript(scalar: UInt32) -> Int {
    var low = 0
    var high = starts.count
    while low + 1 < high {
      let middle = (low + high) / 2
      if starts[middle] <= scalar { low = middle } else { high = middle }
    }
    return Int(numbers[low])
  }
}

/// Reads the numbers of `UnicodeData`: digits of 5 bits, the lowest first, 32 added to all but the
/// last of a number.
private struct PackedDigits {
  private let bytes: UnsafePointer<UInt8>
  private let count: Int
  private var position = 0

  init(_ data: StaticString) {
    bytes = data.utf8Start
    count = data.utf8CodeUnitCount
  }

  var isAtEnd: Bool { position >= count }

  mutating func next() -> UInt32 {
    var value: UInt32 = 0
    var shift: UInt32 = 0
    while position < count {
      let byte = bytes[position]
      position += 1
      let digit: UInt8
      switch byte {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"): digit = byte - UInt8(ascii: "A")
      case UInt8(ascii: "a")...UInt8(ascii: "z"): digit = byte - UInt8(ascii: "a") + 26
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0") + 52
      case UInt8(ascii: "+"): digit = 62
      case UInt8(ascii: "-"): digit = 63
      default: continue
      }
      value |= UInt32(digit & 31) << shift
      shift += 5
      if digit < 32 { break }
    }
    return value
  }
}
