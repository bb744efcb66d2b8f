/// Text cut into pieces, each a word to be or an added token already found.
struct PreTokenizedText {
  /// A range of the text.
  struct Piece {
    /// Its first byte and the one after its last, in the text as rewritten.
    var start: Int32
    var end: Int32
    /// Where the piece of the original text that it was cut from begins.
    var origin: Int32
    /// The added token that it is, or -1.
    var token: Int32 = -1
  }

  /// The text as rewritten.
  private(set) var text: AlignedText
  /// The pieces from left to right, none of them empty.
  private(set) var pieces: [Piece]

  /// Text in one piece.
  init(_ text: AlignedText) {
    self.text = text
    pieces = [Piece(start: 0, end: Int32(text.bytes.count), origin: text.origin)]
    if text.bytes.isEmpty { pieces = [] }
  }

  // MARK: Rewriting

  /// Rewrites each piece that is not a token.
  mutating func rewrite<Failure: Error>(
    _ rewrite: (inout AlignedText) throws(Failure) -> Void
  ) throws(Failure) {
    var result = AlignedText(emptyWithOrigin: 0, capacity: text.bytes.count + 16)
    var kept: [Piece] = []
    kept.reserveCapacity(pieces.count)
    for var piece in pieces {
      let start = result.bytes.count
      let range = Int(piece.start)..<Int(piece.end)
      if piece.token >= 0 {
        result.append(text, range)
      } else {
        var part = AlignedText(text, range: range, origin: piece.origin)
        try rewrite(&part)
        result.append(part, 0..<part.bytes.count)
      }
      piece.start = Int32(start)
      piece.end = Int32(result.bytes.count)
      if piece.start < piece.end { kept.append(piece) }
    }
    text = result
    pieces = kept
  }

  /// Writes every byte of the pieces that are not tokens as the scalar that stands for it.
  mutating func mapToByteAlphabet() {
    let alphabet = ByteAlphabet.shared
    var result = AlignedText(emptyWithOrigin: 0, capacity: text.bytes.count + text.bytes.count / 4)
    for number in pieces.indices {
      let start = result.bytes.count
      let range = Int(pieces[number].start)..<Int(pieces[number].end)
      if pieces[number].token >= 0 {
        result.append(text, range)
      } else {
        for index in range {
          result.append(alphabet.scalar(of: text.bytes[index]), text.spans[index])
        }
      }
      pieces[number].start = Int32(start)
      pieces[number].end = Int32(result.bytes.count)
    }
    text = result
  }

  // MARK: Cutting

  /// Replaces each piece that is not a token by what `cut` makes of it; empty pieces are dropped.
  mutating func cut<Failure: Error>(
    _ cut: (Piece, inout Pieces) throws(Failure) -> Void
  ) throws(Failure) {
    var result = Pieces(text.spans, capacity: pieces.count * 2)
    for piece in pieces {
      if piece.token >= 0 { result.append(piece) } else { try cut(piece, &result) }
    }
    pieces = result.pieces
  }

  /// Pieces being collected.
  struct Pieces {
    fileprivate var pieces: [Piece] = []
    private let spans: [ByteSpan]

    fileprivate init(_ spans: [ByteSpan], capacity: Int) {
      self.spans = spans
      pieces.reserveCapacity(capacity)
    }

    fileprivate mutating func append(_ piece: Piece) { pieces.append(piece) }

    /// Adds a range of the text unless it is empty.
    mutating func append(_ start: Int, _ end: Int, token: Int32 = -1) {
      guard start < end else { return }
      pieces.append(
        Piece(
          start: Int32(start), end: Int32(end), origin: spans[start].start, token: token))
    }
  }

  /// Cuts at each scalar that passes a test.
  mutating func split(_ behavior: SplitBehavior, _ isMatch: (UInt32) -> Bool) {
    let bytes = text.bytes
    var segments: [Segment] = []
    cut { piece, result in
      segments.removeAll(keepingCapacity: true)
      var index = Int(piece.start)
      var pending = index
      while index < Int(piece.end) {
        let (scalar, length) = UTF8Text.decode(bytes, at: index)
        if isMatch(scalar) {
          if pending < index { segments.append(Segment(start: pending, end: index)) }
          segments.append(Segment(start: index, end: index + length, isMatch: true))
          pending = index + length
        }
        index += length
      }
      if pending < index { segments.append(Segment(start: pending, end: index)) }
      PreTokenizedText.append(segments, behavior, to: &result)
    }
  }

