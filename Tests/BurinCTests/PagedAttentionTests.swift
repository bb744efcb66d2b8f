import BurinIR
import Testing

@testable import BurinC

/// Attention over the pages of a cache, and the laws about bits.
@Suite(.enabled(if: Clang.isPresent)) struct PagedAttentionTests {
  static let (batch, seq) = (KernelCase.batch, KernelCase.seq)
  static let context = Dim(Symbol("context", maximum: 1024))

  /// Heads over a cache of keys and values in pages, and its three kernels.
  struct Cache {
    let heads: Int
    let groups: Int
    let width: Int
    let room: Int
    let kernels: [Kernel]
    let pageBytes: Int

    init(
      heads: Int, groups: Int, width: Int, room: Int, element: ElementType = .f32
    ) throws {
      (self.heads, self.groups, self.width, self.room) = (heads, groups, width, room)
      let keyBytes = groups * Place.PageRole.keys.bytes(element, width: width)
      let bytes = keyBytes + groups * Place.PageRole.values.bytes(element, width: width) + 128
      pageBytes = bytes
      func rows(_ count: Int) -> Place {
        Place(dense: TensorType(.f32, [batch, seq, Dim(count), Dim(width)]))
      }
      func pages(_ role: Place.PageRole) -> Place {
        Place(
          TensorType(element, [batch, context, Dim(groups), Dim(width)]),
          .pages(
            role, cache: 0, offset: role == .keys ? 64 : 128 + keyBytes, pageBytes: bytes))
      }
      let perSequence = Place(dense: TensorType(.i32, [batch]))
      let appends = try [Place.PageRole.keys, .values].map { role in
        try appendKernel(
          .append(
            cache: pages(role), values: rows(groups), start: perSequence, counts: perSequence),
          name: nil)
      }
      let attention = try attentionKernel(
        .attention(
          query: rows(heads), key: pages(.keys), value: pages(.values),
          scores: Scores(scale: 0.25, masks: [.causal(start: perSequence)]), tile: nil),
        name: nil)
      kernels = appends + [attention]
    }
  }

  /// The attention of each position to all before it, the sequences given in pieces.
  static func run(
    _ cache: Cache, _ program: KernelProgram, pieces: [Int], threads: Int32,
    _ q: [Float], _ k: [Float], _ v: [Float]
  ) throws -> [Float] {
    let total = pieces.reduce(0, +)
    let sequences = 2
    let perSequence = (cache.room + 63) / 64
    // All ones is a NaN: what is not written must not count. Pages lie in no order.
    let count = sequences * perSequence
    let pool = Memory(.u8, count: (count + 1) * cache.pageBytes)
    for index in 0..<(count + 1) * cache.pageBytes { pool[index] = 255 }
    let table = (0..<count).map { Int32(($0 * 5 + 3) % count + 1) }
    let paging = KernelProgram.Paging(pool: pool.address, table: table, stride: perSequence)
    func rows(_ all: [Float], _ width: Int, from start: Int, _ count: Int) -> Memory {
      let memory = Memory(.f32, count: sequences * count * width)
      for sequence in 0..<sequences {
        for index in 0..<count * width {
          memory[sequence * count * width + index] =
            Double(all[(sequence * total + start) * width + index])
        }
      }
      return memory
    }
    func pair(_ value: Int) -> Memory {
      let memory = Memory(.i32, count: sequences)
      for sequence in 0..<sequences { memory[sequence] = Double(value) }
      return memory
    }
    var out = [Float](repeating: 0, count: q.count)
    let (inner, outer) = (cache.groups * cache.width, cache.heads * cache.width)
    var start = 0
    for piece in pieces {
      let extents = ["batch": sequences, "seq": piece, "context": cache.room]
      let (begin, number) = (pair(start), pair(piece))
      for (index, new) in [rows(k, inner, from: start, piece), rows(v, inner, from: start, piece)]
        .enumerated()
      {
        try program.call(
          index, threads: threads, extents, [nil, new.address, begin.address, number.address], nil,
          paging)
      }
      let queries = rows(q, outer, from: start, piece)
      let result = Memory(.f32, count: sequences * piece * outer)
      try program.call(
        2, threads: threads, extents, [queries.address, nil, nil, begin.address], result.address,
        paging)
      for sequence in 0..<sequences {
        for index in 0..<piece * outer {
          out[(sequence * total + start) * outer + index] =
            Float(result[sequence * piece * outer + index])
        }
      }
      start += piece
    }
    return out
  }

  @Test(arguments: [(2, 2, 16), (4, 2, 20), (3, 1, 8), (1, 1, 64), (2, 1, 35)])
  func piecesGiveTheSameBits(heads: Int, groups: Int, width: Int) throws {
    for element in [ElementType.f32, .bf16, .q8] {
      try piecesGiveTheSameBits(heads: heads, groups: groups, width: width, element)
    }
  }

  private func piecesGiveTheSameBits(
    heads: Int, groups: Int, width: Int, _ element: ElementType
  ) throws {
    let total = 337
    let cache = try Cache(
      heads: heads, groups: groups, width: width, room: 400, element: element)
    let program = try KernelProgram(cache.kernels)
    var random = Splitmix(state: 3)
    func values(_ heads: Int) -> [Float] {
      (0..<2 * total * heads * width).map { _ in Float.random(in: -2...2, using: &random) }
    }
    let (q, k, v) = (values(heads), values(groups), values(groups))
    let whole = try Self.run(cache, program, pieces: [total], threads: 2, q, k, v)
    let pieces = [70, 1, 1, 130, 16, 17, 60, 1, 2, 39]
    for threads in [1, 2, 3] as [Int32] {
      let parts = try Self.run(cache, program, pieces: pieces, threads: threads, q, k, v)
      let isSame = parts.map(\.bitPattern) == whole.map(\.bitPattern)
      #expect(isSame, "\(element.rawValue), \(threads) threads")
    }

    func array(_ heads: Int, _ values: [Float]) -> NumericArray {
      NumericArray([2, total, heads, width], floats: values)
    }
    func rounded(_ values: [Float]) throws -> NumericArray {
      try interpret(.cast(array(groups, values), to: element), extents: [:])[0]
    }
    let exact = try interpret(
      .attention(
        query: array(heads, q), key: rounded(k), value: rounded(v),
        scores: Scores(scale: 0.25, masks: [.causal(start: nil)]), tile: nil),
      extents: [:])[0]
    let worst = zip(whole, exact.values).map { abs(Double($0) - $1) }.max() ?? .nan
    #expect(worst < 1e-5)
  }

  /// A key that is NaN makes every score that sees it one, in whatever type the cache keeps it.
  @Test(arguments: [ElementType.f32, .bf16, .q8])
  func keysThatAreNoNumbersStay(element: ElementType) throws {
    let (heads, width, total, place) = (2, 40, 30, 20)
    let cache = try Cache(heads: heads, groups: heads, width: width, room: 64, element: element)
    let program = try KernelProgram(cache.kernels)
    var random = Splitmix(state: 4)
    let row = heads * width
    func values() -> [Float] {
      (0..<2 * total * row).map { _ in Float.random(in: -2...2, using: &random) }
    }
    let (q, v) = (values(), values())
    var k = values()
    // One number of the first head's second block, in the first sequence.
    k[place * row + 35] = .nan
    for pieces in [[total], [17, 3, 1, 9]] {
      let out = try Self.run(cache, program, pieces: pieces, threads: 1, q, k, v)
      for index in out.indices {
        let isLost = index < total * row && index / row >= place && index % row < width
        #expect(out[index].isNaN == isLost, "\(index / row), \(index % row)")
        if out[index].isNaN != isLost { return }
      }
    }
  }

  @Test func neighboursAndPaddingChangeNoBit() throws {
    let (heads, width) = (2, 32)
    let type = TensorType(.f32, [Self.batch, Self.seq, Dim(heads), Dim(width)])
    let padding = Place(dense: TensorType(.i32, [Self.batch, Self.seq]))
    let lengths = Place(dense: TensorType(.i32, [Self.batch]))
    let masks: [Mask<Place>] = [.padding(padding), .lengths(lengths)]
    let kernels = try masks.enumerated().map { number, mask in
      try attentionKernel(
        .attention(
          query: Place(dense: type), key: Place(dense: type), value: Place(dense: type),
          scores: Scores(scale: 0.2, masks: [mask]), tile: nil),
        name: "attention_\(number)")
    }
    let program = try KernelProgram(kernels)
    var random = Splitmix(state: 5)
    let row = heads * width
    let sequences = [5, 0, 300, 64, 257].map { length in
      (0..<3).map { _ in
        (0..<length * row).map { _ in Double(Float.random(in: -2...2, using: &random)) }
      }
    }
    /// The valid rows of each sequence, padded with what must not matter.
    func attend(_ batch: [[[Double]]], length: Int, kernel: Int) throws -> [[UInt32]] {
      let operands = (0..<3).map { operand in
        let memory = Memory(.f32, count: batch.count * length * row)
        for (number, sequence) in batch.enumerated() {
          for index in 0..<length * row {
            memory[number * length * row + index] =
              index < sequence[operand].count ? sequence[operand][index] : -1e30
          }
        }
        return memory
      }
      let mask = Memory(.i32, count: batch.count * (kernel == 0 ? length : 1))
      for (number, sequence) in batch.enumerated() {
        let count = sequence[0].count / row
        if kernel == 1 { mask[number] = Double(count) }
        for key in 0..<length where kernel == 0 {
          mask[number * length + key] = key < count ? 1 : 0
        }
      }
      let out = Memory(.f32, count: batch.count * length * row)
      try program.call(
        kernel, threads: 2, ["batch": batch.count, "seq": length],
        operands.map(\.address) + [mask.address], out.address)
      return batch.enumerated().map { number, sequence in
        // A sequence without keys gives zeros everywhere.
        let count = sequence[0].isEmpty ? length * row : sequence[0].count
        return (0..<count).map { Float(out[number * length * row + $0]).bitPattern }
      }
    }
    for kernel in 0..<2 {
      let together = try attend(sequences, length: 300, kernel: kernel)
      let longer = try attend(Array(sequences.reversed()), length: 417, kernel: kernel)
      for (number, sequence) in sequences.enumerated() {
        let length = max(1, sequence[0].count / row)
        let alone = try attend([sequence], length: length, kernel: kernel)[0]
        if sequence[0].isEmpty {
          let isZero = together[number].allSatisfy { $0 == 0 }
          #expect(isZero)
        } else {
          let (isSame, isSameLonger) = (together[number] == alone, longer[4 - number] == alone)
          #expect(isSame, "sequence \(number) of a batch")
          #expect(isSameLonger, "sequence \(number) in a longer batch")
        }
      }
    }
  }
}
