/// A step that rewrites text before it is cut into words; `normalizer` of tokenizer.json.
indirect enum Normalizer: Sendable {
  case sequence([Normalizer])
  case bert(cleansText: Bool, separatesChinese: Bool, stripsAccents: Bool, lowercases: Bool)
  case form(NormalizationForm)
  case lowercase
  case strip(left: Bool, right: Bool)
  case stripAccents
  case nmt
  case prepend([UInt8])
  case replace(TextPattern, with: [UInt8])
  case characterMap(CharacterMap)
  case byteLevel

  /// The keys of each type.
  private static let keys: KeyValuePairs<ByteString, [ByteString]> = [
    "BertNormalizer": ["clean_text", "handle_chinese_chars", "strip_accents", "lowercase"],
    "ByteLevel": [],
    "Lowercase": [],
    "NFC": [],
    "NFD": [],
    "NFKC": [],
    "NFKD": [],
    "Nmt": [],
    "Precompiled": ["precompiled_charsmap", "longest_match"],
    "Prepend": ["prepend"],
    "Replace": ["pattern", "content"],
    "Sequence": ["normalizers"],
    "Strip": ["strip_left", "strip_right"],
    "StripAccents": [],
  ]

  /// Reads a normalizer; nil when the place is empty.
  init?(_ field: JSONField) throws(HubError) {
    guard field.exists else { return nil }
    switch try field.type(of: Normalizer.keys) {
    case "Sequence":
      var steps: [Normalizer] = []
      for step in try field["normalizers"].array() {
        if let step = try Normalizer(step) { steps.append(step) }
      }
      self = .sequence(steps)
    case "BertNormalizer":
      let lowercases = try field["lowercase"].bool()
      self = .bert(
        cleansText: try field["clean_text"].bool(),
        separatesChinese: try field["handle_chinese_chars"].bool(),
        stripsAccents: try field["strip_accents"].bool(default: lowercases),
        lowercases: lowercases)
    case "NFC": self = .form(.nfc)
    case "NFD": self = .form(.nfd)
    case "NFKC": self = .form(.nfkc)
    case "NFKD": self = .form(.nfkd)
    case "Lowercase": self = .lowercase
    case "Strip":
      self = .strip(
        left: try field["strip_left"].bool(), right: try field["strip_right"].bool())
    case "StripAccents": self = .stripAccents
    case "Nmt": self = .nmt
    case "Prepend": self = .prepend(try field["prepend"].string().bytes)
    case "Replace":
      self = .replace(
        try TextPattern(field["pattern"]), with: try field["content"].string().bytes)
    case "ByteLevel": self = .byteLevel
    default:
      let place = field["precompiled_charsmap"]
      guard let bytes = [UInt8](base64: try place.string().bytes),
        let map = CharacterMap(
          bytes, matchesLongest: try field["longest_match"].bool(default: false))
      else { throw place.error(expected: "a character map of SentencePiece in Base64") }
      self = .characterMap(map)
    }
  }

  /// Rewrites text.
  func apply(_ text: inout AlignedText) throws(RegexError) {
    let tables = UnicodeTables.shared
    switch self {
    case .sequence(let steps):
      for step in steps {
        try step.apply(&text)
        try text.requireRoom()
      }
    case .bert(let cleansText, let separatesChinese, let stripsAccents, let lowercases):
      if Normalizer.applyBertToASCII(&text, cleansText, lowercases) { return }
      if cleansText { Normalizer.clean(&text, tables) }
      if separatesChinese { Normalizer.separateChinese(&text) }
      if stripsAccents {
        NormalizationForm.nfd.apply(&text)
        text.filter { $0 < 0x80 || !tables[$0].contains(.accent) }
      }
      if lowercases { Normalizer.lowercase(&text, tables) }
    case .form(let form): form.apply(&text)
    case .lowercase: Normalizer.lowercase(&text, tables)
    case .strip(let left, let right): Normalizer.strip(&text, left, right, tables)
    case .stripAccents: text.filter { $0 < 0x80 || !tables[$0].contains(.mark) }
    case .nmt: Normalizer.applyNmt(&text)
    case .prepend(let content): text.prepend(content)
    case .replace(let pattern, let content):
      try text.replace(try pattern.matches(in: text.bytes), with: content)
    case .characterMap(let map): map.apply(&text)
    case .byteLevel:
      let bytes = ByteAlphabet.shared
      text.rewrite { result, scalar, span in
        var encoded: [UInt8] = []
        appendUTF8(scalar, to: &encoded)
        for byte in encoded { result.append(bytes.scalar(of: byte), span) }
      }
    }
  }

  // MARK: Steps

  /// The whole of BERT's normalizer for ASCII without control characters, byte by byte; false when
  /// the text is something else.
  private static func applyBertToASCII(
    _ text: inout AlignedText, _ cleansText: Bool, _ lowercases: Bool
  ) -> Bool {
    for byte in text.bytes where byte >= 0x7F || byte < 0x20 {
      guard byte == 9 || byte == 10 || byte == 13 else { return false }
    }
    for index in text.bytes.indices {
      let byte = text.bytes[index]
      if cleansText, byte < 0x20 { text.bytes[index] = 0x20 }
      if lowercases, 65...90 ~= byte { text.bytes[index] = byte | 0x20 }
    }
    return true
  }

  private static func clean(_ text: inout AlignedText, _ tables: UnicodeTables) {
    text.rewrite { result, scalar, span in
      switch scalar {
      case 9, 10, 13: result.append(0x20, span)
      case 0, 0xFFFD: break
      default:
        let properties = tables[scalar]
        if properties.contains(.control) { return }
        result.append(properties.contains(.space) ? 0x20 : scalar, span)
      }
    }
  }

  private static func separateChinese(_ text: inout AlignedText) {
    if text.isASCII { return }
    text.rewrite { result, scalar, span in
      switch scalar {
      case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B73F,
        0x2B740...0x2B81F, 0x2B920...0x2CEAF, 0xF900...0xFAFF, 0x2F800...0x2FA1F:
        result.append(0x20, span)
        result.append(scalar, span)
        result.append(0x20, span)
      default: result.append(scalar, span)
      }
    }
  }

  private static func lowercase(_ text: inout AlignedText, _ tables: UnicodeTables) {
    if text.isASCII {
      for index in text.bytes.indices where 65...90 ~= text.bytes[index] {
        text.bytes[index] |= 0x20
      }
      return
    }
    text.rewrite { result, scalar, span in
      if scalar < 0x80 {
        result.append(65...90 ~= scalar ? scalar | 0x20 : scalar, span)
      } else if tables[scalar].contains(.hasLowercase), let lower = tables.lowercase[scalar] {
        for part in lower { result.append(part, span) }
      } else {
        result.append(scalar, span)
      }
    }
  }

  private static func strip(
    _ text: inout AlignedText, _ left: Bool, _ right: Bool, _ tables: UnicodeTables
  ) {
    var start = 0
    var end = text.bytes.count
    while left, start < end {
      let (scalar, length) = UTF8Text.decode(text.bytes, at: start)
      guard tables[scalar].contains(.space) else { break }
      start += length
    }
    while right, end > start {
      let (scalar, length) = UTF8Text.decode(text.bytes, before: end)
      guard tables[scalar].contains(.space) else { break }
      end -= length
    }
    text = AlignedText(text, range: start..<end, origin: text.origin)
  }

  /// The control characters and spaces of Google's NMT, a list of its own.
  private static func applyNmt(_ text: inout AlignedText) {
    text.rewrite { result, scalar, span in
      switch scalar {
      case 0x01...0x08, 0x0B, 0x0E...0x1F, 0x7F, 0x8F, 0x9F: break
      case 0x09, 0x0A, 0x0C, 0x0D, 0x1680, 0x200B...0x200F, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD:
        result.append(0x20, span)
      default: result.append(scalar, span)
      }
    }
  }
}

