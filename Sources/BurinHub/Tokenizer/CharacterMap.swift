/// The table by which a SentencePiece model rewrites characters; `precompiled_charsmap`.
///
/// A double array of 32-bit units (Aoe, 1989), whose leaves are places in a pool of replacements
/// that end with a NUL. The unit at the root leads to a block, a byte to a unit in it.
struct CharacterMap: Sendable {
  private let units: [UInt32]
  private let pool: [UInt8]
  /// Whether text is rewritten as SentencePiece itself does it, the longest match first, and not as
  /// `tokenizers` does it.
  private let matchesLongest: Bool

  /// Reads the table: its size in bytes, its units, and the pool, all little-endian.
  ///
  /// - Returns: nil unless every step of every walk stays inside the table and every replacement
  ///   begins at a scalar of the pool.
  init?(_ bytes: [UInt8], matchesLongest: Bool = false) {
    self.matchesLongest = matchesLongest
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

  /// A beginning of some text that is in the table, the shortest or the longest one: its length and
  /// what replaces it.
  private func match(_ text: ArraySlice<UInt8>) -> (length: Int, replacement: ArraySlice<UInt8>)? {
    var place = CharacterMap.offset(units[0])
    var best: (Int, ArraySlice<UInt8>)?
    for (index, byte) in zip(text.indices, text) {
      place ^= Int(byte)
      let unit = units[place]
      guard byte != 0, unit & 0x8000_00FF == UInt32(byte) else { break }
      place ^= CharacterMap.offset(unit)
      if CharacterMap.hasLeaf(unit) {
        let rest = pool[Int(units[place] & 0x7FFF_FFFF)...]
        best = (index + 1 - text.startIndex, rest[..<(rest.firstIndex(of: 0) ?? rest.endIndex)])
        if !matchesLongest { break }
      }
    }
    return best
  }

  /// Rewrites text. As `tokenizers` does it, graphemes of less than 6 bytes are replaced whole by
  /// what replaces the shortest beginning of theirs, and longer ones scalar by scalar.
  func apply(_ text: inout AlignedText) {
    var changes: [ScalarChange] = []
    changes.reserveCapacity(text.bytes.count)
    var isChanged = false
    /// Rewrites some bytes as one.
    func replace(_ range: Range<Int>, with new: ArraySlice<UInt8>) {
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
    }
    func keep(_ range: Range<Int>) {
      for scalar in UTF8Text.scalars(Array(text.bytes[range])) {
        changes.append(ScalarChange(scalar: scalar, count: 0))
      }
    }
    var start = 0
    if matchesLongest {
      while start < text.bytes.count {
        let length = UTF8Text.length(of: text.bytes[start])
        if let (length, new) = match(text.bytes[start...]) {
          replace(start..<start + length, with: new)
          start += length
        } else {
          keep(start..<start + length)
          start += length
        }
      }
    } else {
      for length in graphemeLengths(text.bytes) {
        let end = start + length
        if length < 6, let (_, new) = match(text.bytes[start..<end]) {
          replace(start..<end, with: new)
          start = end
        }
        while start < end {
          let next = start + UTF8Text.length(of: text.bytes[start])
          if let (_, new) = match(text.bytes[start..<next]) {
            replace(start..<next, with: new)
          } else {
            keep(start..<next)
          }
          start = next
        }
      }
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
