/// A token that is found in text as it stands, before a model sees it; one of `added_tokens`.
struct AddedToken: Sendable {
  /// The token's bytes as given.
  var content: ByteString
  /// The token's id.
  var id: Int32
  /// Whether it is left out when decoding without special tokens.
  var isSpecial: Bool
  /// Whether it is found only where no word touches it.
  var isSingleWord: Bool
  /// Whether it takes the white space before it.
  var stripsLeft: Bool
  /// Whether it takes the white space after it.
  var stripsRight: Bool
  /// Whether it is found in normalised text.
  var isNormalized: Bool
}

/// The added tokens of a tokenizer and how they are found.
struct AddedTokens: Sendable {
  /// By id, as decoding sees them.
  private(set) var byID: [Int32: AddedToken] = [:]
  private var byContent: [ByteString: Int32] = [:]
  private var special: Set<ByteString> = []
  private var plainMatcher = TokenMatcher()
  private var normalizedMatcher = TokenMatcher()

  /// Reads the tokens. As in the original, a token of the model's vocabulary keeps the model's id
  /// and any other gets the next free one, whatever id the file says.
  init(
    _ field: JSONField, vocabulary: Vocabulary, normalizer: Normalizer?
  ) throws(HubError) {
    guard field.exists else { return }
    var order: [AddedToken] = []
    for entry in try field.array() {
      try entry.requireKeys([
        "id", "content", "single_word", "lstrip", "rstrip", "normalized", "special",
      ])
      var token = AddedToken(
        content: try entry["content"].string(), id: 0,
        isSpecial: try entry["special"].bool(),
        isSingleWord: try entry["single_word"].bool(),
        stripsLeft: try entry["lstrip"].bool(), stripsRight: try entry["rstrip"].bool(),
        isNormalized: try entry["normalized"].bool())
      _ = try entry["id"].int(in: 0...Int(Int32.max))
      if token.isSpecial, !token.content.isEmpty { special.insert(token.content) }
      if token.content.isEmpty { continue }
      if let id = byContent[token.content] {
        // Said again with other properties: these count from here on.
        token.id = id
        byID[id] = token
        if !special.contains(token.content) { order.append(token) }
        continue
      }
      token.id = vocabulary.id(of: token.content.bytes) ?? nextID(vocabulary)
      byContent[token.content] = token.id
      byID[token.id] = token
      order.append(token)
    }
    // Of two tokens that look alike once normalised the first counts, special ones before others.
    var size = 0
    let sorted = order.filter(\.isSpecial) + order.filter { !$0.isSpecial }
    func take(_ bytes: [UInt8]) throws(HubError) -> [UInt8] {
      size += bytes.count
      guard size < TokenAutomaton.limit else {
        throw field.error(expected: "tokens of less than 16 MiB")
      }
      return bytes
    }
    for token in sorted {
      guard token.isNormalized, let normalizer else {
        if token.isNormalized {
          normalizedMatcher.insert(try take(token.content.bytes), token.id)
        } else {
          plainMatcher.insert(try take(token.content.bytes), token.id)
        }
        continue
      }
      var text = AlignedText(original: UTF8Text.repaired(token.content.bytes))
      do throws(RegexError) {
        try normalizer.apply(&text)
      } catch {
        throw field.error(expected: error.message)
      }
      normalizedMatcher.insert(try take(text.bytes), token.id)
    }
    plainMatcher.link()
    normalizedMatcher.link()
  }

  private func nextID(_ vocabulary: Vocabulary) -> Int32 {
    let size = Int32(vocabulary.count)
    guard let last = byID.keys.max() else { return size }
    return last >= size || size == 0 ? last + 1 : size
  }

  /// The id of an added token's bytes, or nil.
  func id(of content: ByteString) -> Int32? { byContent[content] }

  /// Whether the bytes are those of a special token.
  func isSpecial(_ content: ByteString) -> Bool { special.contains(content) }

  /// How many there are.
  var count: Int { byID.count }

