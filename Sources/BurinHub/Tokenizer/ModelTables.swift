/// The tokens of a model in one buffer.
struct TokenList {
  /// The tokens' bytes, one after the other.
  var bytes: [UInt8] = []
  /// Where each token begins, and where the last one ends.
  var starts: [UInt32] = [0]
  /// The tokens' ids.
  var ids: [Int] = []
  /// The logarithms of the tokens' probabilities, empty where they have none.
  var scores: [Double] = []

  /// Whether the tokens came with scores.
  var hasScores: Bool { scores.count == ids.count }

  /// Adds a token whose bytes have been appended to `bytes`.
  mutating func endToken(id: Int) {
    starts.append(UInt32(truncatingIfNeeded: bytes.count))
    ids.append(id)
  }

  /// A token, for messages.
  func token(_ number: Int) -> ByteString {
    ByteString(Array(bytes[Int(starts[number])..<Int(starts[number + 1])]))
  }

  /// No tokens yet.
  init() {}

  /// Reads an object of tokens and ids.
  init(_ field: JSONField) throws(HubError) {
    guard let object = field.value?.object else {
      throw field.error(expected: "an object of tokens and ids")
    }
    ids.reserveCapacity(object.count)
    starts.reserveCapacity(object.count + 1)
    for member in object {
      guard let id = member.value.int, id < Int(Int32.max) else {
        throw field[member.key].error(expected: "an id")
      }
      bytes += member.key.bytes
      endToken(id: id)
    }
  }
}

extension TokenList {
  /// Reads an array of tokens and scores, the ids in order.
  init(scored field: JSONField) throws(HubError) {
    guard let elements = field.value?.array else {
      throw field.error(expected: "an array of tokens and scores")
    }
    for (number, element) in elements.enumerated() {
      guard let pair = element.array, pair.count == 2, let token = pair[0].string,
        let score = pair[1].double, score.isFinite
      else { throw field[number].error(expected: "a token and its score") }
      bytes += token.bytes
      scores.append(score)
      endToken(id: number)
    }
  }
}

/// The merges of a model in one buffer.
struct MergeList {
  /// The bytes of each pair's left and right token.
  var bytes: [UInt8] = []
  /// For each merge where its left and right tokens end.
  var ends: [(left: UInt32, right: UInt32)] = []

  /// No merges yet.
  init() {}

  /// Adds a pair of tokens written `a b`, appended to `bytes` from `start` on; false when that is
  /// not what stands there. A line that says the version is left out.
  mutating func endLine(from start: Int) -> Bool {
    let line = bytes[start...]
    if line.starts(with: "#version".utf8) {
      bytes.removeSubrange(start...)
      return true
    }
    guard let space = line.firstIndex(of: 0x20), !line[(space + 1)...].contains(0x20) else {
      return false
    }
    bytes.remove(at: space)
    endPair(left: space)
    return true
  }

  /// Adds a pair whose bytes have been appended, the left token's up to `left`.
  mutating func endPair(left: Int) {
    ends.append((UInt32(truncatingIfNeeded: left), UInt32(truncatingIfNeeded: bytes.count)))
  }

  /// Reads merges in either form, `"a b"` or `["a", "b"]`.
  init(_ field: JSONField) throws(HubError) {
    guard let elements = field.value?.array else {
      throw field.error(expected: "an array of merges")
    }
    ends.reserveCapacity(elements.count)
    for (number, element) in elements.enumerated() {
      let start = bytes.count
      switch element {
      case .string(let line):
        bytes += line.bytes
        guard endLine(from: start) else {
          throw field[number].error(expected: "two tokens and one space")
        }
      case .array(let parts):
        guard parts.count == 2, let left = parts[0].string, let right = parts[1].string else {
          throw field[number].error(expected: "two tokens")
        }
        bytes += left.bytes
        let end = bytes.count
        bytes += right.bytes
        endPair(left: end)
      default: throw field[number].error(expected: "two tokens")
      }
    }
  }
}

/// The tables of a tokenizer.json read without building a value for each of their strings, which
/// would take most of the time that loading takes.
struct ModelTables {
  /// `model.vocab`.
  var tokens: TokenList
  /// `model.merges`, or nil where there are none.
  var merges: MergeList?
  /// The file with both tables emptied.
  var rest: [UInt8]

