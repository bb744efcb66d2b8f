/// Text to ids and back, as Hugging Face's `tokenizers` does it from the same tokenizer.json.
///
/// A value without mutable state: any number of threads may use one tokenizer.
public struct Tokenizer: Sendable {
  private let file: String
  private let normalizer: Normalizer?
  private let preTokenizer: PreTokenizer?
  private let model: TokenModel
  private let postProcessor: PostProcessor?
  private let decoder: TokenDecoder?
  private let added: AddedTokens
  /// The tokens that ids stand for in what a model gives, where these are others.
  private let targets: Vocabulary?

  /// The truncation saved in the file; applied only when it is passed to `encode`.
  public let savedTruncation: Truncation?
  /// The padding saved in the file; never applied by itself.
  public let savedPadding: Padding?

  /// Reads a tokenizer.json.
  ///
  /// - Parameter bytes: the file's contents.
  /// - Parameter file: its name, for messages.
  /// - Throws: `HubError` naming the key that is wrong.
  public init(json bytes: [UInt8], file: String = "tokenizer.json") throws(HubError) {
    var options = JSON.Options()
    options.duplicates = .keepLast
    // Where the tables could be read by themselves, what is left takes no time; where anything is
    // wrong or unusual, the whole file is read and what is said is about the whole file.
    if let tables = ModelTables(bytes), let rest = try? JSON.parse(tables.rest, options: options),
      let tokenizer = try? Tokenizer(JSONField(rest, file: file), tables),
      !tokenizer.model.vocabulary.hasRepeats
    {
      self = tokenizer
      return
    }
    let json: JSON
    do throws(JSONError) {
      json = try JSON.parse(bytes, options: options)
    } catch {
      throw error.inFile(file)
    }
    try self.init(JSONField(json, file: file))
  }

  /// Reads the value of a tokenizer.json.
  public init(_ field: JSONField) throws(HubError) {
    try self.init(field, nil)
  }

  private init(_ field: JSONField, _ tables: ModelTables?) throws(HubError) {
    guard field.value?.object != nil else { throw field.error(expected: "an object") }
    guard try field["version"].string(default: "1.0") == "1.0" else {
      throw field["version"].error(expected: "\"1.0\"")
    }
    // Read by Burin only: a tokenizer.json has one vocabulary.
    let other = field["target_vocab"]
    try field.requireKeys(
      [
        "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
        "post_processor", "decoder", "model",
      ] + (other.exists ? ["target_vocab"] : []))
    file = field.file
    normalizer = try Normalizer(field["normalizer"])
    preTokenizer = try PreTokenizer(field["pre_tokenizer"])
    model = try TokenModel(field["model"], tables)
    postProcessor = try PostProcessor(field["post_processor"])
    decoder = try TokenDecoder(field["decoder"])
    added = try AddedTokens(
      field["added_tokens"], vocabulary: model.vocabulary, normalizer: normalizer)
    targets = other.exists ? try Vocabulary(TokenList(other), field: other) : nil
    savedTruncation = try Truncation(field["truncation"])
    savedPadding = try Padding(field["padding"])
  }

  // MARK: Vocabulary

  /// The id of a token's bytes, or nil.
  public func id(of token: ByteString) -> Int32? {
    added.id(of: token) ?? model.vocabulary.id(of: token.bytes)
  }

  /// The bytes of an id's token as the vocabulary writes them, or nil in a hole.
  public func token(of id: Int32) -> ByteString? {
    added.byID[id]?.content ?? model.vocabulary.token(id).map { ByteString(Array($0)) }
  }

  /// The bytes of the token that an id stands for in what a model gives.
  private func written(_ id: Int32) -> ByteString? {
    guard let targets, added.byID[id]?.isSpecial != true else { return token(of: id) }
    return targets.token(id).map { ByteString(Array($0)) }
  }

  /// Whether an id is a special token's, which decoding may leave out.
  public func isSpecial(_ id: Int32) -> Bool {
    token(of: id).map(added.isSpecial) ?? false
  }

  // MARK: Encoding

