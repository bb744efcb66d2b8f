import BurinIR
import CBurin
import Glibc
import Synchronization

/// A loaded model with memory to work in, and with the sequences that it remembers.
///
/// A session may be used from any thread; calls take turns.
public final class Session: Sendable {
  // Not the model itself, which holds a session of its own.
  private let interface: LibraryInterface
  private let outputCounts: [String: Int]
  private let remembers: Bool
  private let handle: Handle
  /// Held from a call until its outputs have been copied, for the next call overwrites them; with
  /// the ids that each sequence holds, as far as they are known.
  private let turn = Mutex<[Int: [Int32]]>([:])

  /// The library locks the session itself, so the pointer may be used by any thread.
  private struct Handle: @unchecked Sendable {
    let pointer: OpaquePointer
  }

  /// Makes a session; the first one in a process also checks the model's weights.
  ///
  /// - Parameters:
  ///   - limits: the most that the session shall take of some symbols; the others keep their
  ///     compiled maximum. Memory is used only as far as calls need it.
  ///   - threads: 0 for as many as OpenMP would take.
  /// - Throws: `ModelError`.
  public init(_ model: CompiledModel, limits: [String: Int] = [:], threads: Int = 0) throws {
    let interface = model.interface
    self.interface = interface
    remembers = model.hasStates
    outputCounts = Dictionary(
      model.entries.map { ($0.name, $0.outputs.count) }, uniquingKeysWith: { one, _ in one })
    let names = limits.map { strdup($0.key) }
    defer { for name in names { free(name) } }
    let list = zip(names, limits.values).map {
      burin_limit(symbol: UnsafePointer($0), maximum: Int64($1))
    }
    var pointer: OpaquePointer?
    let status = list.withUnsafeBufferPointer { list in
      var options = burin_options(
        size: MemoryLayout<burin_options>.size, threads: Int32(clamping: threads),
        limit_count: Int32(list.count), limits: list.baseAddress)
      return interface.create(&options, &pointer)
    }
    guard status == 0, let pointer else { throw interface.error(status) }
    handle = Handle(pointer: pointer)
  }

  deinit { interface.free(handle.pointer) }

  /// Runs an entry; the outputs are the caller's own.
  ///
  /// - Parameter outputs: the names of those that are wanted; `nil` for all.
  /// - Throws: `ModelError`; then nothing has changed.
  public func run(
    _ entry: String, _ inputs: [String: HostTensor], outputs wanted: [String]? = nil
  ) throws -> [String: HostTensor] {
    let count = wanted?.count ?? outputCounts[entry] ?? 0
    let names = (Array(inputs.keys) + (wanted ?? [])).map { strdup($0) }
    defer { for name in names { free(name) } }
    let given = zip(names, inputs.values).map { name, tensor in
      tensor.withUnsafeBytes { interfaceTensor(name, tensor, $0) }
    }
    let results = names.dropFirst(inputs.count)
    var found = (0..<count).map { index in
      var output = burin_tensor()
      if index < results.count { output.name = UnsafePointer(results[inputs.count + index]) }
      return output
    }
    return try turn.withLock { held in
      // The tensors that the pointers lead into must outlive the call.
      let status = withExtendedLifetime(inputs) {
        interface.run(
          handle.pointer, entry, given, Int32(given.count), &found, Int32(found.count))
      }
      guard status == 0 else { throw interface.error(status) }
      if remembers { note(inputs, &held) }
      return Dictionary(
        found.map { (String(cString: $0.name), hostTensor($0)) }, uniquingKeysWith: { $1 })
    }
  }

  // MARK: Sequences

  /// How many positions a sequence of the batch holds.
  public func length(of sequence: Int) throws -> Int {
    try turn.withLock { _ in try lockedLength(of: sequence) }
  }

  /// Forgets the positions of a sequence from `length` on; 0 starts it again.
  public func truncate(_ sequence: Int, to length: Int) throws {
    try turn.withLock { held in try lockedTruncate(sequence, to: length, &held) }
  }

