import BurinIR

/// Where a value is while an entry runs: a pointer, an offset from it, and how it lies there.
struct Location: Hashable, Sendable {
  enum Base: Hashable, Sendable {
    case input(Int)
    case output(Int)
    case weight(Int)
    case constant(Int)
    /// A tensor in a slot of the arena.
    case buffer(Int)
    /// A plain state.
    case state(Int)
    /// The pages of a cache.
    case pages(Int)
  }

  var base: Base
  /// Elements from the pointer to the first one.
  var offset: Dim = 0
  var place: Place
}

extension Location {
  /// Whether it lies in a plain state, perhaps as the value of an input that is absent.
  var showsState: Bool {
    switch base {
    case .state, .input: true
    case .output, .weight, .constant, .buffer, .pages: false
    }
  }

  /// Where the result of an operation that only moves is, if it is a view of its operand `x`;
  /// `nil` if it must be copied.
  static func view(_ op: Op<Location>, type: TensorType) -> Location? {
    switch op {
    case .slice(let x, let axis, let start, _):
      guard case .memory(let strides) = x.place.storage else { return nil }
      var result = x
      result.offset = x.offset + start * strides[axis]
      result.place = Place(type, strides: strides)
      return result
    case .transpose(let x, let permutation):
      guard case .memory(let strides) = x.place.storage else { return nil }
      var result = x
      result.place = Place(type, strides: permutation.map { strides[$0] })
      return result
    case .broadcast(let x, let shape):
      guard case .memory(let strides) = x.place.storage else { return nil }
      let lead = shape.count - strides.count
      var result = x
      result.place = Place(
        type,
        strides: shape.indices.map { axis in
          axis < lead || x.place.shape[axis - lead] != shape[axis] ? 0 : strides[axis - lead]
        })
      return result
    case .reshape(let x, let shape):
      guard let strides = reshapedStrides(x.place, to: shape) else { return nil }
      var result = x
      result.place = Place(type, strides: strides)
      return result
    default: return nil
    }
  }

  /// The strides of the same elements under another shape, if there are such.
  private static func reshapedStrides(_ place: Place, to shape: [Dim]) -> [Dim]? {
    guard case .memory(let strides) = place.storage else { return nil }
    if place.isDense { return Place.denseStrides(shape) }
    // Walk both shapes from the last axis on; each group of axes of equal product must lie evenly.
    var from = place.shape.count - 1
    var to = shape.count - 1
    var result = [Dim](repeating: 0, count: shape.count)
    while to >= 0 {
      if shape[to] == 1 {
        to -= 1
        continue
      }
      while from >= 0, place.shape[from] == 1 { from -= 1 }
      guard from >= 0 else { return nil }
      // Gather old axes that collapse into one run until the new axes divide it.
      var run = place.shape[from]
      let stride = strides[from]
      var wanted = shape[to]
      var newAxes = [to]
      while run != wanted {
        if wanted.divides(run), to - newAxes.count >= 0 {
          let next = to - newAxes.count
          newAxes.append(next)
          wanted = wanted * shape[next]
        } else if run.divides(wanted), from > 0 {
          from -= 1
          guard strides[from] == stride * run else { return nil }
          run = run * place.shape[from]
        } else {
          return nil
        }
      }
      var step = stride
      for axis in newAxes {
        result[axis] = step
        step = step * shape[axis]
      }
      from -= 1
      to -= newAxes.count
    }
    return result
  }
}

extension Dim {
  /// Whether `other` is this extent times another polynomial of one division.
  fileprivate func divides(_ other: Dim) -> Bool { other.dividedExactly(by: self) != nil }
}