  /// Encodes a text or a pair of texts.
  ///
  /// - Parameter addSpecialTokens: whether the model's own tokens are put around it.
  /// - Parameter truncation: how to cut what is too long; nil keeps everything.
  /// - Throws: `HubError` when the text needs an unknown token and the vocabulary has none, or when
  ///   truncation leaves no room.
  public func encode(
    _ text: String, pair: String? = nil, addSpecialTokens: Bool = true,
    truncation: Truncation? = nil
  ) throws(HubError) -> Encoding {
    try encode(
      utf8: Array(text.utf8), pair: pair.map { Array($0.utf8) },
      addSpecialTokens: addSpecialTokens, truncation: truncation)
  }

  /// Encodes bytes; what is not UTF-8 is read as U+FFFD.
  public func encode(
    utf8 text: [UInt8], pair: [UInt8]? = nil, addSpecialTokens: Bool = true,
    truncation: Truncation? = nil
  ) throws(HubError) -> Encoding {
    var encodings = [try encodeText(text, typeID: 0)]
    if let pair { encodings.append(try encodeText(pair, typeID: 1)) }
    if let truncation {
      let reserved =
        addSpecialTokens ? postProcessor?.addedCount(isPair: pair != nil) ?? 0 : 0
      try truncation.cut(&encodings, reserved: reserved, file: file)
    }
    for index in encodings.indices {
      encodings[index].setSequence(index)
      for part in encodings[index].overflowing.indices {
        encodings[index].overflowing[part].setSequence(index)
      }
      encodings[index].setTypeIDs(Int32(index))
    }
    postProcessor?.apply(&encodings, addsSpecialTokens: addSpecialTokens)
    var result = Encoding()
    for (number, encoding) in encodings.enumerated() {
      if number == 0 { result = encoding } else { result.append(encoding) }
    }
    return result
  }

  /// Encodes one text without the model's own tokens.
  private func encodeText(_ text: [UInt8], typeID: Int32) throws(HubError) -> Encoding {
    guard text.count < 1 << 28 else {
      throw HubError(
        file: file, expected: "a text of less than 256 MiB", found: "\(text.count) bytes")
    }
    let original = UTF8Text.repaired(text)
    var words: PreTokenizedText
    do throws(RegexError) {
      words = try added.extract(from: original, normalizer: normalizer)
      try preTokenizer?.apply(&words)
    } catch {
      throw HubError(
        file: file, key: "pre_tokenizer", expected: error.message,
        found: "one that gave up on a text of \(original.count) bytes")
    }
    return try tokenize(words, ScalarOffsets(original), typeID: typeID)
  }

  /// Turns words into tokens, and their places into scalars of the original.
  private func tokenize(
    _ words: PreTokenizedText, _ offsets: ScalarOffsets, typeID: Int32
  ) throws(HubError) -> Encoding {
    let trims = postProcessor?.trimsOffsets ?? false
    let text = words.text
    var result = Encoding()
    var tokens: [WordToken] = []
    var scratch = TokenModel.Scratch()
    for (number, word) in words.pieces.enumerated() {
      let start = Int(word.start)
      let length = word.end - word.start
      tokens.removeAll(keepingCapacity: true)
      if word.token >= 0 {
        tokens.append(WordToken(id: word.token, start: 0, end: length))
      } else {
        let outcome: Result<Void, HubError> = text.bytes.withUnsafeBufferPointer { bytes in
          Result { () throws(HubError) in
            try model.tokenize(
              UnsafeBufferPointer(rebasing: bytes[start..<Int(word.end)]), &scratch, into: &tokens)
          }
        }
        try outcome.get()
      }
      for token in tokens {
        var span = ByteSpan(start: token.start, end: token.end)
        if token.start == token.end {
          // The original leaves an empty range as it is, relative to its word.
          span = ByteSpan(start: word.origin + token.start, end: word.origin + token.end)
        } else if token.end <= length {
          span = ByteSpan(
            start: text.spans[start + Int(token.start)].start,
            end: text.spans[start + Int(token.end) - 1].end)
        }
        result.ids.append(token.id)
        result.offsets.append(offsets.scalars(span))
        result.wordIDs.append(number)
        guard trims else { continue }
        let isText = word.token >= 0 || token.id == model.unknownOfText && token.end <= length
        let bytes =
          isText
          ? Array(text.bytes[(start + Int(token.start))..<(start + Int(token.end))])
          : model.vocabulary.token(token.id).map { Array($0) } ?? []
        let (leading, trailing) = Tokenizer.spaces(around: bytes)
        result.leadingSpaces.append(leading)
        result.trailingSpaces.append(trailing)
      }
    }
    let count = result.ids.count
    result.typeIDs = [Int32](repeating: typeID, count: count)
    result.sequenceIDs = [Int?](repeating: 0, count: count)
    result.specialTokensMask = [Int32](repeating: 0, count: count)
    result.attentionMask = [Int32](repeating: 1, count: count)
    if !trims {
      result.leadingSpaces = [Int32](repeating: 0, count: count)
      result.trailingSpaces = result.leadingSpaces
    }
    return result
  }

