/// A step on the way from tokens back to text; `decoder` of tokenizer.json.
indirect enum TokenDecoder: Sendable {
  case sequence([TokenDecoder])
  case byteLevel
  case wordPiece(prefix: [UInt8], cleansUp: Bool)
  case metaspace(Metaspace)
  case bpe(suffix: [UInt8])
  case byteFallback
  case fuse
  case strip(UInt32, start: Int, stop: Int)
  case replace(TextPattern, with: [UInt8])
  case ctc(pad: [UInt8], delimiter: [UInt8], cleansUp: Bool)

  /// The keys of each type.
  private static let keys: KeyValuePairs<ByteString, [ByteString]> = [
    "BPEDecoder": ["suffix"],
    "ByteFallback": [],
    "ByteLevel": ["add_prefix_space", "trim_offsets", "use_regex"],
    "CTC": ["pad_token", "word_delimiter_token", "cleanup"],
    "Fuse": [],
    "Metaspace": ["replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep"],
    "Replace": ["pattern", "content"],
    "Sequence": ["decoders"],
    "Strip": ["content", "start", "stop"],
    "WordPiece": ["prefix", "cleanup"],
  ]

  /// Reads a decoder; nil when the place is empty.
  init?(_ field: JSONField) throws(HubError) {
    guard field.exists else { return nil }
    switch try field.type(of: TokenDecoder.keys) {
    case "Sequence":
      var steps: [TokenDecoder] = []
      for step in try field["decoders"].array() {
        if let step = try TokenDecoder(step) { steps.append(step) }
      }
      self = .sequence(steps)
    case "ByteLevel": self = .byteLevel
    case "WordPiece":
      self = .wordPiece(
        prefix: try field["prefix"].string().bytes, cleansUp: try field["cleanup"].bool())
    case "Metaspace": self = .metaspace(try Metaspace(field))
    case "BPEDecoder":
      let suffix = try field["suffix"].string().bytes
      guard !suffix.isEmpty else { throw field["suffix"].error(expected: "a suffix") }
      self = .bpe(suffix: suffix)
    case "ByteFallback": self = .byteFallback
    case "Fuse": self = .fuse
    case "Strip":
      self = .strip(
        try PreTokenizer.scalar(field["content"]),
        start: try field["start"].int(in: 0...Int(Int32.max)),
        stop: try field["stop"].int(in: 0...Int(Int32.max)))
    case "Replace":
      self = .replace(
        try TextPattern(field["pattern"]), with: try field["content"].string().bytes)
    default:
      self = .ctc(
        pad: try field["pad_token"].string().bytes,
        delimiter: try field["word_delimiter_token"].string().bytes,
        cleansUp: try field["cleanup"].bool())
    }
  }

  /// Turns tokens into the parts of a text.
  func apply(_ tokens: [[UInt8]]) throws(RegexError) -> [[UInt8]] {
    switch self {
    case .sequence(let steps):
      var tokens = tokens
      for step in steps {
        tokens = try step.apply(tokens)
        guard tokens.reduce(0, { $0 + $1.count }) <= AlignedText.limit else {
          throw RegexError(message: "steps that leave the text below 512 MiB")
        }
      }
      return tokens
    case .byteLevel: return [TokenDecoder.decodeByteLevel(tokens)]
    case .wordPiece(let prefix, let cleansUp):
      return tokens.enumerated().map { number, token in
        var part = token
        if number > 0 {
          if token.starts(with: prefix) {
            part.removeFirst(prefix.count)
          } else {
            part.insert(0x20, at: 0)
          }
        }
        return cleansUp ? TokenDecoder.cleanUp(part) : part
      }
    case .metaspace(let metaspace):
      return tokens.enumerated().map { number, token in
        var part: [UInt8] = []
        for scalar in UTF8Text.scalars(token) {
          if scalar != metaspace.replacement {
            appendUTF8(scalar, to: &part)
          } else if number > 0 || metaspace.scheme == .never {
            part.append(0x20)
          }
        }
        return part
      }
    case .bpe(let suffix):
      return tokens.enumerated().map { number, token in
        replaceAll(in: token, suffix, with: number == tokens.count - 1 ? [] : [0x20])
      }
    case .byteFallback: return TokenDecoder.decodeByteTokens(tokens)
    case .fuse: return [Array(tokens.joined())]
    case .strip(let content, let start, let stop):
      return tokens.map { TokenDecoder.strip($0, content, start, stop) }
    case .replace(let pattern, let content):
      var result: [[UInt8]] = []
      for token in tokens {
        var part: [UInt8] = []
        var end = 0
        for range in try pattern.matches(in: token) {
          guard part.count + content.count <= AlignedText.limit else {
            throw RegexError(message: "steps that leave the text below 512 MiB")
          }
          part += token[end..<range.lowerBound]
          part += content
          end = range.upperBound
        }
        result.append(part + token[end...])
      }
      return result
    case .ctc(let pad, let delimiter, let cleansUp):
      var result: [[UInt8]] = []
      for (number, token) in tokens.enumerated() where number == 0 || tokens[number - 1] != token {
        var part = pad.isEmpty ? token : replaceAll(in: token, pad, with: [])
        if cleansUp {
          part = TokenDecoder.cleanUp(part)
          if !delimiter.isEmpty { part = replaceAll(in: part, delimiter, with: [0x20]) }
        }
        if !part.isEmpty { result.append(part) }
      }
      return result
    }
  }

  // MARK: Steps

  private static func decodeByteLevel(_ tokens: [[UInt8]]) -> [UInt8] {
    let alphabet = ByteAlphabet.shared
    var bytes: [UInt8] = []
    for token in tokens {
      let before = bytes.count
      var index = 0
      while index < token.count {
        let (scalar, length) = UTF8Text.decode(token, at: index)
        guard let byte = alphabet.byte(of: scalar) else {
          // A token with any other scalar stands for itself.
          bytes.removeSubrange(before...)
          bytes += token
          break
        }
        bytes.append(byte)
        index += length
      }
    }
    return UTF8Text.repaired(bytes)
  }

  private static func decodeByteTokens(_ tokens: [[UInt8]]) -> [[UInt8]] {
    var result: [[UInt8]] = []
    var pending: [UInt8] = []
    func flush() {
      guard !pending.isEmpty else { return }
      if UTF8Text.isValid(pending) {
        result.append(pending)
      } else {
        for _ in pending { result.append([0xEF, 0xBF, 0xBD]) }
      }
      pending.removeAll()
    }
    for token in tokens {
      if let byte = byteToken(token) {
        pending.append(byte)
      } else {
        flush()
        result.append(token)
      }
    }
    flush()
    return result
  }

  /// The byte of `<0x41>`, or nil.
  private static func byteToken(_ token: [UInt8]) -> UInt8? {
    guard token.count == 6, token.starts(with: "<0x".utf8), token[5] == UInt8(ascii: ">") else {
      return nil
    }
    // A sign before one digit passes in the original, so it does here.
    let digits = token[3] == UInt8(ascii: "+") ? token[4...4] : token[3...4]
    var value: UInt8 = 0
    for digit in digits {
      guard let part = Character(Unicode.Scalar(digit)).hexDigitValue, digit < 0x80 else {
        return nil
      }
      value = value << 4 | UInt8(part)
    }
    return value
  }

  private static func strip(
    _ token: [UInt8], _ content: UInt32, _ start: Int, _ stop: Int
  ) -> [UInt8] {
    let scalars = UTF8Text.scalars(token)
    var first = 0
    while first < min(start, scalars.count), scalars[first] == content { first += 1 }
    var last = scalars.count
    while scalars.count - last < stop, last > 0, scalars[last - 1] == content { last -= 1 }
    var result: [UInt8] = []
    if first < last { for scalar in scalars[first..<last] { appendUTF8(scalar, to: &result) } }
    return result
  }

  /// Takes out the spaces that splitting left before punctuation and in English contractions.
  ///
  /// - Parameter contracts: whether `do not` becomes `don't`, which decoders do and transformers does
  ///   not.
  static func cleanUp(_ text: [UInt8], contracts: Bool = true) -> [UInt8] {
    guard text.contains(0x20) else { return text }
    var rules: [(StaticString, StaticString)] = [
      (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"),
      (" 'm", "'m"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
    ]
    if contracts { rules.insert((" do not", " don't"), at: 7) }
    return rules.reduce(text) { text, rule in
      replaceAll(
        in: text, rule.0.withUTF8Buffer { Array($0) }, with: rule.1.withUTF8Buffer { Array($0) })
    }
  }
}

/// Replaces every occurrence of a string that is not empty.
func replaceAll(in text: [UInt8], _ target: [UInt8], with content: [UInt8]) -> [UInt8] {
  guard let first = target.first, text.contains(first) else { return text }
  var result: [UInt8] = []
  var index = 0
  while index < text.count {
    if text[index] == first, text[index...].starts(with: target) {
      result += content
      index += target.count
    } else {
      result.append(text[index])
      index += 1
    }
  }
  return result
}
