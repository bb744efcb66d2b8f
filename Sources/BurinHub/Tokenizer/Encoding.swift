/// Text as a model takes it: one element of each array for each token.
public struct Encoding: Sendable {
  /// A span of Unicode scalars of a text, empty at 0 for a token that stands for no text.
  public struct Span: Sendable, Hashable {
    /// The first scalar.
    public var start: Int
    /// The scalar after the last.
    public var end: Int

    /// A span.
    public init(start: Int, end: Int) {
      self.start = start
      self.end = end
    }
  }

  /// The tokens' ids.
  public var ids: [Int32] = []
  /// Which part of a pair a token belongs to, as the model is told.
  public var typeIDs: [Int32] = []
  /// Where in its text a token stands.
  public var offsets: [Span] = []
  /// The number of the word that a token is part of; nil for tokens that stand for no text.
  public var wordIDs: [Int?] = []
  /// Which text a token comes from: 0, 1 of a pair, nil for tokens that stand for no text.
  public var sequenceIDs: [Int?] = []
  /// 1 for tokens that were added around the text or as padding.
  public var specialTokensMask: [Int32] = []
  /// 1 for tokens, 0 for padding.
  public var attentionMask: [Int32] = []
  /// What was cut off, in pieces of the same maximum length that overlap by the stride.
  public var overflowing: [Encoding] = []

  /// How many spaces a token's text begins and ends with; 0 where nobody asks.
  var leadingSpaces: [Int32] = []
  var trailingSpaces: [Int32] = []

  /// How many tokens there are.
  public var count: Int { ids.count }

  /// Nothing yet.
  init() {}

  // MARK: Parts

  /// The tokens of a range, without what was cut off.
  func part(_ range: Range<Int>) -> Encoding {
    var part = Encoding()
    part.ids = Array(ids[range])
    part.typeIDs = Array(typeIDs[range])
    part.offsets = Array(offsets[range])
    part.wordIDs = Array(wordIDs[range])
    part.sequenceIDs = Array(sequenceIDs[range])
    part.specialTokensMask = Array(specialTokensMask[range])
    part.attentionMask = Array(attentionMask[range])
    part.leadingSpaces = Array(leadingSpaces[range])
    part.trailingSpaces = Array(trailingSpaces[range])
    return part
  }

  /// Appends the tokens of another encoding; what was cut off is combined each with each.
  mutating func append(_ other: Encoding) {
    var combined: [Encoding] = []
    for mine in overflowing {
      for theirs in [other.withoutOverflow] + other.overflowing {
        var both = mine
        both.append(theirs)
        combined.append(both)
      }
    }
    for theirs in other.overflowing {
      var both = withoutOverflow
      both.append(theirs)
      combined.append(both)
    }
    ids += other.ids
    typeIDs += other.typeIDs
    offsets += other.offsets
    wordIDs += other.wordIDs
    sequenceIDs += other.sequenceIDs
    specialTokensMask += other.specialTokensMask
    attentionMask += other.attentionMask
    leadingSpaces += other.leadingSpaces
    trailingSpaces += other.trailingSpaces
    overflowing = combined
  }

  private var withoutOverflow: Encoding {
    var copy = self
    copy.overflowing = []
    return copy
  }

  /// Tokens that stand for no text.
  static func added(_ tokens: [Int32], typeID: Int32) -> Encoding {
    var result = Encoding()
    for token in tokens {
      result.ids.append(token)
      result.typeIDs.append(typeID)
      result.offsets.append(Span(start: 0, end: 0))
      result.wordIDs.append(nil)
      result.sequenceIDs.append(nil)
      result.specialTokensMask.append(1)
      result.attentionMask.append(1)
      result.leadingSpaces.append(0)
      result.trailingSpaces.append(0)
    }
    return result
  }

  // MARK: Length

  /// Keeps at most `maximum` tokens; the rest becomes `overflowing`.
  ///
  /// - Requires: `stride < maximum` unless nothing is cut or `maximum` is 0.
  mutating func truncate(to maximum: Int, stride: Int, side: Truncation.Side) {
    guard maximum < count else { return }
    guard maximum > 0 else {
      let all = self
      self = Encoding()
      overflowing = [all]
      return
    }
    var ranges: [Range<Int>] = []
    switch side {
    case .right:
      var start = 0
      while ranges.last?.upperBound != count {
        ranges.append(start..<min(start + maximum, count))
        start += maximum - stride
      }
    case .left:
      var end = count
      while ranges.last?.lowerBound != 0 {
        ranges.append(max(end - maximum, 0)..<end)
        end -= maximum - stride
      }
    }
    let parts = ranges.map { part($0) }
    self = parts[0]
    overflowing = Array(parts[1...])
  }

  /// Fills up to `length` tokens with padding, what was cut off too; longer ones stay as they are.
  public mutating func pad(to length: Int, _ padding: Padding) {
    for index in overflowing.indices { overflowing[index].pad(to: length, padding) }
    let missing = length - count
    guard missing > 0 else { return }
    var filling = Encoding.added(
      [Int32](repeating: padding.id, count: missing), typeID: padding.typeID)
    filling.attentionMask = [Int32](repeating: 0, count: missing)
    let cut = overflowing
    overflowing = []
    switch padding.side {
    case .right: append(filling)
    case .left:
      filling.append(self)
      self = filling
    }
    overflowing = cut
  }

  /// Pads every encoding to the longest, or to the length that the padding fixes.
  public static func pad(_ encodings: inout [Encoding], _ padding: Padding) {
    var length = padding.length ?? encodings.map(\.count).max() ?? 0
    if let multiple = padding.multiple, multiple > 0, length % multiple > 0 {
      length += multiple - length % multiple
    }
    for index in encodings.indices { encodings[index].pad(to: length, padding) }
  }
}
