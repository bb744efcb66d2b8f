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

  /// Builds the table.
  ///
  /// - Parameter tokens: the tokens' bytes and ids.
  /// - Throws: when an id is negative, occurs twice, or is far beyond the number of tokens.
  init(_ tokens: [(token: ByteString, id: Int)], field: JSONField) throws(HubError) {
    count = tokens.count
    var total = 0
    var most = 0
    var last = -1
    for (token, id) in tokens {
      total += token.count
      most = max(most, token.count)
      guard id >= 0 else {
        throw HubError(
          file: field.file, key: field.path, expected: "ids from 0",
          found: "\(id) for \(token)")
      }
      last = max(last, id)
    }
    // A table of ids is as long as the largest: holes are fine, a desert is not.
    guard last < tokens.count * 8 + 65_536, total < Int(UInt32.max) else {
      throw HubError(
        file: field.file, key: field.path,
        expected: "ids in proportion to the \(tokens.count) tokens", found: "the id \(last)")
    }
    longest = most
    var size = 16
    while size < count * 2 { size *= 2 }
    slotMask = size - 1
    seed = 0xCBF2_9CE4_8422_2325 ^ UInt64.random(in: 0...UInt64.max)
    slots = .allocate(capacity: size)
    slots.initialize(repeating: 0, count: size)
    bytes = .allocate(capacity: max(total, 1))
    starts = .allocate(capacity: count + 1)
    ids = .allocate(capacity: max(count, 1))
    var numbers = [Int32](repeating: -1, count: last + 1)
    var offset = 0
    var failure: HubError?
    for (number, (token, id)) in tokens.enumerated() {
      starts[number] = UInt32(offset)
      ids[number] = Int32(id)
      var hash = Hash(state: seed)
      for byte in token.bytes {
        bytes[offset] = byte
        offset += 1
        hash.combine(byte)
      }
      if numbers[id] >= 0, failure == nil {
        failure = HubError(
          file: field.file, key: field.path, expected: "one token for each id",
          found: "\(tokens[Int(numbers[id])].token) and \(token) with the id \(id)")
      }
      numbers[id] = Int32(number)
      let mixed = hash.mixed
      var slot = Int(truncatingIfNeeded: mixed) & slotMask
      while slots[slot] != 0 { slot = (slot + 1) & slotMask }
      slots[slot] = (mixed >> 32) << 32 | UInt64(number + 1)
    }
    starts[count] = UInt32(offset)
    self.numbers = numbers
    if let failure { throw failure }
  }

  deinit {
    slots.deallocate()
    bytes.deallocate()
    starts.deallocate()
    ids.deallocate()
  }

  /// Reads an object of tokens and ids.
  convenience init(_ field: JSONField) throws(HubError) {
    guard let object = field.value?.object else {
      throw field.error(expected: "an object of tokens and ids")
    }
    var tokens: [(token: ByteString, id: Int)] = []
    tokens.reserveCapacity(object.count)
    for member in object {
      guard let id = member.value.int, id < Int(Int32.max) else {
        throw field[member.key].error(expected: "an id")
      }
      tokens.append((member.key, id))
    }
    try self.init(tokens, field: field)
  }

  /// One more than the largest id.
  var idBound: Int { numbers.count }

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
    prefix: [UInt8], _ rest: UnsafePointer<UInt8>, _ length: Int, _ hash: Hash
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

  /// The bytes of the token with an id; they stay where they are as long as the vocabulary lives.
  func token(_ id: Int32) -> UnsafeBufferPointer<UInt8>? {
    guard id >= 0, id < numbers.count, numbers[Int(id)] >= 0 else { return nil }
    let number = Int(numbers[Int(id)])
    let start = Int(starts[number])
    return UnsafeBufferPointer(start: bytes + start, count: Int(starts[number + 1]) - start)
  }
}
