import BurinIR

/// A tensor in memory, as a kernel sees it.
struct Place: Hashable, Sendable {
  var type: TensorType
  var storage: Storage

  enum Storage: Hashable, Sendable {
    /// Elements at strides (counted in elements, one per axis; 0 where an axis is broadcast).
    case memory(strides: [Dim])
    /// A state in pages of 64 positions, `[batch, context, groups, width]`, that are found by the
    /// tables of cache `cache`: keys lie as `[groups][width][64]` in a page, values as
    /// `[groups][64][width]`, `offset` bytes after its start; pages are `pageBytes` apart. Narrow
    /// types have layouts of their own (`Runtime/kernels/pages.h`).
    case pages(PageRole, cache: Int, offset: Int, pageBytes: Int)
  }

  enum PageRole: String, Hashable, Sendable {
    case keys, values

    /// The bytes that one head takes of a page.
    func bytes(_ element: ElementType, width: Int) -> Int {
      switch element {
      case .bf16: self == .keys ? (width + 1) / 2 * 64 * 4 : width * 64 * 2
      case .q8: width * 64 + (width + element.block - 1) / element.block * 64 * 4
      default: width * 64 * element.bytes
      }
    }
  }

  init(_ type: TensorType, _ storage: Storage) {
    self.type = type
    self.storage = storage
  }

  /// A dense tensor, row by row.
  init(dense type: TensorType) {
    self.init(type, .memory(strides: Place.denseStrides(type.shape)))
  }

  init(_ type: TensorType, strides: [Dim]) { self.init(type, .memory(strides: strides)) }

  var shape: [Dim] { type.shape }

  /// What it holds of which cache, if it lies in pages.
  var page: (role: PageRole, cache: Int)? {
    guard case .pages(let role, let cache, _, _) = storage else { return nil }
    return (role, cache)
  }

  /// The strides of a tensor in memory.
  ///
  /// - Requires: the tensor is not in pages.
  var strides: [Dim] {
    guard case .memory(let strides) = storage else {
      preconditionFailure("a state in pages has no strides")
    }
    return strides
  }

  /// Whether elements follow each other row by row without gaps.
  var isDense: Bool {
    guard case .memory(let strides) = storage else { return false }
    let dense = Place.denseStrides(shape)
    return zip(shape, zip(strides, dense)).allSatisfy { $0 == 1 || $1.0 == $1.1 }
  }

  /// Whether all its elements are one in memory.
  var isOneValue: Bool {
    guard case .memory(let strides) = storage else { return false }
    return !strides.isEmpty && strides.allSatisfy { $0 == 0 }
  }

  /// Whether neighbours along the last axis are neighbours in memory.
  var isLastContiguous: Bool {
    guard case .memory(let strides) = storage else { return false }
    // A number has no neighbours.
    guard let last = strides.last else { return true }
    return last == 1 || shape.last == 1
  }

  /// The leading axes as one, if they collapse and the last axis is contiguous: how many rows, how
  /// many elements from one to the next, and how wide they are.
  var rows: (count: Dim, stride: Dim, width: Dim)? {
    guard isLastContiguous, let width = shape.last else { return nil }
    var count: Dim = 1
    var stride: Dim?
    for axis in shape.indices.dropLast().reversed() where shape[axis] != 1 {
      if let inner = stride {
        guard strides[axis] == inner * count else { return nil }
      } else {
        stride = strides[axis]
      }
      count = count * shape[axis]
    }
    return (count, stride ?? width, width)
  }

  static func denseStrides(_ shape: [Dim]) -> [Dim] {
    var strides = [Dim](repeating: 1, count: shape.count)
    for axis in shape.indices.dropLast().reversed() {
      strides[axis] = strides[axis + 1] * shape[axis + 1]
    }
    return strides
  }
}

extension ElementType {
  /// Whether there are pages of it.
  var isPaged: Bool { self == .f32 || self == .bf16 || self == .q8 }
}

/// What a kernel asks of an operand's place; the memory plan inserts a dense copy where it is not
/// met.
enum Requirement: Sendable {
  /// Any strides.
  case any
  /// Contiguous along the last axis.
  case lastContiguous
  /// `Place.rows` is not `nil`.
  case rows
  case dense

  /// Whether `place` meets it; a state in pages is read only by kernels that know pages.
  func isMet(by place: Place) -> Bool {
    if case .pages = place.storage { return true }
    switch self {
    case .any: return true
    case .lastContiguous: return place.isLastContiguous
    case .rows: return place.rows != nil
    case .dense: return place.isDense
    }
  }
}
