/// How text that is too long is cut.
public struct Truncation: Sendable, Hashable {
  /// Which text of a pair is cut.
  public enum Strategy: Sendable, Hashable {
    /// The longer one first.
    case longestFirst
    /// The first one only.
    case onlyFirst
    /// The second one only.
    case onlySecond
  }

  /// Which end is cut off.
  public enum Side: Sendable, Hashable {
    /// The beginning.
    case left
    /// The end.
    case right
  }

  /// How many tokens are kept, added ones included.
  public var maxLength: Int
  /// Which text of a pair is cut.
  public var strategy: Strategy
  /// Which end is cut off.
  public var side: Side
  /// By how many tokens the pieces of `Encoding.overflowing` overlap.
  public var stride: Int

  /// Truncation to `maxLength` tokens.
  public init(
    maxLength: Int, strategy: Strategy = .longestFirst, side: Side = .right, stride: Int = 0
  ) {
    self.maxLength = maxLength
    self.strategy = strategy
    self.side = side
    self.stride = stride
  }
}

/// How text that is too short is filled up.
public struct Padding: Sendable, Hashable {
  /// The padding token's id.
  public var id: Int32
  /// The padding's type id.
  public var typeID: Int32
  /// At which end padding stands.
  public var side: Truncation.Side
  /// The length to pad to, or nil for the longest of a batch.
  public var length: Int?
  /// What the length is rounded up to a multiple of.
  public var multiple: Int?

  /// Padding with a token.
  public init(
    id: Int32, typeID: Int32 = 0, side: Truncation.Side = .right, length: Int? = nil,
    multiple: Int? = nil
  ) {
    self.id = id
    self.typeID = typeID
    self.side = side
    self.length = length
    self.multiple = multiple
  }
}

extension Truncation {
  /// Cuts the encodings of a text or of a pair.
  ///
  /// - Parameter reserved: how many tokens are added to them afterwards.
  /// - Throws: `HubError` where there is no room, or nothing of what should be cut.
  func cut(
    _ encodings: inout [Encoding], reserved: Int, file: String
  ) throws(HubError) {
    func fail(_ expected: String, _ found: String) -> HubError {
      HubError(file: file, key: "truncation", expected: expected, found: found)
    }
    guard maxLength >= reserved else { throw fail("at least \(reserved) tokens", "\(maxLength)") }
    let lengths = try lengths(of: encodings.map(\.count), within: maxLength - reserved, fail)
    for (index, length) in lengths.enumerated() where length < encodings[index].count {
      guard length == 0 || 0..<length ~= stride else {
        throw fail("a stride below \(length)", "\(stride)")
      }
      encodings[index].truncate(to: length, stride: stride, side: side)
    }
  }

  /// How many tokens of each text are kept.
  private func lengths(
    of lengths: [Int], within maximum: Int, _ fail: (String, String) -> HubError
  ) throws(HubError) -> [Int] {
    let excess = lengths.reduce(0, +) - maximum
    if excess <= 0 { return lengths }
    if maximum == 0 { return lengths.map { _ in 0 } }
    if strategy != .longestFirst {
      let target = strategy == .onlyFirst ? 0 : 1
      guard target < lengths.count else { throw fail("a second text", "none") }
      guard lengths[target] > excess else {
        throw fail("a text long enough to be cut by \(excess) tokens", "\(lengths[target])")
      }
      var lengths = lengths
      lengths[target] -= excess
      return lengths
    }
    if lengths.count == 1 { return [maximum] }
    let shorter = min(lengths[0], lengths[1])
    var kept = [shorter, shorter > maximum ? shorter : max(shorter, maximum - shorter)]
    if kept[0] + kept[1] > maximum { kept = [maximum / 2, maximum / 2 + maximum % 2] }
    return lengths[0] > lengths[1] ? kept.reversed() : kept
  }
}

extension Truncation {
  /// Reads `truncation` of tokenizer.json; nil when the place is empty.
  init?(_ field: JSONField) throws(HubError) {
    guard field.exists else { return nil }
    self.init(maxLength: try field["max_length"].int(in: 0...Int(Int32.max)))
    switch try field["strategy"].string(oneOf: ["LongestFirst", "OnlyFirst", "OnlySecond"]) {
    case "OnlyFirst": strategy = .onlyFirst
    case "OnlySecond": strategy = .onlySecond
    default: strategy = .longestFirst
    }
    stride = try field["stride"].int(in: 0...Int(Int32.max))
    side = try Side(field["direction"])
  }
}

extension Truncation.Side {
  fileprivate init(_ field: JSONField) throws(HubError) {
    guard field.exists else {
      self = .right
      return
    }
    self = try field.string(oneOf: ["Left", "Right"]) == "Left" ? .left : .right
  }
}

extension Padding {
  /// Reads `padding` of tokenizer.json; nil when the place is empty.
  init?(_ field: JSONField) throws(HubError) {
    guard field.exists else { return nil }
    self.init(
      id: Int32(try field["pad_id"].int(in: 0...Int(Int32.max))),
      typeID: Int32(try field["pad_type_id"].int(in: 0...Int(Int32.max))),
      side: try Truncation.Side(field["direction"]))
    let strategy = field["strategy"]
    if strategy["Fixed"].exists {
      length = try strategy["Fixed"].int(in: 0...Int(Int32.max))
    } else {
      _ = try strategy.string(oneOf: ["BatchLongest"])
    }
    if field["pad_to_multiple_of"].exists {
      multiple = try field["pad_to_multiple_of"].int(in: 0...Int(Int32.max))
    }
  }
}
