/// A token of a word: its id and its bytes within the word.
struct WordToken {
  var id: Int32
  var start: Int32
  var end: Int32
}

/// The part of a tokenizer that turns words into tokens; `model` of tokenizer.json.
enum TokenModel: Sendable {
  case wordPiece(WordPiece)
  case bpe(BPE)
  case wordLevel(WordLevel)
  case unigram(Unigram)

  /// The keys of each type besides `type` and `vocab`.
  private static let keys: [ByteString: [ByteString]] = [
    "BPE": [
      "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
      "byte_fallback", "ignore_merges", "merges",
    ], "Unigram": ["unk_id", "byte_fallback"],
    "WordPiece": ["unk_token", "continuing_subword_prefix", "max_input_chars_per_word"],
    "WordLevel": ["unk_token"],
  ]

  /// Reads a model; files from before models had a type are told apart by their keys.
  init(_ field: JSONField, _ tables: ModelTables?) throws(HubError) {
    var type = try field["type"].string(default: "")
    if type.isEmpty {
      if field["merges"].exists {
        type = "BPE"
      } else if field["max_input_chars_per_word"].exists {
        type = "WordPiece"
      } else if field["unk_token"].exists {
        type = "WordLevel"
      } else if field["vocab"].value?.array != nil {
        type = "Unigram"
      }
    }
    guard ["WordPiece", "BPE", "WordLevel", "Unigram"].contains(type) else {
      throw field["type"].error(expected: "BPE, Unigram, WordLevel or WordPiece")
    }
    let idKeys: [ByteString] = field["ids"].exists && type == "Unigram" ? ["ids", "unk_token"] : []
    try field.requireKeys(["type", "vocab"] + (TokenModel.keys[type] ?? []) + idKeys)
    let isUnigram = type == "Unigram"
    let tokens: TokenList
    if let tables, isUnigram == tables.tokens.hasScores {
      tokens = tables.tokens
    } else if isUnigram {
      tokens = try TokenList(scored: field["vocab"])
    } else {
      tokens = try TokenList(field["vocab"])
    }
    let vocabulary = try Vocabulary(tokens, field: field["vocab"])
    switch type {
    case "WordPiece": self = .wordPiece(try WordPiece(field, vocabulary))
    case "Unigram": self = .unigram(try Unigram(field, tokens, vocabulary))
    case "BPE": self = .bpe(try BPE(field, vocabulary, tables?.merges))
    default: self = .wordLevel(try WordLevel(field, vocabulary))
    }
  }

  /// Buffers that one encoding uses for all its words.
  struct Scratch {
    fileprivate var bpe = BPE.Scratch()
    fileprivate var unigram = Unigram.Scratch()
  }

  /// The tokens and their ids.
  var vocabulary: Vocabulary {
    switch self {
    case .wordPiece(let model): model.vocabulary
    case .bpe(let model): model.vocabulary
    case .wordLevel(let model): model.vocabulary
    case .unigram(let model): model.vocabulary
    }
  }

  /// The token that keeps the text that it stands for, whose spaces its span may leave out: Unigram's
  /// unknown one.
  var unknownOfText: Int32? {
    if case .unigram(let model) = self { model.unknown } else { nil }
  }

  /// Appends the tokens of a word, which is not empty.
  func tokenize(
    _ word: UnsafeBufferPointer<UInt8>, _ scratch: inout Scratch, into tokens: inout [WordToken]
  ) throws(HubError) {
    switch self {
    case .wordPiece(let model): try model.tokenize(word, into: &tokens)
    case .bpe(let model): try model.tokenize(word, &scratch.bpe, into: &tokens)
    case .wordLevel(let model): try model.tokenize(word, into: &tokens)
    case .unigram(let model): try model.tokenize(word, &scratch.unigram, into: &tokens)
    }
  }
}

/// The token for what a vocabulary does not hold; wanting it where it is missing is an error.
struct UnknownToken: Sendable {
  private let id: Int32?
  private let error: HubError

