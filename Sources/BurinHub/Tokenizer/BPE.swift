/// Byte-pair encoding: neighbours merge, the earliest learnt pair first (Sennrich et al., 2016).
struct BPE: Sendable {
  let vocabulary: Vocabulary
  private let merges: MergeTable
  private let unknown: UnknownToken?
  private let fusesUnknown: Bool
  private let prefix: [UInt8]
  private let suffix: [UInt8]
  private let ignoresMerges: Bool
  /// Ids of `<0x00>` to `<0xFF>`, empty without byte fallback; -1 for those that are missing.
  private let byteTokens: [Int32]
  /// Ids of the first scalars, which a byte-level vocabulary consists of; -1 for none.
  private let scalarTokens: [Int32]

  /// Reads the model; dropout is a matter of training and left out.
  init(_ field: JSONField, _ vocabulary: Vocabulary, _ merges: MergeList?) throws(HubError) {
    self.vocabulary = vocabulary
    let unknownField = field["unk_token"]
    unknown =
      unknownField.exists
      ? UnknownToken(try unknownField.string(), vocabulary, field: unknownField) : nil
    fusesUnknown = try field["fuse_unk"].bool(default: false)
    ignoresMerges = try field["ignore_merges"].bool(default: false)
    prefix = try field["continuing_subword_prefix"].string(default: "").bytes
    suffix = try field["end_of_word_suffix"].string(default: "").bytes
    let dropout = try field["dropout"].double(default: 0)
    guard 0...1 ~= dropout else { throw field["dropout"].error(expected: "a number from 0 to 1") }
    var byteTokens: [Int32] = []
    if try field["byte_fallback"].bool(default: false) {
      byteTokens = vocabulary.byteTokens
    }
    self.byteTokens = byteTokens
    scalarTokens = (UInt32(0)..<0x180).map { scalar in
      var bytes: [UInt8] = []
      appendUTF8(scalar, to: &bytes)
      return vocabulary.id(of: bytes) ?? -1
    }
    let list = if let merges { merges } else { try MergeList(field["merges"]) }
    self.merges = try MergeTable(
      list, vocabulary, prefixLength: prefix.count, field: field["merges"])
  }

  /// Buffers that one encoding uses for all its words.
  struct Scratch {
    fileprivate var symbols: [Symbol] = []
    fileprivate var ranks: [UInt64] = []
    fileprivate var heap: [UInt64] = []
    fileprivate var piece: [UInt8] = []
  }

  /// A token in the making, linked to its neighbours; a length of 0 means merged away.
  fileprivate struct Symbol {
    var id: Int32
    var length: Int32
    var previous: Int32
    var next: Int32
  }

  func tokenize(
    _ word: UnsafeBufferPointer<UInt8>, _ scratch: inout Scratch, into tokens: inout [WordToken]
  ) throws(HubError) {
    guard let base = word.baseAddress else { return }
    if ignoresMerges {
      var hash = vocabulary.emptyHash
      for byte in word { hash.combine(byte) }
      let id = vocabulary.find(base, word.count, hash)
      if id >= 0 {
        tokens.append(WordToken(id: id, start: 0, end: Int32(word.count)))
        return
      }
    }
    try split(word, &scratch)
    // Rescanning a short word for its best pair is faster than keeping order among the pairs.
    if scratch.symbols.count <= 48 { mergeByScanning(&scratch) } else { mergeByHeap(&scratch) }
    var position: Int32 = 0
    for symbol in scratch.symbols where symbol.length > 0 {
      tokens.append(
        WordToken(id: symbol.id, start: position, end: position + symbol.length))
      position += symbol.length
    }
  }

  // MARK: First tokens

  /// One symbol for each scalar, or what stands in for one that is no token.
  private func split(
    _ word: UnsafeBufferPointer<UInt8>, _ scratch: inout Scratch
  ) throws(HubError) {
    guard let base = word.baseAddress else { return }
    scratch.symbols.removeAll(keepingCapacity: true)
    let isPlain = prefix.isEmpty && suffix.isEmpty
    // Unknown scalars not yet written, so that neighbours can be fused.
    var pending: (id: Int32, length: Int32)?
    var index = 0
    while index < word.count {
      let (scalar, length) = UTF8Text.decode(base, at: index)
      let isLast = index + length == word.count
      var id: Int32 = -1
      if isPlain {
        if scalar < 0x180 {
          id = scalarTokens[Int(scalar)]
        } else {
          var hash = vocabulary.emptyHash
          for offset in 0..<length { hash.combine(base[index + offset]) }
          id = vocabulary.find(base + index, length, hash)
        }
      } else {
        scratch.piece.removeAll(keepingCapacity: true)
        if index > 0 { scratch.piece += prefix }
        for offset in 0..<length { scratch.piece.append(base[index + offset]) }
        if isLast { scratch.piece += suffix }
        id = vocabulary.id(of: scratch.piece) ?? -1
      }
      let start = index
      index += length
      if id >= 0 {
        if let unknown = pending { append(unknown.id, unknown.length, &scratch) }
        pending = nil
        append(id, Int32(length), &scratch)
        continue
      }
      if !byteTokens.isEmpty {
        if isPlain {
          scratch.piece.removeAll(keepingCapacity: true)
          for offset in 0..<length { scratch.piece.append(base[start + offset]) }
        }
        if scratch.piece.allSatisfy({ byteTokens[Int($0)] >= 0 }) {
          // As in the original, an unknown token before these bytes is written after them.
          for byte in scratch.piece { append(byteTokens[Int(byte)], 1, &scratch) }
          continue
        }
      }
      guard let unknown else { continue }
      if let last = pending {
        if fusesUnknown {
          pending = (last.id, last.length + Int32(length))
          continue
        }
        append(last.id, last.length, &scratch)
      }
      pending = (try unknown.required(), Int32(length))
    }
    if let unknown = pending { append(unknown.id, unknown.length, &scratch) }
  }

