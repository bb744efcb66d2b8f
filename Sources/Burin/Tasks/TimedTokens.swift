/// A part of a text that was said between two moments.
struct TimedTokens: Hashable {
  /// Seconds.
  var start, end: Double
  var tokens: [Int32]

  /// Seconds between timestamps, and between frames.
  private static let step = 0.02
  private static let frame: Float = 0.01
  /// Frames between timestamps.
  private static let framesPerStep = 2

  /// Cuts what was said in a window into segments, as transformers' `generate` does for sound of any
  /// length.
  ///
  /// A pair of timestamps ends a segment and begins the next. What follows the last pair is left to
  /// the next window, which begins there, unless a single timestamp at the end says that nothing
  /// follows it; without a pair the window is one segment.
  ///
  /// - Parameters:
  ///   - tokens: those of the window, without the prompt and the end token.
  ///   - first: the id of the first timestamp.
  ///   - offset: where the window begins, in frames.
  ///   - frames: how long it is.
  /// - Returns: the segments, and how many frames further the next window begins.
  static func cut(
    _ tokens: [Int32], first: Int, offset: Int, frames: Int
  ) -> (segments: [TimedTokens], advance: Int) {
    let start = Double(offset) * step / Double(framesPerStep)
    func steps(_ token: Int32) -> Int { Int(token) - first }
    let isTimestamp = tokens.map { $0 >= first }
    var ends = tokens.indices.dropFirst().filter { isTimestamp[$0 - 1] && isTimestamp[$0] }
    guard let last = ends.last else {
      var length = Double(Int(Float(frames) * frame / Float(step)))
      if let token = tokens.last(where: { $0 >= first }), token != first {
        length = Double(steps(token))
      }
      return ([TimedTokens(start: start, end: start + length * step, tokens: tokens)], frames)
    }
    let endsAlone = isTimestamp.suffix(2) == [false, true]
    if endsAlone {
      ends.append(tokens.count)
    } else {
      // The second timestamp of the last pair begins nothing here.
      ends[ends.count - 1] = last + 1
    }
    var segments: [TimedTokens] = []
    var begin = 0
    for (index, end) in ends.enumerated() {
      let part = Array(tokens[begin..<end])
      let isCutShort = index == ends.count - 1 && !endsAlone
      let closing = part[part.count - (isCutShort ? 2 : 1)]
      segments.append(
        TimedTokens(
          start: start + Double(steps(part[0])) * step,
          end: start + Double(steps(closing)) * step, tokens: part))
      begin = end
    }
    return (segments, endsAlone ? frames : steps(tokens[begin - 2]) * framesPerStep)
  }
}
