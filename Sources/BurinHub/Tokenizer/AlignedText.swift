/// Text on its way to becoming tokens: its bytes now, and where each came from.
///
/// Offsets are Unicode scalars in the end; until then they are bytes of the original text.
struct AlignedText {
  /// The UTF-8 bytes as rewritten so far; always valid UTF-8.
  var bytes: [UInt8]
  /// For each byte the span of the original that it stands for; the bytes of a scalar share one.
  var spans: [ByteSpan]
  /// Where the piece of the original that this text was cut from begins.
  var origin: Int32

  /// Text before anything was done to it.
  init(original bytes: [UInt8]) {
    self.bytes = bytes
    self.origin = 0
    spans = [ByteSpan](unsafeUninitializedCapacity: bytes.count) { buffer, count in
      var index = 0
      while index < bytes.count {
        let length = UTF8Text.length(of: bytes[index])
        let span = ByteSpan(start: Int32(index), end: Int32(index + length))
        for offset in 0..<min(length, bytes.count - index) { buffer[index + offset] = span }
        index += length
      }
      count = bytes.count
    }
  }

  /// No text yet, to be filled by a transformation of `source`.
  init(emptyWithOrigin origin: Int32, capacity: Int) {
    bytes = []
    spans = []
    self.origin = origin
    bytes.reserveCapacity(capacity)
    spans.reserveCapacity(capacity)
  }

  /// A range of another text, cut out.
  init(_ text: AlignedText, range: Range<Int>, origin: Int32) {
    bytes = Array(text.bytes[range])
    spans = Array(text.spans[range])
    self.origin = origin
  }

  /// Appends a scalar that stands for a span.
  @inline(__always)
  mutating func append(_ scalar: UInt32, _ span: ByteSpan) {
    if scalar < 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: scalar))
      spans.append(span)
    } else {
      let before = bytes.count
      appendUTF8(scalar, to: &bytes)
      for _ in before..<bytes.count { spans.append(span) }
    }
  }

  /// Appends bytes that all stand for one span.
  mutating func append(_ new: some Collection<UInt8>, _ span: ByteSpan) {
    bytes.append(contentsOf: new)
    spans.append(contentsOf: repeatElement(span, count: new.count))
  }

  /// Appends a range of another text with its spans.
  mutating func append(_ text: AlignedText, _ range: Range<Int>) {
    bytes.append(contentsOf: text.bytes[range])
    spans.append(contentsOf: text.spans[range])
  }

  /// Whether every byte is ASCII.
  var isASCII: Bool { bytes.allSatisfy { $0 < 0x80 } }

  /// Keeps the scalars that a test passes.
  mutating func filter(_ keep: (UInt32) -> Bool) {
    var kept = 0
    var index = 0
    while index < bytes.count {
      let (scalar, length) = UTF8Text.decode(bytes, at: index)
      if keep(scalar) {
        if kept != index {
          for offset in 0..<length {
            bytes[kept + offset] = bytes[index + offset]
            spans[kept + offset] = spans[index + offset]
          }
        }
        kept += length
      }
      index += length
    }
    bytes.removeSubrange(kept...)
    spans.removeSubrange(kept...)
  }

  /// Replaces each scalar by what `rewrite` appends for it, given the scalar and its span.
  mutating func rewrite(_ rewrite: (inout AlignedText, UInt32, ByteSpan) -> Void) {
    var result = AlignedText(emptyWithOrigin: origin, capacity: bytes.count + bytes.count / 8)
    var index = 0
    while index < bytes.count {
      let (scalar, length) = UTF8Text.decode(bytes, at: index)
      rewrite(&result, scalar, spans[index])
      index += length
    }
    self = result
  }

  /// Text may grow to this many bytes; a chain of steps that doubles it each time goes no further.
  static let limit = 1 << 29

  /// Throws when the text, or the text and this much more, is beyond the limit.
  func requireRoom(for more: Int = 0) throws(RegexError) {
    guard bytes.count <= AlignedText.limit - more else {
      throw RegexError(message: "steps that leave the text below 512 MiB")
    }
  }

  /// Replaces ranges, in order and apart, by `content`, which stands for the last byte replaced.
  mutating func replace(_ ranges: [Range<Int>], with content: [UInt8]) throws(RegexError) {
    guard !ranges.isEmpty else { return }
    let (more, overflows) = ranges.count.multipliedReportingOverflow(by: content.count)
    try requireRoom(for: overflows ? AlignedText.limit : min(more, AlignedText.limit))
    var result = AlignedText(emptyWithOrigin: origin, capacity: bytes.count)
    var end = 0
    for range in ranges {
      result.append(self, end..<range.lowerBound)
      end = range.upperBound
      result.append(content, end > 0 ? spans[end - 1] : ByteSpan(start: origin, end: origin))
    }
    result.append(self, end..<bytes.count)
    self = result
  }

  /// Replaces the whole text by scalars that say what they did to the ones before them.
  ///
  /// Each takes the span at the place that the changes so far have reached; where scalars have
  /// moved, that is not their own: so it is in the original too.
  mutating func transform(_ changes: [ScalarChange]) {
    var result = AlignedText(emptyWithOrigin: origin, capacity: bytes.count)
    var offset = 0
    let none = ByteSpan(start: origin, end: origin)
    for change in changes {
      if change.count > 0 {
        result.append(change.scalar, offset > 0 ? spans[offset - 1] : none)
      } else {
        let span = offset < spans.count ? spans[offset] : spans.last ?? none
        result.append(change.scalar, span)
        for _ in 0...(-change.count) where offset < bytes.count {
          offset += UTF8Text.length(of: bytes[offset])
        }
      }
    }
    self = result
  }

  /// Puts bytes before the text, standing for its first scalar; nothing happens to empty text.
  mutating func prepend(_ content: [UInt8]) {
    guard let first = spans.first else { return }
    bytes.insert(contentsOf: content, at: 0)
    spans.insert(contentsOf: repeatElement(first, count: content.count), at: 0)
  }
}

