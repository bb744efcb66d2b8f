import Glibc

/// Where timestamps may stand among the tokens of Whisper: transformers'
/// `WhisperTimeStampLogitsProcessor`.
///
/// A window begins with a timestamp. Afterwards one closes a segment and another one, never an
/// earlier one, opens the next, so they come in pairs, but for one before the end.
struct TimestampRules {
  /// The id of the first timestamp, 0.00 s.
  var first: Int
  /// The token that ends a text; those before it are words.
  var end: Int
  /// How far after the first timestamp a window may begin; nil for anywhere.
  var latestStart: Int?

  /// Changes the logits of the token that follows the `tokens` of a window.
  func apply(_ logits: inout [Float], after tokens: ArraySlice<Int32>) {
    func forbid(_ range: Range<Int>) {
      for id in range.clamped(to: logits.indices) { logits[id] = -.infinity }
    }
    // The token that says that there are no timestamps.
    forbid(first - 1..<first)
    func isTimestamp(_ token: Int32) -> Bool { token >= first }
    let closes = tokens.last.map(isTimestamp) ?? false
    let opens = tokens.dropLast().last.map(isTimestamp) ?? true
    if closes { forbid(opens ? first..<logits.count : 0..<end) }
    if let last = tokens.last(where: isTimestamp) {
      // The one that closes a segment may open the next.
      let least = closes && !opens ? Int(last) : Int(last) + 1
      forbid(first..<max(first, least))
    }
    if tokens.isEmpty {
      forbid(0..<first)
      if let latestStart {
        forbid(first + latestStart + 1..<max(logits.count, first + latestStart + 1))
      }
    }
    if timestampsOutweighWords(logits) { forbid(0..<first) }
  }

  /// Whether all timestamps together are more probable than the most probable other token.
  private func timestampsOutweighWords(_ logits: [Float]) -> Bool {
    guard first < logits.count, let highest = logits[first...].max(), highest > -.infinity else {
      return false
    }
    let sum = logits[first...].reduce(0.0) { $0 + exp(Double($1 - highest)) }
    return Double(highest) + log(sum) > Double(logits[..<first].max() ?? -.infinity)
  }
}