  /// How many scalars at either end of a token are spaces, as they are or as bytes are written.
  private static func spaces(around token: [UInt8]) -> (leading: Int32, trailing: Int32) {
    let tables = UnicodeTables.shared
    func isSpace(_ scalar: UInt32) -> Bool {
      ByteAlphabet.isSpace(scalar) || tables[scalar].contains(.space)
    }
    var leading: Int32 = 0
    var index = 0
    while index < token.count {
      let (scalar, length) = UTF8Text.decode(token, at: index)
      guard isSpace(scalar) else { break }
      leading += 1
      index += length
    }
    var trailing: Int32 = 0
    var end = token.count
    while end > 0 {
      let (scalar, length) = UTF8Text.decode(token, before: end)
      guard isSpace(scalar) else { break }
      trailing += 1
      end -= length
    }
    return (leading, trailing)
  }

  // MARK: Decoding

  /// The text of some ids; ids without a token are left out.
  ///
  /// - Parameter skipSpecialTokens: whether special tokens are left out.
  /// - Throws: `HubError` when a pattern of the decoder gives up.
  public func decode(_ ids: [Int32], skipSpecialTokens: Bool = true) throws(HubError) -> String {
    var tokens: [[UInt8]] = []
    tokens.reserveCapacity(ids.count)
    for id in ids {
      guard let token = written(id) else { continue }
      if skipSpecialTokens, added.isSpecial(token) { continue }
      tokens.append(token.bytes)
    }
    guard let decoder else {
      return String(decoding: Array(tokens.joined(separator: [0x20])), as: UTF8.self)
    }
    do throws(RegexError) {
      return String(decoding: Array(try decoder.apply(tokens).joined()), as: UTF8.self)
    } catch {
      throw HubError(
        file: file, key: "decoder", expected: error.message, found: "one that gave up")
    }
  }

  /// Text without the spaces before punctuation and in English contractions; what transformers
  /// does after decoding where `clean_up_tokenization_spaces` says so.
  public static func cleanUpSpaces(_ text: String) -> String {
    String(
      decoding: TokenDecoder.cleanUp(Array(text.utf8), contracts: false), as: UTF8.self)
  }
}

/// From bytes of a text to its Unicode scalars.
private struct ScalarOffsets {
  private let count: Int
  /// The number of the scalar that each byte is part of; empty for ASCII.
  private var numbers: [Int32] = []

  init(_ text: [UInt8]) {
    count = text.count
    guard text.contains(where: { $0 >= 0x80 }) else { return }
    numbers.reserveCapacity(count)
    var number: Int32 = -1
    for byte in text {
      if byte & 0xC0 != 0x80 { number += 1 }
      numbers.append(number)
    }
  }

  private func number(_ byte: Int) -> Int { numbers.isEmpty ? byte : Int(numbers[byte]) }

  /// A span in scalars; one that begins after the text stays as it is.
  func scalars(_ span: ByteSpan) -> Encoding.Span {
    let start = Int(span.start)
    let end = Int(span.end)
    guard 0..<count ~= start else { return Encoding.Span(start: start, end: end) }
    let first = number(start)
    if 0..<count ~= end { return Encoding.Span(start: first, end: number(end)) }
    let last = 0..<count ~= end - 1 ? number(end - 1) : first + 1
    return Encoding.Span(start: first, end: last + 1)
  }
}
