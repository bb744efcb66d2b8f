/// A step that cuts text into words; `pre_tokenizer` of tokenizer.json.
indirect enum PreTokenizer: Sendable {
  case sequence([PreTokenizer])
  case bert
  case byteLevel(addsPrefixSpace: Bool, pattern: TextPattern?)
  case whitespace
  case whitespaceSplit
  case punctuation(SplitBehavior)
  case digits(individual: Bool)
  case delimiter(UInt32)
  case split(TextPattern, SplitBehavior, isInverted: Bool)
  case fixedLength(Int)
  case unicodeScripts
  case metaspace(Metaspace)

  /// The pattern by which GPT-2 cuts text.
  private static let gpt2Pattern: StaticString =
    #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

  /// The keys of each type.
  private static let keys: KeyValuePairs<ByteString, [ByteString]> = [
    "BertPreTokenizer": [],
    "ByteLevel": ["add_prefix_space", "trim_offsets", "use_regex"],
    "CharDelimiterSplit": ["delimiter"],
    "Digits": ["individual_digits"],
    "FixedLength": ["length"],
    "Metaspace": ["replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep"],
    "Punctuation": ["behavior"],
    "Sequence": ["pretokenizers"],
    "Split": ["pattern", "behavior", "invert"],
    "UnicodeScripts": [],
    "Whitespace": [],
    "WhitespaceSplit": [],
  ]

  /// Reads a pre-tokenizer; nil when the place is empty.
  init?(_ field: JSONField) throws(HubError) {
    guard field.exists else { return nil }
    switch try field.type(of: PreTokenizer.keys) {
    case "Sequence":
      var steps: [PreTokenizer] = []
      for step in try field["pretokenizers"].array() {
        if let step = try PreTokenizer(step) { steps.append(step) }
      }
      self = .sequence(steps)
    case "BertPreTokenizer": self = .bert
    case "ByteLevel":
      var pattern: TextPattern?
      if try field["use_regex"].bool(default: true) {
        do throws(RegexError) {
          pattern = .regex(
            try RegexProgram(PreTokenizer.gpt2Pattern.withUTF8Buffer { Array($0) }))
        } catch {
          throw field.error(expected: error.message)
        }
      }
      self = .byteLevel(
        addsPrefixSpace: try field["add_prefix_space"].bool(), pattern: pattern)
    case "UnicodeScripts": self = .unicodeScripts
    case "Whitespace": self = .whitespace
    case "WhitespaceSplit": self = .whitespaceSplit
    case "Punctuation":
      self = .punctuation(
        field["behavior"].exists ? try SplitBehavior(field["behavior"]) : .isolated)
    case "Digits": self = .digits(individual: try field["individual_digits"].bool())
    case "CharDelimiterSplit":
      self = .delimiter(try PreTokenizer.scalar(field["delimiter"]))
    case "Split":
      self = .split(
        try TextPattern(field["pattern"]), try SplitBehavior(field["behavior"]),
        isInverted: try field["invert"].bool())
    case "FixedLength":
      self = .fixedLength(try field["length"].int(in: 1...Int(Int32.max), default: 5))
    default: self = .metaspace(try Metaspace(field))
    }
  }

  /// A string of one scalar.
  static func scalar(_ field: JSONField) throws(HubError) -> UInt32 {
    let scalars = UTF8Text.scalars(UTF8Text.repaired(try field.string().bytes))
    guard scalars.count == 1 else { throw field.error(expected: "one character") }
    return scalars[0]
  }

  /// Cuts the pieces that are not tokens yet.
  func apply(_ text: inout PreTokenizedText) throws(RegexError) {
    let tables = UnicodeTables.shared
    switch self {
    case .sequence(let steps):
      for step in steps {
        try step.apply(&text)
        try text.text.requireRoom()
      }
    case .bert:
      text.split(.removed) { tables[$0].contains(.space) }
      text.split(.isolated) { tables[$0].contains(.punctuation) }
    case .byteLevel(let addsPrefixSpace, let pattern):
      if addsPrefixSpace {
        text.rewrite { piece in
          if piece.bytes.first != 0x20 { piece.prepend([0x20]) }
        }
      }
      if let pattern { try text.split(pattern, .isolated, isInverted: false) }
      text.mapToByteAlphabet()
    case .whitespace:
      text.splitWords(tables)
    case .whitespaceSplit:
      text.split(.removed) { tables[$0].contains(.space) }
    case .punctuation(let behavior):
      text.split(behavior) { tables[$0].contains(.punctuation) }
    case .digits(let individual):
      text.split(individual ? .isolated : .contiguous) { tables[$0].contains(.numeric) }
    case .delimiter(let delimiter):
      text.split(.removed) { $0 == delimiter }
    case .split(let pattern, let behavior, let isInverted):
      try text.split(pattern, behavior, isInverted: isInverted)
    case .fixedLength(let length):
      text.split(every: length)
    case .unicodeScripts:
      text.splitScripts(UnicodeScripts.shared)
    case .metaspace(let metaspace):
      try metaspace.apply(&text)
    }
  }
}

/// Spaces written as a visible character, as SentencePiece does.
struct Metaspace: Sendable {
  /// Where a word gets one more in front.
  enum Scheme: Sendable { case first, never, always }

  let replacement: UInt32
  let scheme: Scheme
  let splits: Bool

  /// Reads a pre-tokenizer's or decoder's settings.
  init(_ field: JSONField) throws(HubError) {
    replacement = try PreTokenizer.scalar(field["replacement"])
    splits = try field["split"].bool(default: true)
    // Before there were schemes, a flag said always or never; beside a scheme it has to agree.
    let flag = field["add_prefix_space"]
    let isNever = flag.exists ? !(try flag.bool()) : false
    switch try field["prepend_scheme"].string(default: isNever ? "never" : "always") {
    case "first": scheme = .first
    case "never": scheme = .never
    case "always": scheme = .always
    default: throw field["prepend_scheme"].error(expected: "first, never or always")
    }
    if isNever, scheme != .never { throw flag.error(expected: "agreement with prepend_scheme") }
  }

  fileprivate func apply(_ text: inout PreTokenizedText) throws(RegexError) {
    var mark: [UInt8] = []
    appendUTF8(replacement, to: &mark)
    try text.rewrite { (piece) throws(RegexError) in
      try piece.replace(
        piece.bytes.indices.filter { piece.bytes[$0] == 0x20 }.map { $0..<$0 + 1 }, with: mark)
      if scheme == .always || scheme == .first && piece.origin == 0 {
        if !piece.bytes.starts(with: mark) { piece.prepend(mark) }
      }
    }
    if splits { text.split(.mergedWithNext) { $0 == replacement } }
  }
}

/// What becomes of the matches that text is cut at.
enum SplitBehavior: Sendable {
  case removed, isolated, mergedWithPrevious, mergedWithNext, contiguous

  /// Reads a behaviour's name.
  init(_ field: JSONField) throws(HubError) {
    switch try field.string(
      oneOf: ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"])
    {
    case "Removed": self = .removed
    case "Isolated": self = .isolated
    case "MergedWithPrevious": self = .mergedWithPrevious
    case "MergedWithNext": self = .mergedWithNext
    default: self = .contiguous
    }
  }
}