  /// Finds the tokens in text, normalises what lies between them, and finds those that are to be
  /// found in normalised text.
  func extract(
    from bytes: [UInt8], normalizer: Normalizer?
  ) throws(RegexError) -> PreTokenizedText {
    var text = PreTokenizedText(AlignedText(original: bytes))
    extract(&text, plainMatcher)
    if let normalizer {
      try text.rewrite { (piece) throws(RegexError) in try normalizer.apply(&piece) }
    }
    extract(&text, normalizedMatcher)
    return text
  }

  private func extract(_ text: inout PreTokenizedText, _ matcher: TokenMatcher) {
    let bytes = text.text.bytes
    text.cut { piece, result in
      // As in the original, even a piece without a token is cut anew, and so begins where its
      // first byte came from.
      let start = Int(piece.start)
      let end = Int(piece.end)
      var pending = start
      if !matcher.isEmpty {
        matcher.forEachMatch(in: bytes, start..<end) { from, to, id in
          guard let token = byID[id] else { return }
          var from = from
          var to = to
          if token.isSingleWord,
            isWord(bytes, before: from, floor: start) || isWord(bytes, at: to, ceiling: end)
          {
            return
          }
          if token.stripsLeft {
            // What the token before this one has taken is not taken again.
            let floor = max(start, pending)
            from = max(from, floor)
            while from > floor {
              let (scalar, length) = UTF8Text.decode(bytes, before: from)
              guard UnicodeTables.shared[scalar].contains(.space) else { break }
              from -= length
            }
          }
          if token.stripsRight {
            while to < end {
              let (scalar, length) = UTF8Text.decode(bytes, at: to)
              guard UnicodeTables.shared[scalar].contains(.space) else { break }
              to += length
            }
          }
          if pending < from { result.append(pending, from) }
          // White space taken by the token before this one can reach past its beginning.
          result.append(from, to, token: id)
          pending = to
        }
      }
      if pending != end { result.append(pending, end) }
    }
  }

  private func isWord(_ bytes: [UInt8], before index: Int, floor: Int) -> Bool {
    index > floor
      && UnicodeTables.shared[UTF8Text.decode(bytes, before: index).0].contains(.word)
  }

  private func isWord(_ bytes: [UInt8], at index: Int, ceiling: Int) -> Bool {
    index < ceiling && UnicodeTables.shared[UTF8Text.decode(bytes, at: index).0].contains(.word)
  }
}

/// Finds the leftmost and of those the longest of many strings.
struct TokenMatcher: Sendable {
  private var automaton = TokenAutomaton()
  /// The token that each string stands for.
  private var ids: [Int32] = []

  /// Whether nothing can be found.
  var isEmpty: Bool { automaton.isEmpty }

  /// Adds a string; one that is there already keeps its token, an empty one is left out.
  mutating func insert(_ bytes: [UInt8], _ token: Int32) {
    automaton.insert(bytes, Int32(ids.count))
    ids.append(token)
  }

  /// Ends the insertions.
  mutating func link() { automaton.link() }

  /// Reports the start, end and token of matches that do not overlap, from left to right.
  func forEachMatch(in bytes: [UInt8], _ range: Range<Int>, _ report: (Int, Int, Int32) -> Void) {
    var index = range.lowerBound
    var node: Int32 = 0
    var best: (start: Int, end: Int, token: Int32)?
    while true {
      if best == nil, node == 0 {
        while index < range.upperBound, !automaton.begins(bytes[index]) { index += 1 }
      }
      if index < range.upperBound {
        node = automaton.step(node, bytes[index])
        index += 1
        // The longest token that ends here begins farthest to the left.
        let ending = automaton.token(node)
        if ending >= 0 {
          let start = index - automaton.length(ending)
          if best.map({ start <= $0.start }) ?? true {
            best = (start, index, ids[Int(ending)])
          }
        }
      }
      if let match = best {
        // Nothing that has begun can still be as far left.
        if index >= range.upperBound || index - automaton.depth(node) > match.start {
          report(match.start, match.end, match.token)
          index = match.end
          node = 0
          best = nil
        }
      } else if index >= range.upperBound {
        return
      }
    }
  }
}
