/// What a SentencePiece model file holds of use here: its pieces, and how it rewrites text.
struct SentencePieceModel {
  /// How the pieces of a text are chosen.
  enum Algorithm: UInt64 {
    case unigram = 1
    case bpe = 2
    case word = 3
    case character = 4
  }

  /// What a piece is for.
  enum Kind: UInt64 {
    case normal = 1
    case unknown = 2
    case control = 3
    case userDefined = 4
    case unused = 5
    case byte = 6
  }

  /// A piece, whose id is its place.
  struct Piece {
    var text = ByteString([])
    /// The logarithm of its probability, or its rank, negative, when pairs are merged.
    var score: Double = 0
    var kind = Kind.normal
  }

  /// The file, for messages.
  let file: String
  private(set) var pieces: [Piece] = []
  private(set) var algorithm = Algorithm.unigram
  private(set) var unknownID = 0
  private(set) var unknownPiece: ByteString = "<unk>"
  /// The character map as a normalizer of tokenizer.json holds it, before Base64; may be empty.
  private(set) var characterMap: [UInt8] = []
  private(set) var addsDummyPrefix = true
  private(set) var removesExtraSpaces = true
  private(set) var escapesSpaces = true

  /// Reads a file, a message of protocol buffers whose unknown fields are passed over.
  ///
  /// - Throws: `HubError` that names the byte at which the file is not such a message.
  init(_ bytes: [UInt8], file: String) throws(HubError) {
    self.file = file
    var reader = ProtobufReader(bytes[...], file: file)
    while let (number, value) = try reader.next() {
      switch number {
      case 1: pieces.append(try piece(try reader.message(value)))
      case 2: try readTrainer(try reader.message(value))
      case 3: try readNormalizer(try reader.message(value))
      default: break
      }
    }
    guard !pieces.isEmpty else {
      throw HubError(file: file, expected: "a SentencePiece model", found: "no pieces")
    }
    guard pieces.indices ~= unknownID else {
      throw HubError(
        file: file, key: "trainer_spec.unk_id", expected: "an id below \(pieces.count)",
        found: "\(unknownID)")
    }
  }

  private func piece(_ message: ProtobufReader) throws(HubError) -> Piece {
    var reader = message
    var piece = Piece()
    while let (number, value) = try reader.next() {
      switch (number, value) {
      case (1, _): piece.text = try reader.string(value)
      case (2, .fixed32(let bits)): piece.score = Double(Float(bitPattern: bits))
      case (3, .varint(let kind)):
        guard let kind = Kind(rawValue: kind) else {
          throw reader.error("the type of a piece", "\(kind)")
        }
        piece.kind = kind
      default: break
      }
    }
    guard piece.score.isFinite else {
      throw HubError(
        file: file, key: "pieces[\(pieces.count)].score", expected: "a finite number",
        found: "\(piece.score)")
    }
    return piece
  }

  private mutating func readTrainer(_ message: ProtobufReader) throws(HubError) {
    var reader = message
    while let (number, value) = try reader.next() {
      switch (number, value) {
      case (3, .varint(let type)):
        guard let type = Algorithm(rawValue: type) else {
          throw reader.error("a model type", "\(type)")
        }
        algorithm = type
      case (40, .varint(let id)): unknownID = Int(truncatingIfNeeded: id)
      case (45, _): unknownPiece = try reader.string(value)
      default: break
      }
    }
  }

  private mutating func readNormalizer(_ message: ProtobufReader) throws(HubError) {
    var reader = message
    while let (number, value) = try reader.next() {
      switch (number, value) {
      case (2, .bytes(let bytes)): characterMap = Array(bytes)
      case (3, .varint(let flag)): addsDummyPrefix = flag != 0
      case (4, .varint(let flag)): removesExtraSpaces = flag != 0
      case (5, .varint(let flag)): escapesSpaces = flag != 0
      default: break
      }
    }
  }
}

/// Reads the fields of a message of protocol buffers, never beyond its end.
private struct ProtobufReader {
  enum Value {
    case varint(UInt64)
    case fixed32(UInt32)
    case fixed64
    case bytes(ArraySlice<UInt8>)
  }

  private var rest: ArraySlice<UInt8>
  private let file: String

  init(_ bytes: ArraySlice<UInt8>, file: String) {
    rest = bytes
    self.file = file
  }

  func error(_ expected: String, _ found: String) -> HubError {
    HubError(file: file, key: "byte \(rest.startIndex)", expected: expected, found: found)
  }

  /// The number and value of the next field, or nil at the end.
  mutating func next() throws(HubError) -> (Int, Value)? {
    guard !rest.isEmpty else { return nil }
    let tag = try varint()
    guard tag >> 3 > 0, tag >> 3 < 1 << 29 else { throw error("a field's number", "\(tag >> 3)") }
    let value: Value
    switch tag & 7 {
    case 0: value = .varint(try varint())
    case 1:
      _ = try take(8)
      value = .fixed64
    case 2: value = .bytes(try take(try varint()))
    case 5:
      value = .fixed32(
        try take(4).reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) })
    default: throw error("a field of a SentencePiece model", "wire type \(tag & 7)")
    }
    return (Int(tag >> 3), value)
  }

  /// The message that a field holds.
  func message(_ value: Value) throws(HubError) -> ProtobufReader {
    guard case .bytes(let bytes) = value else { throw error("a message", "a number") }
    return ProtobufReader(bytes, file: file)
  }

  /// The string that a field holds.
  func string(_ value: Value) throws(HubError) -> ByteString {
    guard case .bytes(let bytes) = value, UTF8Text.isValid(Array(bytes)) else {
      throw error("a string in UTF-8", "something else")
    }
    return ByteString(Array(bytes))
  }

  private mutating func varint() throws(HubError) -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 64, by: 7) {
      guard let byte = rest.popFirst() else { throw error("a number", "the end") }
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    throw error("a number of at most 10 bytes", "a longer one")
  }

  private mutating func take(_ count: UInt64) throws(HubError) -> ArraySlice<UInt8> {
    guard count <= UInt64(rest.count) else {
      throw error("\(count) more bytes", "\(rest.count)")
    }
    let bytes = rest.prefix(Int(count))
    rest = rest.dropFirst(Int(count))
    return bytes
  }
}
