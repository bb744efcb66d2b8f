/// Decodes ids one at a time, as a model generates them.
///
/// What has been returned never changes: a character whose last bytes are still to come is held
/// back, and so is what a decoder writes differently at the beginning of a text.
public struct StreamingDecoder: Sendable {
  private let tokenizer: Tokenizer
  private let skipSpecialTokens: Bool
  /// The ids that the text to come depends on; the first `settled` of them have been returned.
  private var ids: [Int32] = []
  private var settled = 0
  /// What `ids[..<settled]` decode to.
  private var prefix: [UInt8] = []

  /// How many ids may wait for the end of a character; one has four bytes, so four ids suffice.
  private static let patience = 8

  /// Decodes with a tokenizer.
  public init(_ tokenizer: Tokenizer, skipSpecialTokens: Bool = true) {
    self.tokenizer = tokenizer
    self.skipSpecialTokens = skipSpecialTokens
  }

  /// Takes the next id and returns the text that it completes, often empty.
  public mutating func append(_ id: Int32) throws(HubError) -> String {
    ids.append(id)
    return try advance(isLast: false)
  }

  /// Returns what was held back; the decoder is ready for another text afterwards.
  public mutating func finish() throws(HubError) -> String {
    let rest = try advance(isLast: true)
    ids = []
    settled = 0
    prefix = []
    return rest
  }

  private mutating func advance(isLast: Bool) throws(HubError) -> String {
    let text = Array(
      try tokenizer.decode(ids, skipSpecialTokens: skipSpecialTokens).utf8)
    let isWhole = !text.suffix(3).elementsEqual([0xEF, 0xBF, 0xBD])
    guard isLast || isWhole || ids.count - settled >= StreamingDecoder.patience else { return "" }
    guard text.count > prefix.count else { return "" }
    // A decoder that rewrites what it wrote before has no prefix in common; go on after as much.
    var start = prefix.count
    while start < text.count, text[start] & 0xC0 == 0x80 { start += 1 }
    let new = String(decoding: text[start...], as: UTF8.self)
    ids.removeFirst(settled)
    settled = ids.count
    prefix = Array(try tokenizer.decode(ids, skipSpecialTokens: skipSpecialTokens).utf8)
    return new
  }
}