  /// Lets a sequence hold only the positions that it has in common with a text's ids, from the
  /// first on, so that only the others need be computed; the last id is always left to compute.
  ///
  /// - Returns: how many ids the sequence holds now: `ids[result...]` are what a step has to take.
  public func reset(to ids: [Int32], sequence: Int = 0) throws -> Int {
    try turn.withLock { held in
      var common = 0
      // Ids that came another way than through `run` are not known; then nothing is kept.
      if let known = held[sequence], try known.count == lockedLength(of: sequence) {
        while common < min(known.count, ids.count - 1), known[common] == ids[common] { common += 1 }
      }
      do {
        try lockedTruncate(sequence, to: common, &held)
      } catch is ModelError where common > 0 {
        // A cache that holds only a window cannot go back to every length.
        common = 0
        try lockedTruncate(sequence, to: 0, &held)
      }
      return common
    }
  }

  /// Makes sequence `to` a copy of sequence `from`; they share memory until they differ.
  public func fork(_ from: Int, to: Int) throws {
    try turn.withLock { held in
      try check(interface.fork(handle.pointer, Int64(from), Int64(to)))
      held[to] = held[from]
    }
  }

  /// Makes each of the first sequences a copy of what was the sequence at its place in `sources`.
  public func reorder(_ sources: [Int]) throws {
    try turn.withLock { held in
      try check(interface.reorder(handle.pointer, sources.map(Int64.init), Int64(sources.count)))
      let old = held
      for (place, source) in sources.enumerated() { held[place] = old[source] }
    }
  }

  private func lockedLength(of sequence: Int) throws -> Int {
    var length: Int64 = 0
    try check(interface.length(handle.pointer, Int64(sequence), &length))
    return Int(length)
  }

  private func lockedTruncate(
    _ sequence: Int, to length: Int, _ held: inout [Int: [Int32]]
  ) throws {
    try check(interface.truncate(handle.pointer, Int64(sequence), Int64(length)))
    if length == 0 {
      held[sequence] = []
    } else if let known = held[sequence], known.count > length {
      held[sequence] = Array(known[..<length])
    }
  }

  /// Notes the ids that a call has appended to each sequence; what it did to a sequence whose length
  /// they do not explain, nobody knows.
  private func note(_ inputs: [String: HostTensor], _ held: inout [Int: [Int32]]) {
    guard let input = inputs["input_ids"], input.shape.count == 2, input.shape[1] > 0,
      let ids = input.integers
    else { return }
    let width = input.shape[1]
    let counts = inputs["counts"]?.integers ?? Array(repeating: width, count: input.shape[0])
    for sequence in 0..<input.shape[0] {
      let row = ids[sequence * width..<sequence * width + min(counts[sequence], width)]
      let known = (held[sequence] ?? []).count + row.count
      if let length = try? lockedLength(of: sequence), length == known {
        held[sequence, default: []] += row.map { Int32(truncatingIfNeeded: $0) }
      }
    }
  }

  private func check(_ status: Int32) throws {
    guard status == 0 else { throw interface.error(status) }
  }
}

private func interfaceTensor(
  _ name: UnsafeMutablePointer<CChar>?, _ tensor: HostTensor, _ bytes: UnsafeRawBufferPointer
) -> burin_tensor {
  var result = burin_tensor()
  result.name = UnsafePointer(name)
  result.type = tensor.element.interfaceCode
  // A rank beyond what there is room for is refused by its number.
  result.rank = Int32(clamping: tensor.shape.count)
  withUnsafeMutableBytes(of: &result.extents) { extents in
    let extents = extents.bindMemory(to: Int64.self)
    for (axis, extent) in tensor.shape.prefix(extents.count).enumerated() {
      extents[axis] = Int64(extent)
    }
  }
  // Empty memory has no address, but it is not what is wrong with the tensor.
  result.data =
    bytes.baseAddress.map(UnsafeMutableRawPointer.init(mutating:))
    ?? UnsafeMutableRawPointer(bitPattern: 64)
  result.bytes = bytes.count
  return result
}

private func hostTensor(_ tensor: burin_tensor) -> HostTensor {
  let shape = withUnsafeBytes(of: tensor.extents) {
    $0.bindMemory(to: Int64.self).prefix(Int(tensor.rank)).map(Int.init)
  }
  return HostTensor(
    ElementType(interfaceCode: tensor.type) ?? .u8, shape: shape,
    copying: UnsafeRawBufferPointer(start: tensor.data, count: tensor.bytes))
}
