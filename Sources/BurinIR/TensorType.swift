/// The type of one element, spelled as in the IR's text.
public enum ElementType: String, Hashable, Sendable, CaseIterable {
  /// Floating-point numbers of IEEE 754 and bfloat16, integers with and without a sign, and truth, of
  /// which one takes a byte.
  case f32, f16, bf16, i64, i32, i8, u8, bool
  /// Blocks of 32 along the last axis, of which the last may be shorter: an f32 scale and as many of
  /// i8, the scale's multiples.
  case q8
  /// Weights in whole blocks of 32 along the last axis: turned by the Hadamard matrix, then rounded to
  /// multiples of a bf16 scale of either sign, from -140 to 115.
  case w8
  /// The same with an f16 scale and multiples from -8 to 7, chosen for the least error.
  case w4
  /// What multiplies such weights: rows of activations, turned, then rounded to multiples of an f32
  /// scale, from -127 to 127.
  case r8

  /// Bytes that one element takes in memory; of a block its share without the scale, rounded up.
  public var bytes: Int {
    switch self {
    case .i64: 8
    case .f32, .i32: 4
    case .f16, .bf16: 2
    case .i8, .u8, .bool, .q8, .w8, .w4, .r8: 1
    }
  }

  /// Whether values are floating point.
  public var isFloat: Bool {
    switch self {
    case .f32, .f16, .bf16, .q8, .w8, .w4, .r8: true
    case .i64, .i32, .i8, .u8, .bool: false
    }
  }

  /// How many elements share a scale, or 1.
  public var block: Int { self == .q8 || isTurned ? 32 : 1 }

  /// Whether elements are turned in blocks before they are rounded.
  public var isTurned: Bool { self == .w8 || self == .w4 || self == .r8 }

  /// Whether products round to the type as they store: it is what they take beside f32.
  public var isCastOfProducts: Bool { self == .bf16 || self == .r8 }

  /// Whether kernels over rows of so many columns round to the type as they store: a row of blocks
  /// lies on the stack before it is rounded.
  public func isCastOfRows(of width: Dim) -> Bool {
    self == .bf16 || self == .r8 && width.constant.map { $0 <= 1 << 16 } ?? false
  }

  /// The bytes of `block` elements: of rows, the scale and a start for sums stand before them.
  public var blockBytes: Int {
    switch self {
    case .q8: 4 + 32
    case .w8: 2 + 32
    case .w4: 2 + 16
    case .r8: 8 + 32
    default: bytes
    }
  }

  /// Whether values are integers (`bool` is neither).
  public var isInteger: Bool { !isFloat && self != .bool }

  /// The type in which a `linear` adds up products of this type, and that of its result.
  public var sum: ElementType { isFloat ? .f32 : .i32 }

  /// How many consecutive terms of a product lie side by side in a packed weight: those that fill 32
  /// bits, which the instructions for narrow types multiply and add as one. f16 has no such
  /// instructions that add in f32.
  public var termsPerGroup: Int { self == .w4 ? 8 : self == .f16 ? 1 : max(1, 4 / bytes) }
}

/// The type of a tensor: an element type and the extent of each axis, outermost first.
public struct TensorType: Hashable, Sendable, CustomStringConvertible {
  /// The type of one element.
  public var element: ElementType
  /// The extents, outermost first.
  public var shape: [Dim]

  /// A type.
  public init(_ element: ElementType, _ shape: [Dim]) {
    self.element = element
    self.shape = shape
  }

  /// Which symbols of an input of this type have the values of which others where the input is absent
  /// and a value of type `fallback` stands for it; none where the types are equal, and `nil` where it
  /// cannot stand for it.
  public func extents(
    like fallback: TensorType
  ) -> [(symbol: Symbol, other: Symbol)]? {
    guard element == fallback.element, rank == fallback.rank else { return nil }
    var pairs: [(symbol: Symbol, other: Symbol)] = []
    for (mine, other) in zip(shape, fallback.shape) where mine != other {
      guard let symbol = mine.symbol, let other = other.symbol else { return nil }
      pairs.append((symbol, other))
    }
    return pairs
  }

  /// The number of axes.
  public var rank: Int { shape.count }

  /// The number of elements.
  public var count: Dim { shape.product }

  /// The memory that a dense tensor of this type takes.
  public var bytes: Dim {
    element == .q8
      ? count + count / element.block * 4 : count / element.block * Dim(element.blockBytes)
  }

  /// The type as the IR's text spells it: `f32[batch, seq, 768]`.
  public var description: String {
    element.rawValue + "[" + shape.map(\.description).joined(separator: ", ") + "]"
  }
}

/// The type of a node: one tensor, or a tuple of tensors that only `part` takes apart.
public enum ValueType: Hashable, Sendable, CustomStringConvertible {
  /// One tensor.
  case tensor(TensorType)
  /// What an operation with several results gives.
  case tuple([TensorType])

  /// The tensor type, or `nil` for a tuple.
  public var tensor: TensorType? {
    if case .tensor(let type) = self { type } else { nil }
  }

  /// The type as the IR's text spells it; a tuple in parentheses.
  public var description: String {
    switch self {
    case .tensor(let type): type.description
    case .tuple(let types): "(" + types.map(\.description).joined(separator: ", ") + ")"
    }
  }
}