  /// Reads a file, or gives up: on anything unusual the general reader has the last word.
  init?(_ file: [UInt8]) {
    let tables: ModelTables? = file.withUnsafeBytes { bytes in
      var scanner = TableScanner(bytes)
      guard scanner.scanFile(), let tokens = scanner.tokens else { return nil }
      var rest: [UInt8] = []
      var end = 0
      for (range, replacement) in scanner.cuts {
        rest += bytes[end..<range.lowerBound]
        rest += Array(replacement.utf8)
        end = range.upperBound
      }
      rest += bytes[end...]
      return ModelTables(tokens: tokens, merges: scanner.merges, rest: rest)
    }
    guard let tables else { return nil }
    self = tables
  }

  private init(tokens: TokenList, merges: MergeList?, rest: [UInt8]) {
    self.tokens = tokens
    self.merges = merges
    self.rest = rest
  }
}

/// Finds and reads the two tables; every method is false where it finds something else.
private struct TableScanner {
  private let bytes: UnsafeRawBufferPointer
  private var position = 0

  private(set) var tokens: TokenList?
  private(set) var merges: MergeList?
  /// What is cut out of the file, and what stands there instead.
  private(set) var cuts: [(Range<Int>, String)] = []

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  mutating func scanFile() -> Bool {
    scanMembers { scanner, key in
      key == "model" && scanner.peek == UInt8(ascii: "{")
        ? scanner.scanModel() : scanner.skipValue()
    }
  }

  private mutating func scanModel() -> Bool {
    scanMembers { scanner, key in
      let start = scanner.position
      switch key {
      case "vocab":
        let isArray = scanner.peek == UInt8(ascii: "[")
        guard scanner.tokens == nil,
          isArray ? scanner.scanScores() : scanner.scanVocabulary()
        else { return false }
        scanner.cuts.append((start..<scanner.position, isArray ? "[]" : "{}"))
        return true
      case "merges":
        guard scanner.merges == nil, scanner.scanMerges() else { return false }
        scanner.cuts.append((start..<scanner.position, "[]"))
        return true
      default: return scanner.skipValue()
      }
    }
  }

  /// An object; `value` is called at each value with the key.
  private mutating func scanMembers(
    _ value: (inout TableScanner, ByteString) -> Bool
  ) -> Bool {
    guard take(UInt8(ascii: "{")) else { return false }
    if take(UInt8(ascii: "}")) { return true }
    repeat {
      var key = ByteString([])
      guard skipTo(UInt8(ascii: "\"")), scanString(into: &key.bytes), take(UInt8(ascii: ":"))
      else { return false }
      skipSpace()
      guard value(&self, key) else { return false }
    } while take(UInt8(ascii: ","))
    return take(UInt8(ascii: "}"))
  }

  private mutating func scanVocabulary() -> Bool {
    var list = TokenList()
    guard take(UInt8(ascii: "{")) else { return false }
    list.bytes.reserveCapacity((bytes.count - position) / 2)
    repeat {
      guard skipTo(UInt8(ascii: "\"")), scanString(into: &list.bytes), take(UInt8(ascii: ":"))
      else { return false }
      skipSpace()
      var id = 0
      let start = position
      while position < bytes.count, 48...57 ~= bytes[position], id < 1 << 32 {
        id = id * 10 + Int(bytes[position] - 48)
        position += 1
      }
      guard position > start, id < Int(Int32.max) else { return false }
      if bytes[start] == 48, position > start + 1 { return false }
      list.endToken(id: id)
    } while take(UInt8(ascii: ","))
    tokens = list
    return take(UInt8(ascii: "}"))
  }

  private mutating func scanScores() -> Bool {
    var list = TokenList()
    guard take(UInt8(ascii: "[")) else { return false }
    repeat {
      guard take(UInt8(ascii: "[")), skipTo(UInt8(ascii: "\"")), scanString(into: &list.bytes),
        take(UInt8(ascii: ","))
      else { return false }
      skipSpace()
      let start = position
      while position < bytes.count, bytes[position] != UInt8(ascii: "]"), position - start < 40 {
        position += 1
      }
      // Anything but plain decimals, which Swift reads as JSON does, is left to the general reader.
      let text = bytes[start..<position]
      guard let first = text.first, first == UInt8(ascii: "-") || 48...57 ~= first,
        text.allSatisfy({ 45...46 ~= $0 || 48...57 ~= $0 || $0 == 0x65 }),
        let score = Double(String(decoding: text, as: UTF8.self)), score.isFinite,
        take(UInt8(ascii: "]"))
      else { return false }
      list.scores.append(score)
      list.endToken(id: list.ids.count)
    } while take(UInt8(ascii: ","))
    tokens = list
    return take(UInt8(ascii: "]"))
  }