  init(_ token: ByteString, _ vocabulary: Vocabulary, field: JSONField) {
    id = vocabulary.id(of: token.bytes)
    error = HubError(
      file: field.file, key: field.path, expected: "a token of the vocabulary",
      found: "\(token), wanted for text that has no other")
  }

  func required() throws(HubError) -> Int32 {
    guard let id else { throw error }
    return id
  }
}

/// A word is a token, or it is unknown.
struct WordLevel: Sendable {
  let vocabulary: Vocabulary
  private let unknown: UnknownToken

  fileprivate init(_ field: JSONField, _ vocabulary: Vocabulary) throws(HubError) {
    self.vocabulary = vocabulary
    unknown = UnknownToken(
      try field["unk_token"].string(), vocabulary, field: field["unk_token"])
  }

  fileprivate func tokenize(
    _ word: UnsafeBufferPointer<UInt8>, into tokens: inout [WordToken]
  ) throws(HubError) {
    guard let base = word.baseAddress else { return }
    var hash = vocabulary.emptyHash
    for byte in word { hash.combine(byte) }
    var id = vocabulary.find(base, word.count, hash)
    if id < 0 { id = try unknown.required() }
    tokens.append(WordToken(id: id, start: 0, end: Int32(word.count)))
  }
}

/// The longest token first, then the longest continuation, until the word is used up (BERT).
struct WordPiece: Sendable {
  let vocabulary: Vocabulary
  private let unknown: UnknownToken
  private let prefix: [UInt8]
  private let maximum: Int
  private let prefixHash: Vocabulary.Hash

  fileprivate init(_ field: JSONField, _ vocabulary: Vocabulary) throws(HubError) {
    self.vocabulary = vocabulary
    unknown = UnknownToken(
      try field["unk_token"].string(), vocabulary, field: field["unk_token"])
    prefix = try field["continuing_subword_prefix"].string().bytes
    maximum = try field["max_input_chars_per_word"].int(in: 0...Int.max)
    var hash = vocabulary.emptyHash
    for byte in prefix { hash.combine(byte) }
    prefixHash = hash
  }

  fileprivate func tokenize(
    _ word: UnsafeBufferPointer<UInt8>, into tokens: inout [WordToken]
  ) throws(HubError) {
    guard let base = word.baseAddress else { return }
    let before = tokens.count
    var isKnown = true
    if word.count > maximum {
      var scalars = 0
      for byte in word where byte & 0xC0 != 0x80 { scalars += 1 }
      isKnown = scalars <= maximum
    }
    var start = 0
    // The hashes of the prefixes of what is left, at most as many as the longest token has bytes.
    prefix.withUnsafeBufferPointer { prefix in
      withUnsafeTemporaryAllocation(
        of: Vocabulary.Hash.self, capacity: min(word.count, vocabulary.longest) + 1
      ) { hashes in
        while isKnown, start < word.count {
          let most = min(word.count - start, vocabulary.longest)
          var hash = start > 0 ? prefixHash : vocabulary.emptyHash
          for length in 0..<most {
            hash.combine(base[start + length])
            hashes[length] = hash
          }
          var length = most
          var id: Int32 = -1
          while length > 0 {
            let end = start + length
            if end == word.count || base[end] & 0xC0 != 0x80 {
              id =
                start > 0
                ? vocabulary.find(
                  prefix: prefix, base + start, length, hashes[length - 1])
                : vocabulary.find(base, length, hashes[length - 1])
              if id >= 0 { break }
            }
            length -= 1
          }
          isKnown = id >= 0
          if isKnown {
            tokens.append(
              WordToken(id: id, start: Int32(start), end: Int32(start + length)))
            start += length
          }
        }
      }
    }
    if !isKnown {
      tokens.removeSubrange(before...)
      tokens.append(
        WordToken(id: try unknown.required(), start: 0, end: Int32(word.count)))
    }
  }
}