  @inline(__always)
  private func append(_ id: Int32, _ length: Int32, _ scratch: inout Scratch) {
    let number = Int32(scratch.symbols.count)
    if number > 0 { scratch.symbols[Int(number) - 1].next = number }
    scratch.symbols.append(Symbol(id: id, length: length, previous: number - 1, next: -1))
  }

  // MARK: Merging

  private func mergeByScanning(_ scratch: inout Scratch) {
    var count = scratch.symbols.count
    guard count > 1 else { return }
    scratch.ranks.removeAll(keepingCapacity: true)
    for index in 1..<count {
      scratch.ranks.append(
        merges.find(scratch.symbols[index - 1].id, scratch.symbols[index].id))
    }
    scratch.symbols.withUnsafeMutableBufferPointer { symbols in
      scratch.ranks.withUnsafeMutableBufferPointer { ranks in
        while true {
          // Ranks stand in the high half: the least value is the earliest pair.
          var best = MergeTable.none
          var place = -1
          for index in 0..<(count - 1) where ranks[index] < best {
            best = ranks[index]
            place = index
          }
          if place < 0 { break }
          symbols[place].id = MergeTable.token(best)
          symbols[place].length += symbols[place + 1].length
          count -= 1
          for index in (place + 1)..<max(count, place + 1) { symbols[index] = symbols[index + 1] }
          for index in place..<max(count - 1, place) { ranks[index] = ranks[index + 1] }
          if place > 0 {
            ranks[place - 1] = merges.find(symbols[place - 1].id, symbols[place].id)
          }
          if place < count - 1 {
            ranks[place] = merges.find(symbols[place].id, symbols[place + 1].id)
          }
        }
      }
    }
    scratch.symbols.removeSubrange(count...)
  }

  private func mergeByHeap(_ scratch: inout Scratch) {
    scratch.heap.removeAll(keepingCapacity: true)
    for index in 1..<scratch.symbols.count {
      let merge = merges.find(scratch.symbols[index - 1].id, scratch.symbols[index].id)
      if merge != MergeTable.none {
        scratch.heap.append((merge >> 32) << 32 | UInt64(index - 1))
      }
    }
    var heap = MinimumHeap(scratch.heap)
    scratch.symbols.withUnsafeMutableBufferPointer { symbols in
      while let top = heap.pop() {
        let place = Int(top & 0xFFFF_FFFF)
        guard symbols[place].length > 0, symbols[place].next >= 0 else { continue }
        let right = symbols[Int(symbols[place].next)]
        let merge = merges.find(symbols[place].id, right.id)
        // The pair may have changed since it was queued.
        guard merge != MergeTable.none, merge >> 32 == top >> 32 else { continue }
        symbols[Int(symbols[place].next)].length = 0
        symbols[place].id = MergeTable.token(merge)
        symbols[place].length += right.length
        symbols[place].next = right.next
        if right.next >= 0 {
          symbols[Int(right.next)].previous = Int32(place)
          let pair = merges.find(symbols[place].id, symbols[Int(right.next)].id)
          if pair != MergeTable.none { heap.push((pair >> 32) << 32 | UInt64(place)) }
        }
        let previous = symbols[place].previous
        if previous >= 0 {
          let pair = merges.find(symbols[Int(previous)].id, symbols[place].id)
          if pair != MergeTable.none { heap.push((pair >> 32) << 32 | UInt64(previous)) }
        }
      }
    }
    scratch.heap = heap.elements
  }
}

/// Which pairs of tokens merge, how early, and into what.
private final class MergeTable: @unchecked Sendable {
  /// No merge: later than any other.
  static let none = UInt64.max

  private let entries: UnsafeMutablePointer<(key: UInt64, value: UInt64)>
  private let mask: Int