  private mutating func scanMerges() -> Bool {
    var list = MergeList()
    guard take(UInt8(ascii: "[")) else { return false }
    list.bytes.reserveCapacity((bytes.count - position) / 2)
    if take(UInt8(ascii: "]")) {
      merges = list
      return true
    }
    repeat {
      let start = list.bytes.count
      if take(UInt8(ascii: "[")) {
        guard skipTo(UInt8(ascii: "\"")), scanString(into: &list.bytes) else { return false }
        let left = list.bytes.count
        guard take(UInt8(ascii: ",")), skipTo(UInt8(ascii: "\"")),
          scanString(into: &list.bytes), take(UInt8(ascii: "]"))
        else { return false }
        list.endPair(left: left)
      } else {
        guard skipTo(UInt8(ascii: "\"")), scanString(into: &list.bytes),
          list.endLine(from: start)
        else { return false }
      }
    } while take(UInt8(ascii: ","))
    merges = list
    return take(UInt8(ascii: "]"))
  }

  // MARK: Values

  /// A string that begins here, its bytes appended; escapes other than the common ones are not
  /// read.
  private mutating func scanString(into result: inout [UInt8]) -> Bool {
    position += 1
    while true {
      let start = position
      while position < bytes.count, bytes[position] != UInt8(ascii: "\""),
        bytes[position] != UInt8(ascii: "\\"), bytes[position] >= 0x20
      {
        if bytes[position] < 0x80 {
          position += 1
        } else {
          let length = utf8Length(bytes, at: position)
          if length == 0 { return false }
          position += length
        }
      }
      guard position < bytes.count else { return false }
      result.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[start..<position]))
      let byte = bytes[position]
      position += 1
      if byte == UInt8(ascii: "\"") { return true }
      guard byte == UInt8(ascii: "\\"), position < bytes.count else { return false }
      switch bytes[position] {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"):
        result.append(bytes[position])
      case UInt8(ascii: "n"): result.append(10)
      case UInt8(ascii: "r"): result.append(13)
      case UInt8(ascii: "t"): result.append(9)
      case UInt8(ascii: "u"):
        guard let code = scanHexadecimal(), !(0xD800..<0xE000 ~= code) else { return false }
        appendUTF8(code, to: &result)
      default: return false
      }
      position += 1
    }
  }

  /// The four digits after a `u`, ending on the last.
  private mutating func scanHexadecimal() -> UInt32? {
    guard position + 4 < bytes.count else { return nil }
    var code: UInt32 = 0
    for _ in 0..<4 {
      position += 1
      switch bytes[position] {
      case 48...57: code = code << 4 | UInt32(bytes[position] - 48)
      case 65...70: code = code << 4 | UInt32(bytes[position] - 55)
      case 97...102: code = code << 4 | UInt32(bytes[position] - 87)
      default: return nil
      }
    }
    return code
  }

  /// Passes a value by its brackets; what is wrong inside the general reader will find.
  private mutating func skipValue() -> Bool {
    var depth = 0
    while position < bytes.count {
      switch bytes[position] {
      case UInt8(ascii: "\""):
        position += 1
        while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
          position += bytes[position] == UInt8(ascii: "\\") ? 2 : 1
        }
      case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        if depth == 0 { return true }
        depth -= 1
      case UInt8(ascii: ","):
        if depth == 0 { return true }
      default: break
      }
      position += 1
    }
    return false
  }

  private var peek: UInt8 { position < bytes.count ? bytes[position] : 0 }

  @inline(__always)
  private mutating func skipSpace() {
    while position < bytes.count {
      let byte = bytes[position]
      guard byte == 0x20 || byte == 10 || byte == 13 || byte == 9 else { return }
      position += 1
    }
  }

  /// Passes white space up to a byte, without taking it.
  @inline(__always)
  private mutating func skipTo(_ byte: UInt8) -> Bool {
    skipSpace()
    return position < bytes.count && bytes[position] == byte
  }

  /// Takes a byte, and white space before it; takes nothing when another one stands there.
  @inline(__always)
  private mutating func take(_ byte: UInt8) -> Bool {
    guard skipTo(byte) else { return false }
    position += 1
    return true
  }
}