  /// Cuts at the matches of a pattern, or between them when inverted.
  mutating func split(
    _ pattern: TextPattern, _ behavior: SplitBehavior, isInverted: Bool
  ) throws(RegexError) {
    let bytes = text.bytes
    var segments: [Segment] = []
    try cut { (piece, result) throws(RegexError) in
      segments.removeAll(keepingCapacity: true)
      let start = Int(piece.start)
      var pending = 0
      let outcome: Result<Void, RegexError> = bytes.withUnsafeBufferPointer { all in
        let buffer = UnsafeBufferPointer(rebasing: all[start..<Int(piece.end)])
        return Result { () throws(RegexError) in
          try pattern.forEachMatch(in: buffer) { from, to in
            if pending < from {
              segments.append(
                Segment(start: start + pending, end: start + from, isMatch: isInverted))
            }
            segments.append(Segment(start: start + from, end: start + to, isMatch: !isInverted))
            pending = to
          }
        }
      }
      try outcome.get()
      if start + pending < Int(piece.end) {
        segments.append(
          Segment(start: start + pending, end: Int(piece.end), isMatch: isInverted))
      }
      PreTokenizedText.append(segments, behavior, to: &result)
    }
  }

  /// Keeps runs of word characters and runs of what is neither word nor space.
  mutating func splitWords(_ tables: UnicodeTables) {
    let bytes = text.bytes
    cut { piece, result in
      var start = Int(piece.start)
      var kind = 0
      var index = start
      while index < Int(piece.end) {
        let (scalar, length) = UTF8Text.decode(bytes, at: index)
        let properties = tables[scalar]
        let next = properties.contains(.word) ? 1 : properties.contains(.space) ? 0 : 2
        if next != kind {
          if kind != 0 { result.append(start, index) }
          start = index
          kind = next
        }
        index += length
      }
      if kind != 0 { result.append(start, index) }
    }
  }

  /// Cuts where the script changes; what goes with any script goes with the one before it, and
  /// before the first it is dropped, as in the original.
  mutating func splitScripts(_ scripts: UnicodeScripts) {
    let bytes = text.bytes
    cut { piece, result in
      var start = Int(piece.end)
      var script = 0
      var index = Int(piece.start)
      while index < Int(piece.end) {
        let (scalar, length) = UTF8Text.decode(bytes, at: index)
        let next = scripts[scalar]
        if next != 0, next != script {
          if script != 0 { result.append(start, index) }
          start = index
          script = next
        }
        index += length
      }
      result.append(start, index)
    }
  }

  /// Cuts into pieces of as many scalars.
  mutating func split(every length: Int) {
    let bytes = text.bytes
    cut { piece, result in
      var start = Int(piece.start)
      var index = start
      var count = 0
      while index < Int(piece.end) {
        index += UTF8Text.length(of: bytes[index])
        count += 1
        if count == length {
          result.append(start, index)
          start = index
          count = 0
        }
      }
      result.append(start, index)
    }
  }

  private struct Segment {
    var start: Int
    var end: Int
    var isMatch = false
  }

  private static func append(
    _ segments: [Segment], _ behavior: SplitBehavior, to result: inout Pieces
  ) {
    switch behavior {
    case .isolated:
      for segment in segments { result.append(segment.start, segment.end) }
    case .removed:
      for segment in segments where !segment.isMatch { result.append(segment.start, segment.end) }
    case .contiguous:
      append(segments, to: &result) { $0.isMatch == $1 }
    case .mergedWithPrevious:
      append(segments, to: &result) { $0.isMatch && !$1 }
    case .mergedWithNext:
      // The mirror image: read from the right, a match joins what came before it there.
      var starts: [Int] = []
      var wasMatch = false
      for segment in segments.reversed() {
        if segment.isMatch, !wasMatch, !starts.isEmpty {
          starts[starts.count - 1] = segment.start
        } else {
          starts.append(segment.start)
        }
        wasMatch = segment.isMatch
      }
      guard let last = segments.last else { return }
      starts.reverse()
      for (number, start) in starts.enumerated() {
        result.append(start, number + 1 < starts.count ? starts[number + 1] : last.end)
      }
    }
  }

  /// Joins a segment to the one before it when `joins` says so, given whether that was a match.
  private static func append(
    _ segments: [Segment], to result: inout Pieces, _ joins: (Segment, Bool) -> Bool
  ) {
    guard var current = segments.first else { return }
    // Before the first segment stands no match.
    var wasMatch = current.isMatch
    for segment in segments.dropFirst() {
      if joins(segment, wasMatch) {
        current.end = segment.end
      } else {
        result.append(current.start, current.end)
        current = segment
      }
      wasMatch = segment.isMatch
    }
    result.append(current.start, current.end)
  }
}