/// A scalar of rewritten text and what it did to the count of scalars: 0 stands for one scalar of
/// the source, more for none, -n for one and the n after it.
struct ScalarChange {
  var scalar: UInt32
  var count: Int
}

/// A span of the original text in bytes.
struct ByteSpan: Equatable {
  var start: Int32
  var end: Int32
}

/// Reading UTF-8 that is known to be valid.
enum UTF8Text {
  /// How many bytes the scalar that begins with this byte has.
  @inline(__always)
  static func length(of lead: UInt8) -> Int {
    if lead < 0x80 { return 1 }
    if lead < 0xE0 { return 2 }
    return lead < 0xF0 ? 3 : 4
  }

  /// The scalar at an index and its length in bytes.
  @inline(__always)
  static func decode(_ bytes: UnsafePointer<UInt8>, at index: Int) -> (UInt32, Int) {
    let lead = UInt32(bytes[index])
    if lead < 0x80 { return (lead, 1) }
    func tail(_ offset: Int) -> UInt32 { UInt32(bytes[index + offset]) & 0x3F }
    if lead < 0xE0 { return ((lead & 0x1F) << 6 | tail(1), 2) }
    if lead < 0xF0 { return ((lead & 0x0F) << 12 | tail(1) << 6 | tail(2), 3) }
    return ((lead & 0x07) << 18 | tail(1) << 12 | tail(2) << 6 | tail(3), 4)
  }

  /// The scalar at an index and its length in bytes.
  @inline(__always)
  static func decode(_ bytes: [UInt8], at index: Int) -> (UInt32, Int) {
    let lead = UInt32(bytes[index])
    if lead < 0x80 { return (lead, 1) }
    func tail(_ offset: Int) -> UInt32 { UInt32(bytes[index + offset]) & 0x3F }
    if lead < 0xE0 { return ((lead & 0x1F) << 6 | tail(1), 2) }
    if lead < 0xF0 { return ((lead & 0x0F) << 12 | tail(1) << 6 | tail(2), 3) }
    return ((lead & 0x07) << 18 | tail(1) << 12 | tail(2) << 6 | tail(3), 4)
  }

  /// The scalar that ends before an index, and its length in bytes.
  static func decode(_ bytes: [UInt8], before index: Int) -> (UInt32, Int) {
    var start = index - 1
    while start > 0, bytes[start] & 0xC0 == 0x80 { start -= 1 }
    return decode(bytes, at: start)
  }

  /// The scalars of some valid UTF-8.
  static func scalars(_ bytes: [UInt8]) -> [UInt32] {
    var result: [UInt32] = []
    result.reserveCapacity(bytes.count)
    var index = 0
    while index < bytes.count {
      let (scalar, length) = decode(bytes, at: index)
      result.append(scalar)
      index += length
    }
    return result
  }

  /// Where bytes stop being UTF-8; nil if they never do.
  static func firstDamage(in bytes: [UInt8]) -> Int? {
    bytes.withUnsafeBytes { buffer in
      var index = 0
      while index < buffer.count {
        let length = utf8Length(buffer, at: index)
        if length == 0 { return index }
        index += length
      }
      return nil
    }
  }

  /// Whether bytes are UTF-8.
  static func isValid(_ bytes: [UInt8]) -> Bool { firstDamage(in: bytes) == nil }

  /// Bytes as valid UTF-8: what is not becomes U+FFFD.
  static func repaired(_ bytes: [UInt8]) -> [UInt8] {
    if bytes.allSatisfy({ $0 < 0x80 }) { return bytes }
    return Array(String(decoding: bytes, as: UTF8.self).utf8)
  }
}
