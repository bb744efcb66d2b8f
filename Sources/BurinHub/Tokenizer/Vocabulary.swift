/// Tokens and their ids, found by the token's bytes or by the id.
///
/// One buffer of bytes, one open-addressed table; keys are bytes, so that tokens which differ only
/// by Unicode normalisation stay apart.
final class Vocabulary: @unchecked Sendable {
  /// A hash that grows byte by byte, so that every prefix of a word is hashed in one pass.
  struct Hash {
    fileprivate var state: UInt64

    /// Takes one more byte (FNV-1a, from a start of this process's own).
    @inline(__always)
    mutating func combine(_ byte: UInt8) { state = (state ^ UInt64(byte)) &* 0x100_0000_01B3 }

    /// The low bits choose the slot; the high ones are kept in it and compared first.
    @inline(__always)
    fileprivate var mixed: UInt64 { (state ^ state >> 29) &* 0x9E37_79B9_7F4A_7C15 }
  }

  /// How many tokens there are; less than the largest id + 1 where there are holes.
  let count: Int
  /// The length in bytes of the longest token.
  let longest: Int

  // A slot holds the high half of the hash and the token's number + 1; 0 is free.
  private let slots: UnsafeMutablePointer<UInt64>
  private let slotMask: Int
  private let bytes: UnsafeMutablePointer<UInt8>
  private let starts: UnsafeMutablePointer<UInt32>
  private let ids: UnsafeMutablePointer<Int32>
  /// The token's number by id, -1 in a hole.
  private let numbers: [Int32]
  private let seed: UInt64

  /// Whether two tokens have the same bytes; then neither counts for certain.
  let hasRepeats: Bool