/// What `Split` and `Replace` look for: a string or a regular expression.
enum TextPattern: Sendable {
  case string([UInt8])
  case regex(RegexProgram)

  /// Reads `{"String": ...}` or `{"Regex": ...}`.
  init(_ field: JSONField) throws(HubError) {
    if field["String"].exists {
      let bytes = try field["String"].string().bytes
      guard !bytes.isEmpty else { throw field["String"].error(expected: "a pattern") }
      self = .string(bytes)
      return
    }
    guard field["Regex"].exists else { throw field.error(expected: "a String or a Regex") }
    let pattern = try field["Regex"].string().bytes
    guard !pattern.isEmpty else { throw field["Regex"].error(expected: "a pattern") }
    do throws(RegexError) {
      self = .regex(try RegexProgram(pattern))
    } catch {
      throw field["Regex"].error(expected: error.message)
    }
  }

  /// The ranges that match, from left to right.
  func matches(in bytes: [UInt8]) throws(RegexError) -> [Range<Int>] {
    var result: [Range<Int>] = []
    let outcome: Result<Void, RegexError> = bytes.withUnsafeBufferPointer { buffer in
      Result { () throws(RegexError) in
        try forEachMatch(in: buffer) { start, end in result.append(start..<end) }
      }
    }
    try outcome.get()
    return result
  }

  /// Calls `report` with the ends of every match, from left to right.
  func forEachMatch(
    in bytes: UnsafeBufferPointer<UInt8>, _ report: (Int, Int) -> Void
  ) throws(RegexError) {
    switch self {
    case .regex(let program): try program.forEachMatch(in: bytes, report)
    case .string(let string):
      let count = string.count
      var index = 0
      // The first byte that can go wrong decides; needles here are a few bytes long.
      while index + count <= bytes.count {
        var matched = 0
        while matched < count, bytes[index + matched] == string[matched] { matched += 1 }
        if matched == count {
          report(index, index + count)
          index += count
        } else {
          index += 1
        }
      }
    }
  }
}

/// The printable scalars that stand for the 256 bytes in byte-level vocabularies (GPT-2).
struct ByteAlphabet: Sendable {
  static let shared = ByteAlphabet()

  private var scalars = [UInt32](repeating: 0, count: 256)
  private var bytes = [Int16](repeating: -1, count: 0x150)

  private init() {
    var next: UInt32 = 256
    for byte in 0..<256 {
      switch byte {
      case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: scalars[byte] = UInt32(byte)
      default:
        scalars[byte] = next
        next += 1
      }
      bytes[Int(scalars[byte])] = Int16(byte)
    }
  }

  /// The scalar that stands for a byte.
  func scalar(of byte: UInt8) -> UInt32 { scalars[Int(byte)] }

  /// The byte that a scalar stands for, or nil.
  func byte(of scalar: UInt32) -> UInt8? {
    guard scalar < 0x150, bytes[Int(scalar)] >= 0 else { return nil }
    return UInt8(bytes[Int(scalar)])
  }

  /// Whether a scalar stands for a space.
  static func isSpace(_ scalar: UInt32) -> Bool { scalar == 0x120 }
}
