/// The most probable sequence of tokens, each with a probability of its own (Kudo, 2018).
///
/// Where the model has `ids`, the pieces of `vocab` are looked up in that vocabulary once they are
/// found, and scores are added in single precision: so SentencePiece itself does it.
struct Unigram: Sendable {
  let vocabulary: Vocabulary
  private let automaton: TokenAutomaton
  /// The logarithm of each token's probability, by id.
  private let scores: [Double]
  /// The score of a scalar that is no token: below that of every token.
  private let unknownScore: Double
  /// What stands for text that is no token.
  let unknown: Int32?
  /// The ids of the pieces in a vocabulary of its own, or nil when a piece's number is its id.
  private let ids: [Int32]?
  /// Said where an unknown token is wanted and there is none.
  private let missing: HubError
  /// Ids of `<0x00>` to `<0xFF>`, empty without byte fallback; -1 for those that are missing.
  private let byteTokens: [Int32]

  /// Reads the model, whose tokens have been read.
  init(_ field: JSONField, _ list: TokenList, _ pieces: Vocabulary) throws(HubError) {
    guard list.bytes.count < TokenAutomaton.limit else {
      throw HubError(
        file: field.file, key: field["vocab"].path, expected: "tokens of less than 16 MiB",
        found: "\(list.bytes.count) bytes")
    }
    var unknownField = field["unk_id"]
    if field["ids"].exists {
      let vocabulary = try Vocabulary(TokenList(field["ids"]), field: field["ids"])
      self.vocabulary = vocabulary
      unknownField = field["unk_token"]
      guard let id = vocabulary.id(of: try unknownField.string().bytes) else {
        throw unknownField.error(expected: "a token of the vocabulary")
      }
      unknown = id
      ids = list.ids.indices.map { vocabulary.id(of: list.token($0).bytes) ?? id }
    } else {
      vocabulary = pieces
      ids = nil
      unknown = try Unigram.unknown(unknownField, count: list.ids.count)
    }
    missing = HubError(
      file: field.file, key: unknownField.path, expected: "an id",
      found: "none, wanted for text that has no token")
    var automaton = TokenAutomaton()
    for number in list.ids.indices {
      let bytes = list.bytes[Int(list.starts[number])..<Int(list.starts[number + 1])]
      automaton.insert(bytes, Int32(list.ids[number]), replaces: true)
    }
    automaton.link()
    self.automaton = automaton
    scores = list.scores
    unknownScore = (list.scores.min() ?? .infinity) - 10
    byteTokens =
      try field["byte_fallback"].bool(default: false) ? vocabulary.byteTokens : []
  }

  private static func unknown(_ field: JSONField, count: Int) throws(HubError) -> Int32? {
    guard field.exists else { return nil }
    guard let id = field.value?.int, 0..<count ~= id else {
      throw field.error(expected: "an id below \(count)")
    }
    return Int32(id)
  }

  /// Buffers that one encoding uses for all its words.
  struct Scratch {
    /// By end: the best way to get there.
    fileprivate var paths: [Path] = []
    fileprivate var pieces: [WordToken] = []
  }

  /// The best sequence of tokens up to a place: its score, its last token, or -1 for an unknown one,
  /// and where that begins.
  fileprivate struct Path {
    var score = 0.0
    var start: Int32 = -1
    var token: Int32 = -1
  }

  func tokenize(
    _ word: UnsafeBufferPointer<UInt8>, _ scratch: inout Scratch, into tokens: inout [WordToken]
  ) throws(HubError) {
    try search(word, &scratch)
    // From the end back to the beginning; unknown neighbours become one.
    scratch.pieces.removeAll(keepingCapacity: true)
    var end = Int32(word.count)
    var wasUnknown = false
    while end > 0 {
      let path = scratch.paths[Int(end)]
      let id = path.token < 0 ? unknown ?? -1 : ids?[Int(path.token)] ?? path.token
      let isUnknown = ids == nil ? id == unknown : path.token < 0
      if isUnknown, wasUnknown {
        scratch.pieces[scratch.pieces.count - 1].start = path.start
      } else {
        scratch.pieces.append(WordToken(id: isUnknown ? -1 : id, start: path.start, end: end))
      }
      wasUnknown = isUnknown
      end = path.start
    }
    for piece in scratch.pieces.reversed() {
      if piece.id < 0 {
        appendUnknown(piece, word, into: &tokens)
      } else {
        tokens.append(piece)
      }
    }
  }

  /// Finds the best path to the end of each scalar (Viterbi).
  private func search(
    _ word: UnsafeBufferPointer<UInt8>, _ scratch: inout Scratch
  ) throws(HubError) {
    scratch.paths.removeAll(keepingCapacity: true)
    scratch.paths.reserveCapacity(word.count + 1)
    scratch.paths.append(Path())
    var state: Int32 = 0
    var scalarStart = 0
    for end in 1...word.count {
      state = automaton.step(state, word[end - 1])
      var best = Path()
      guard end == word.count || word[end] & 0xC0 != 0x80 else {
        scratch.paths.append(best)
        continue
      }
      // Of paths that score the same the one with the longest last token stays, the first to come.
      var isScalarKnown = false
      var token = automaton.token(state)
      while token >= 0 {
        let start = end - automaton.length(token)
        let score = sum(scores[Int(token)], scratch.paths[start].score)
        if best.start < 0 || score > best.score {
          best = Path(score: score, start: Int32(start), token: token)
        }
        if start == scalarStart { isScalarKnown = true }
        token = automaton.shorter(token)
      }
      if !isScalarKnown {
        let score = sum(unknownScore, scratch.paths[scalarStart].score)
        if best.start < 0 || score > best.score {
          guard unknown != nil else { throw missing }
          best = Path(score: score, start: Int32(scalarStart))
        }
      }
      scratch.paths.append(best)
      scalarStart = end
    }
  }

  @inline(__always)
  private func sum(_ left: Double, _ right: Double) -> Double {
    // The sum of two floats, rounded twice, is the float nearest to it.
    ids == nil ? left + right : Double(Float(left + right))
  }

  /// Writes unknown text as its bytes where there is a token for each of them.
  private func appendUnknown(
    _ piece: WordToken, _ word: UnsafeBufferPointer<UInt8>, into tokens: inout [WordToken]
  ) {
    let bytes = word[Int(piece.start)..<Int(piece.end)]
    if let id = vocabulary.id(of: Array(bytes)) {
      // Unknown text joined together can spell a token.
      tokens.append(WordToken(id: id, start: piece.start, end: piece.end))
    } else if !byteTokens.isEmpty, bytes.allSatisfy({ byteTokens[Int($0)] >= 0 }) {
      for byte in bytes {
        tokens.append(
          WordToken(id: byteTokens[Int(byte)], start: piece.start, end: piece.end))
      }
    } else {
      tokens.append(WordToken(id: unknown ?? -1, start: piece.start, end: piece.end))
    }
  }
}
