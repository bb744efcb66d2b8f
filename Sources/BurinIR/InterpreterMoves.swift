// How the interpreter chooses and moves elements.

extension NumericArray {
  /// Rows of `self[rows, width]`, or columns of what is packed.
  func embedding(
    _ indices: NumericArray, rows: Int
  ) throws(InterpreterError) -> NumericArray {
    let group = rank == 4 ? shape[3] : 1
    let width = shape[1] * group
    let panel = rank > 2 ? shape[2] : 1
    var result: [Double] = []
    result.reserveCapacity(indices.count * width)
    for index in indices.values {
      let row = try checked(index, limit: rows, "embedding")
      let first = row / panel * width * panel + row % panel * group
      for column in 0..<width {
        result.append(values[first + column / group * panel * group + column % group])
      }
    }
    return NumericArray(element.isFloat ? .f32 : element, indices.shape + [width], result)
  }

  /// `self[b, indices[b, t], ...]`.
  func gather(_ indices: NumericArray) throws(InterpreterError) -> NumericArray {
    let inner = shape[2...].reduce(1, *)
    var result: [Double] = []
    for (place, index) in indices.values.enumerated() {
      let row = try checked(index, limit: shape[1], "gather")
      let start = (place / indices.shape[1] * shape[1] + row) * inner
      result += values[start..<start + inner]
    }
    return NumericArray(element, indices.shape + shape[2...], result)
  }

  func slice(
    axis: Int, start: Int, count: Int
  ) throws(InterpreterError) -> NumericArray {
    guard start >= 0, count >= 0, start <= shape[axis] - count else {
      throw InterpreterError("slice: \(count) from \(start) on axis \(axis) of \(shape)")
    }
    var target = shape
    target[axis] = count
    return window(target, strides: strides, offset: start * strides[axis])
  }

  func transposed(_ permutation: [Int]) -> NumericArray {
    let own = strides
    return window(permutation.map { shape[$0] }, strides: permutation.map { own[$0] })
  }

  /// `self[batch, context, ...]` with `new[b, i]` at `start[b] + i` for `i < counts[b]`.
  func appending(
    _ new: NumericArray, start: NumericArray, counts: NumericArray
  ) throws(InterpreterError) -> NumericArray {
    let inner = shape[2...].reduce(1, *)
    var result = self
    for sequence in 0..<shape[0] {
      let count = try checked(counts.values[sequence], limit: new.shape[1] + 1, "append: a count")
      if count == 0 { continue }
      let first = try checked(
        start.values[sequence], limit: shape[1] - count + 1, "append: a start")
      let target = (sequence * shape[1] + first) * inner
      let source = sequence * new.shape[1] * inner
      result.values.replaceSubrange(
        target..<target + count * inner, with: new.values[source..<source + count * inner])
    }
    return result
  }

  /// `[K, N]` as `[ceil(N / width), K, width]`, or in groups of terms if the type is narrow.
  func packed(width: Int) -> NumericArray {
    let (inner, columns) = (shape[0], shape[1])
    let panels = (columns + width - 1) / width
    let group = element.termsPerGroup
    let groups = (inner + group - 1) / group
    var result = NumericArray(
      element, [panels, groups, width] + (group > 1 ? [group] : []), repeating: 0)
    for row in 0..<inner {
      for column in 0..<columns {
        let line = column / width * groups + row / group
        result.values[(line * width + column % width) * group + row % group] =
          values[row * columns + column]
      }
    }
    return result
  }

  /// What `packed` made of a matrix of `inner` rows, its columns filled up to whole panels.
  func unpacked(inner: Int) -> NumericArray {
    let (panels, groups, width) = (shape[0], shape[1], shape[2])
    let group = rank == 4 ? shape[3] : 1
    let columns = panels * width
    var result = NumericArray(element, [inner, columns], repeating: 0)
    for row in 0..<inner {
      for column in 0..<columns {
        let line = column / width * groups + row / group
        result.values[row * columns + column] =
          values[(line * width + column % width) * group + row % group]
      }
    }
    return result
  }
}

/// - Requires: at least one part, all of one shape but for `axis`.
func concatenated(_ parts: [NumericArray], axis: Int) -> NumericArray {
  var shape = parts[0].shape
  shape[axis] = parts.reduce(0) { $0 + $1.shape[axis] }
  let outer = shape[..<axis].reduce(1, *)
  var values: [Double] = []
  values.reserveCapacity(shape.reduce(1, *))
  for index in 0..<outer {
    for part in parts {
      let run = part.shape[axis...].reduce(1, *)
      values += part.values[index * run..<(index + 1) * run]
    }
  }
  return NumericArray(parts[0].element, shape, values)
}

/// Counts 0, 1, 2 ... along `axis`.
func counting(_ element: ElementType, _ shape: [Int], axis: Int) -> NumericArray {
  var line = Array(repeating: 1, count: shape.count)
  line[axis] = shape[axis]
  return NumericArray(element, line, (0..<shape[axis]).map { element.rounded(Double($0)) })
    .broadcast(to: shape)
}

/// An index as an `Int`, if it lies in `0..<limit`.
private func checked(
  _ index: Double, limit: Int, _ what: String
) throws(InterpreterError) -> Int {
  guard let value = Int(exactly: index), value >= 0, value < limit else {
    throw InterpreterError("\(what): \(spelled(index)) is not in 0..<\(limit)")
  }
  return value
}
