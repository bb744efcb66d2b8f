/// The most probable sequence of tokens, each with a probability of its own (Kudo, 2018).
struct Unigram: Sendable {
  let vocabulary: Vocabulary
  private let automaton: TokenAutomaton
  /// The logarithm of each token's probability, by id.
  private let scores: [Double]
  /// The score of a scalar that is no token: below that of every token.
  private let unknownScore: Double
  private let unknown: Int32?
  /// Said where an unknown token is wanted and there is none.
  private let missing: HubError
  /// Ids of `<0x00>` to `<0xFF>`, empty without byte fallback; -1 for those that are missing.
  private let byteTokens: [Int32]

  /// Reads the model, whose tokens have been read.
  init(_ field: JSONField, _ list: TokenList, _ vocabulary: Vocabulary) throws(HubError) {
    self.vocabulary = vocabulary
    guard list.bytes.count < TokenAutomaton.limit else {
      throw HubError(
        file: field.file, key: field["vocab"].path, expected: "tokens of less than 16 MiB",
        found: "\(list.bytes.count) bytes")
    }
    let unknownField = field["unk_id"]
    if unknownField.exists {
      guard let id = unknownField.value?.int, 0..<list.ids.count ~= id else {
        throw unknownField.error(expected: "an id below \(list.ids.count)")
      }
      unknown = Int32(id)
    } else {
      unknown = nil
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

  /// Buffers that one encoding uses for all its words.
  struct Scratch {
    /// By end: the best way to get there.
    fileprivate var paths: [Path] = []
    fileprivate var pieces: [WordToken] = []
  }

  /// The best sequence of tokens up to a place: its score, its last token and where that begins.
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
    while end > 0 {
      let path = scratch.paths[Int(end)]
      if path.token == unknown, scratch.pieces.last?.id == unknown, !scratch.pieces.isEmpty {
        scratch.pieces[scratch.pieces.count - 1].start = path.start
      } else {
        scratch.pieces.append(WordToken(id: path.token, start: path.start, end: end))
      }
      end = path.start
    }
    for piece in scratch.pieces.reversed() {
      if piece.id == unknown {
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
        let score = scores[Int(token)] + scratch.paths[start].score
        if best.start < 0 || score > best.score {
          best = Path(score: score, start: Int32(start), token: token)
        }
        if start == scalarStart { isScalarKnown = true }
        token = automaton.shorter(token)
      }
      if !isScalarKnown {
        let score = unknownScore + scratch.paths[scalarStart].score
        if best.start < 0 || score > best.score {
          guard let unknown else { throw missing }
          best = Path(score: score, start: Int32(scalarStart), token: unknown)
        }
      }
      scratch.paths.append(best)
      scalarStart = end
    }
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
      tokens.append(piece)
    }
  }
}