  /// Looks the tokens of each merge up.
  init(
    _ list: MergeList, _ vocabulary: Vocabulary, prefixLength: Int, field: JSONField
  ) throws(HubError) {
    var size = 16
    while size < list.ends.count * 2 { size *= 2 }
    mask = size - 1
    entries = .allocate(capacity: size)
    // No pair has the ids -1 and -1.
    entries.initialize(repeating: (.max, MergeTable.none), count: size)
    let wrong = list.bytes.withUnsafeBufferPointer { bytes in
      fill(bytes, list.ends, vocabulary, prefixLength)
    }
    if let wrong {
      throw HubError(
        file: field.file, key: "\(field.path)[\(wrong.number)]",
        expected: "merges of tokens of the vocabulary", found: "\(wrong.token)")
    }
  }

  /// Fills the table; returns the first merge with a token that is not there.
  private func fill(
    _ bytes: UnsafeBufferPointer<UInt8>, _ ends: [(left: UInt32, right: UInt32)],
    _ vocabulary: Vocabulary, _ prefixLength: Int
  ) -> (number: Int, token: ByteString)? {
    guard let base = bytes.baseAddress else {
      return ends.isEmpty ? nil : (0, ByteString([]))
    }
    var start = 0
    for (number, end) in ends.enumerated() {
      let middle = Int(end.left)
      let tail = min(middle + prefixLength, Int(end.right))
      var leftHash = vocabulary.emptyHash
      for index in start..<middle { leftHash.combine(base[index]) }
      let left = vocabulary.find(base + start, middle - start, leftHash)
      var rightHash = vocabulary.emptyHash
      for index in middle..<Int(end.right) { rightHash.combine(base[index]) }
      let right = vocabulary.find(base + middle, Int(end.right) - middle, rightHash)
      // What they make is the left one and the right one without the prefix of continuations.
      for index in tail..<Int(end.right) { leftHash.combine(base[index]) }
      let whole = vocabulary.find(
        prefix: UnsafeBufferPointer(rebasing: bytes[start..<middle]), base + tail,
        Int(end.right) - tail, leftHash)
      guard left >= 0, right >= 0, whole >= 0 else {
        if left < 0 { return (number, ByteString(Array(bytes[start..<middle]))) }
        if right < 0 { return (number, ByteString(Array(bytes[middle..<Int(end.right)]))) }
        return (
          number,
          ByteString(Array(bytes[start..<middle]) + Array(bytes[tail..<Int(end.right)]))
        )
      }
      insert(left, right, UInt64(number) << 32 | UInt64(whole))
      start = Int(end.right)
    }
    return nil
  }

  deinit { entries.deallocate() }

  @inline(__always)
  private func slot(_ key: UInt64) -> Int {
    let mixed = (key ^ key >> 31) &* 0x9E37_79B9_7F4A_7C15
    return Int(truncatingIfNeeded: mixed >> 20) & mask
  }

  private func insert(_ left: Int32, _ right: Int32, _ value: UInt64) {
    let key = UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    var slot = slot(key)
    while entries[slot].key != .max, entries[slot].key != key { slot = (slot + 1) & mask }
    entries[slot] = (key, value)
  }

  /// The rank in the high half and the merged token in the low one, or `none`.
  @inline(__always)
  func find(_ left: Int32, _ right: Int32) -> UInt64 {
    let key = UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    var slot = slot(key)
    while entries[slot].key != key {
      if entries[slot].key == .max { return MergeTable.none }
      slot = (slot + 1) & mask
    }
    return entries[slot].value
  }

  /// The merged token of what `find` returned.
  @inline(__always)
  static func token(_ merge: UInt64) -> Int32 { Int32(truncatingIfNeeded: merge & 0x7FFF_FFFF) }
}

/// A binary heap, the least element on top.
struct MinimumHeap {
  private(set) var elements: [UInt64]

  init(_ elements: [UInt64]) {
    self.elements = elements
    for index in stride(from: elements.count / 2 - 1, through: 0, by: -1) { sink(index) }
  }

  mutating func push(_ element: UInt64) {
    elements.append(element)
    var index = elements.count - 1
    elements.withUnsafeMutableBufferPointer { heap in
      while index > 0 {
        let parent = (index - 1) / 2
        if heap[parent] <= element { break }
        heap[index] = heap[parent]
        index = parent
      }
      heap[index] = element
    }
  }

  mutating func pop() -> UInt64? {
    guard let top = elements.first, let last = elements.popLast() else { return nil }
    if !elements.isEmpty {
      elements[0] = last
      sink(0)
    }
    return top
  }

  private mutating func sink(_ start: Int) {
    elements.withUnsafeMutableBufferPointer { heap in
      let element = heap[start]
      var index = start
      while true {
        var child = 2 * index + 1
        if child >= heap.count { break }
        if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
        if element <= heap[child] { break }
        heap[index] = heap[child]
        index = child
      }
      heap[index] = element
    }
  }
}