  /// Builds the table.
  ///
  /// - Throws: when an id is negative, occurs twice, or is far beyond the number of tokens.
  init(_ list: TokenList, field: JSONField) throws(HubError) {
    func fail(_ expected: String, _ found: String) -> HubError {
      HubError(file: field.file, key: field.path, expected: expected, found: found)
    }
    count = list.ids.count
    var last = -1
    for (number, id) in list.ids.enumerated() {
      guard id >= 0 else { throw fail("ids from 0", "\(id) for \(list.token(number))") }
      last = max(last, id)
    }
    // A table of ids is as long as the largest: holes are fine, a desert is not.
    guard last < count * 8 + 65_536, list.bytes.count < Int(UInt32.max) else {
      throw fail("ids in proportion to the \(count) tokens", "the id \(last)")
    }
    var numbers = [Int32](repeating: -1, count: last + 1)
    for (number, id) in list.ids.enumerated() {
      guard numbers[id] < 0 else {
        throw fail(
          "one token for each id",
          "\(list.token(Int(numbers[id]))) and \(list.token(number)) with the id \(id)")
      }
      numbers[id] = Int32(number)
    }
    self.numbers = numbers
    var size = 16
    while size < count * 2 { size *= 2 }
    slotMask = size - 1
    slots = .allocate(capacity: size)
    slots.initialize(repeating: 0, count: size)
    bytes = .allocate(capacity: max(list.bytes.count, 1))
    bytes.initialize(from: list.bytes, count: list.bytes.count)
    starts = .allocate(capacity: count + 1)
    starts.initialize(from: list.starts, count: count + 1)
    ids = .allocate(capacity: max(count, 1))
    // The hash begins with the tokens themselves: nobody can choose them so that they collide.
    seed = list.bytes.withUnsafeBytes { bytes in
      var state: UInt64 = 0xCBF2_9CE4_8422_2325
      for index in 0..<(bytes.count / 8) {
        let word = bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self)
        state = (state ^ word) &* 0x9E37_79B9_7F4A_7C15
        state ^= state >> 32
      }
      return state
    }
    var most = 0
    var hasRepeats = false
    for number in 0..<count {
      let start = Int(starts[number])
      let length = Int(starts[number + 1]) - start
      most = max(most, length)
      ids[number] = Int32(list.ids[number])
      var hash = Hash(state: seed)
      for index in start..<(start + length) { hash.combine(bytes[index]) }
      let mixed = hash.mixed
      var slot = Int(truncatingIfNeeded: mixed) & slotMask
      while slots[slot] != 0 {
        if slots[slot] >> 32 == mixed >> 32 {
          let other = Int(slots[slot] & 0xFFFF_FFFF) - 1
          let begin = Int(starts[other])
          if Int(starts[other + 1]) - begin == length {
            var same = 0
            while same < length, bytes[begin + same] == bytes[start + same] { same += 1 }
            if same == length {
              hasRepeats = true
              break
            }
          }
        }
        slot = (slot + 1) & slotMask
      }
      // Of equal tokens the last is found.
      slots[slot] = (mixed >> 32) << 32 | UInt64(number + 1)
    }
    longest = most
    self.hasRepeats = hasRepeats
  }

  deinit {
    slots.deallocate()
    bytes.deallocate()
    starts.deallocate()
    ids.deallocate()
  }

  /// The hash of no bytes.
  var emptyHash: Hash { Hash(state: seed) }

  /// The id of the token with these bytes, hashed already, or -1.
  @inline(__always)
  func find(_ token: UnsafePointer<UInt8>, _ length: Int, _ hash: Hash) -> Int32 {
    find(hash) { start, count in
      guard count == length else { return false }
      for index in 0..<length where bytes[start + index] != token[index] { return false }
      return true
    }
  }

  /// The id of the token made of a prefix and these bytes, hashed already, or -1.
  @inline(__always)
  func find(
    prefix: UnsafeBufferPointer<UInt8>, _ rest: UnsafePointer<UInt8>, _ length: Int, _ hash: Hash
  ) -> Int32 {
    find(hash) { start, count in
      guard count == prefix.count + length else { return false }
      for index in 0..<prefix.count where bytes[start + index] != prefix[index] { return false }
      let tail = start + prefix.count
      for index in 0..<length where bytes[tail + index] != rest[index] { return false }
      return true
    }
  }

  @inline(__always)
  private func find(_ hash: Hash, _ isEqual: (Int, Int) -> Bool) -> Int32 {
    let mixed = hash.mixed
    var slot = Int(truncatingIfNeeded: mixed) & slotMask
    while slots[slot] != 0 {
      let entry = slots[slot]
      if entry >> 32 == mixed >> 32 {
        let number = Int(entry & 0xFFFF_FFFF) - 1
        let start = Int(starts[number])
        if isEqual(start, Int(starts[number + 1]) - start) { return ids[number] }
      }
      slot = (slot + 1) & slotMask
    }
    return -1
  }

  /// The id of the token with these bytes, or nil.
  func id(of token: [UInt8]) -> Int32? {
    let id = token.withUnsafeBufferPointer { buffer -> Int32 in
      var hash = emptyHash
      for byte in buffer { hash.combine(byte) }
      // Even an empty token needs an address to be compared at.
      return find(buffer.baseAddress ?? UnsafePointer(bytes), buffer.count, hash)
    }
    return id >= 0 ? id : nil
  }

  /// Ids of `<0x00>` to `<0xFF>`, which stand for bytes; -1 for those that are missing.
  var byteTokens: [Int32] {
    let digits = Array("0123456789ABCDEF".utf8)
    return (0..<256).map { byte in
      id(of: Array("<0x".utf8) + [digits[byte >> 4], digits[byte & 15], 0x3E]) ?? -1
    }
  }

  /// The bytes of the token with an id; they stay where they are as long as the vocabulary lives.
  func token(_ id: Int32) -> UnsafeBufferPointer<UInt8>? {
    guard id >= 0, id < numbers.count, numbers[Int(id)] >= 0 else { return nil }
    let number = Int(numbers[Int(id)])
    let start = Int(starts[number])
    return UnsafeBufferPointer(start: bytes + start, count: Int(starts[number + 1]) - start)
  }
}
