/// The table by which a SentencePiece model rewrites characters; `precompiled_charsmap`.
///
/// A double array of 32-bit units (Aoe, 1989), whose leaves are places in a pool of replacements
/// that end with a NUL. The unit at the root leads to a block, a byte to a unit in it.
struct CharacterMap: Sendable {
  private let units: [UInt32]
  private let pool: [UInt8]

  /// Reads the table: its size in bytes, its units, and the pool, all little-endian.
  ///
  /// - Returns: nil unless every step of every walk stays inside the table and every replacement
  ///   begins at a scalar of the pool.
  init?(_ bytes: [UInt8]) {
    func number(at index: Int) -> UInt32 {
      (0..<4).reduce(0) { $0 | UInt32(bytes[index + $1]) << (8 * UInt32($1)) }
    }
    guard bytes.count >= 4 else { return nil }
    let size = Int(number(at: 0))
    guard size >= 4, size % 4 == 0, size <= bytes.count - 4 else { return nil }
    units = (0..<(size / 4)).map { number(at: 4 + 4 * $0) }
    pool = Array(bytes[(4 + size)...])
    guard UTF8Text.isValid(pool) else { return nil }
    for (place, unit) in units.enumerated() where unit >> 31 == 0 {
      let block = place ^ CharacterMap.offset(unit)
      guard block | 0xFF < units.count else { return nil }
      guard CharacterMap.hasLeaf(unit) else { continue }
      let start = Int(units[block] & 0x7FFF_FFFF)
      guard start <= pool.count, start == pool.count || pool[start] & 0xC0 != 0x80 else {
        return nil
      }
    }
  }

  private static func offset(_ unit: UInt32) -> Int {
    Int(unit >> 10) << (unit & 0x200 != 0 ? 8 : 0)
  }

  private static func hasLeaf(_ unit: UInt32) -> Bool { unit & 0x100 != 0 }

  /// What replaces some text: the replacement of the shortest of its beginnings that has one, which
  /// is how the original reads the table; nil when none has.
  func replacement(of text: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    var place = CharacterMap.offset(units[0])
    for byte in text where byte != 0 {
      place ^= Int(byte)
      let unit = units[place]
      guard unit & 0x8000_00FF == UInt32(byte) else { return nil }
      place ^= CharacterMap.offset(unit)
      if CharacterMap.hasLeaf(unit) {
        let rest = pool[Int(units[place] & 0x7FFF_FFFF)...]
        return rest[..<(rest.firstIndex(of: 0) ?? rest.endIndex)]
      }
    }
    return nil
  }

  /// Rewrites text: graphemes of less than 6 bytes whole, longer ones scalar by scalar.
  func apply(_ text: inout AlignedText) {
    var changes: [ScalarChange] = []
    changes.reserveCapacity(text.bytes.count)
    var isChanged = false
    /// Rewrites some bytes as one; false when they stay as they are.
    func replace(_ range: Range<Int>) -> Bool {
      guard let new = replacement(of: text.bytes[range]) else { return false }
      isChanged = true
      let scalars = UTF8Text.scalars(Array(new))
      let old = text.bytes[range].reduce(0) { $0 + ($1 & 0xC0 != 0x80 ? 1 : 0) }
      // What is more stands for no scalar of its own, what is less goes with the last one; as in
      // the original, nothing says what happened to scalars that disappear from the beginning.
      for (number, scalar) in scalars.enumerated() {
        changes.append(ScalarChange(scalar: scalar, count: number < old ? 0 : 1))
      }
      if scalars.count < old, !changes.isEmpty {
        changes[changes.count - 1].count += scalars.count - old
      }
      return true
    }
    var start = 0
    for length in graphemeLengths(text.bytes) {
      let end = start + length
      if length >= 6 || !replace(start..<end) {
        var index = start
        while index < end {
          let (scalar, size) = UTF8Text.decode(text.bytes, at: index)
          if !replace(index..<index + size) {
            changes.append(ScalarChange(scalar: scalar, count: 0))
          }
          index += size
        }
      }
      start = end
    }
    if isChanged { text.transform(changes) }
  }

  /// The length in bytes of each grapheme cluster.
  private func graphemeLengths(_ bytes: [UInt8]) -> [Int] {
    if bytes.allSatisfy({ $0 < 0x80 && $0 != 13 }) {
      return [Int](repeating: 1, count: bytes.count)
    }
    return String(decoding: bytes, as: UTF8.self).map(\.utf8.count)
  }
}

extension [UInt8] {
  /// The bytes that Base64 stands for (RFC 4648, with padding); nil when it is something else.
  init?(base64 text: [UInt8]) {
    guard text.count % 4 == 0 else { return nil }
    self = []
    reserveCapacity(text.count / 4 * 3)
    let padding = text.suffix(2).count { $0 == UInt8(ascii: "=") }
    if padding == 2, text.last != UInt8(ascii: "=") { return nil }
    var bits: UInt32 = 0
    for (index, letter) in text.enumerated() {
      let digit: UInt8
      switch letter {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"): digit = letter - UInt8(ascii: "A")
      case UInt8(ascii: "a")...UInt8(ascii: "z"): digit = letter - UInt8(ascii: "a") + 26
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = letter - UInt8(ascii: "0") + 52
      case UInt8(ascii: "+"): digit = 62
      case UInt8(ascii: "/"): digit = 63
      case UInt8(ascii: "=") where index >= text.count - padding: digit = 0
      default: return nil
      }
      bits = bits << 6 | UInt32(digit)
      if index % 4 == 3 {
        for shift in [16, 8, 0] as [UInt32] { append(UInt8(truncatingIfNeeded: bits >> shift)) }
      }
    }
    removeLast(padding)
    // The bits beyond the last byte are zeros.
    if padding > 0, bits & (padding == 1 ? 0xFF : 0xFFFF) != 0 { return nil }
  }
}
