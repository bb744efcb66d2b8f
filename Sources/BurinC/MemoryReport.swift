import BurinIR

/// How much memory one entry needs, for `inspect --memory`.
public struct MemoryReport: Sendable {
  /// A slot of the arena and what takes turns in it.
  public struct Slot: Sendable {
    /// The sizes in bytes of what it holds; it is as large as the largest.
    public let sizes: [Dim]
    /// What takes turns in it: a noun and a type each.
    public let tensors: [String]

    /// The size at given extents.
    public func bytes(_ symbols: [String: Int]) -> Int {
      sizes.compactMap { $0.evaluate(symbols) }.max() ?? 0
    }
  }

  /// The entry's name.
  public let entry: String
  /// What the arena consists of.
  public let slots: [Slot]
  /// What all tensors would take without reuse, in bytes.
  public let withoutReuse: Dim

  init(_ entry: EntryPlan) {
    self.entry = entry.name
    slots = entry.slots.enumerated().map { index, sizes in
      var tensors: [String] = []
      for buffer in entry.buffers where buffer.slot == index {
        let text = "\(buffer.noun) \(buffer.type)"
        if !tensors.contains(text) { tensors.append(text) }
      }
      return Slot(sizes: sizes, tensors: tensors)
    }
    withoutReuse = entry.buffers.reduce(0) { $0 + $1.type.bytes }
  }

  /// The size of the arena at given extents, in bytes.
  public func bytes(_ symbols: [String: Int]) -> Int {
    slots.reduce(0) { $0 + $1.bytes(symbols) }
  }
}

/// How much memory a sequence's cache needs, for `inspect --memory`.
public struct CacheReport: Sendable {
  /// Positions in one page.
  public static let pagePositions = 64

  /// How many positions up to a query's own are kept; all of them if `nil`.
  public let window: Int?
  /// Bytes of a page.
  public let pageBytes: Int
  /// How many states lie in it: keys and values of each layer.
  public let states: Int
  /// Their types, each once.
  public let types: [ElementType]
  /// The most positions of a sequence.
  public let context: Int

  init(_ cache: MemoryPlan.Cache, states: [TensorType]) {
    window = cache.window
    pageBytes = cache.pageBytes
    self.states = states.count
    var types: [ElementType] = []
    for type in states where !types.contains(type.element) { types.append(type.element) }
    self.types = types
    context = states.map { $0.shape[1].maximum }.max() ?? 0
  }

  /// The pages of so many positions, in bytes.
  public func bytes(of positions: Int) -> Int {
    (positions + Self.pagePositions - 1) / Self.pagePositions * pageBytes
  }
}
