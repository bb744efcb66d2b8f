#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

// What the interpreter does element by element, and along axes.

/// The function's value, as a definition would compute it.
private func evaluate(_ function: Unary, _ x: Double) -> Double {
  switch function {
  case .negate: -x
  case .absolute: abs(x)
  case .exp: exp(x)
  case .log: log(x)
  case .sqrt: x.squareRoot()
  case .rsqrt: 1 / x.squareRoot()
  case .sin: sin(x)
  case .cos: cos(x)
  case .erf: erf(x)
  case .floor: x.rounded(.down)
  case .not: x == 0 ? 1 : 0
  case .relu: x < 0 ? 0 : x
  // erfc(-t) is 1 + erf(t) without the cancellation for very negative t.
  case .gelu: 0.5 * x * erfc(-x * 0.5.squareRoot())
  case .geluTanh: 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
  case .silu: x / (1 + exp(-x))
  case .tanh: tanh(x)
  case .sigmoid: 1 / (1 + exp(-x))
  }
}

extension Binary {
  /// The function's value; NaN in `minimum` and `maximum` wins.
  func callAsFunction(_ x: Double, _ y: Double) -> Double {
    switch self {
    case .add: x + y
    case .subtract: x - y
    case .multiply: x * y
    case .divide: x / y
    case .power: pow(x, y)
    case .minimum: x.isNaN || x < y ? x : y
    case .maximum: x.isNaN || x > y ? x : y
    case .equal: x == y ? 1 : 0
    case .less: x < y ? 1 : 0
    case .lessOrEqual: x <= y ? 1 : 0
    case .and: x != 0 && y != 0 ? 1 : 0
    case .or: x != 0 || y != 0 ? 1 : 0
    }
  }

  /// The function's value for integers: what is none is truncated towards zero, and division by zero
  /// gives zero.
  fileprivate func integer(_ x: Double, _ y: Double) -> Double {
    self == .divide && y == 0 ? 0 : self(x, y).rounded(.towardZero)
  }
}

extension NumericArray {
  func applying(_ function: Unary) -> NumericArray {
    map { element.wrapped(evaluate(function, $0)) }
  }

  func combined(_ function: Binary, _ other: NumericArray) -> NumericArray {
    let shape = broadcastShape(self.shape, other.shape)
    let right = other.broadcast(to: shape)
    var result = broadcast(to: shape).values
    for index in result.indices {
      result[index] =
        element.isInteger
        ? element.wrapped(function.integer(result[index], right.values[index]))
        : function(result[index], right.values[index])
    }
    return NumericArray(function.isPredicate ? .bool : element, shape, result)
  }

  /// `self ? then : otherwise`.
  func selecting(_ then: NumericArray, _ otherwise: NumericArray) -> NumericArray {
    let shape = broadcastShape(self.shape, broadcastShape(then.shape, otherwise.shape))
    let condition = broadcast(to: shape)
    let otherwise = otherwise.broadcast(to: shape)
    var result = then.broadcast(to: shape)
    for index in result.values.indices where condition.values[index] == 0 {
      result.values[index] = otherwise.values[index]
    }
    return result
  }

  func cast(to target: ElementType) -> NumericArray {
    if target == .q8 { return roundedInBlocks() }
    if target.isTurned { return roundedInTurnedBlocks(to: target) }
    return map(target) {
      element.isInteger && target.isInteger ? target.wrapped($0) : target.rounded($0)
    }
  }

  /// Multiples of a scale for each block of 32 in a row (the last one may be shorter), which is 1/127
  /// of its largest magnitude and rounded to f32, or NaN if there is one; ties to even.
  private func roundedInBlocks() -> NumericArray {
    let rounded = mapRows { row in
      for start in stride(from: row.startIndex, to: row.endIndex, by: ElementType.q8.block) {
        let block = start..<min(start + ElementType.q8.block, row.endIndex)
        let isNumber = !row[block].contains { $0.isNaN }
        let largest = isNumber ? row[block].reduce(0) { max($0, abs($1)) } : .nan
        let scale = Double(Float(largest / 127))
        for index in block {
          let multiple = min(max((row[index] / scale).rounded(.toNearestOrEven), -127), 127)
          row[index] = scale == 0 ? 0 : multiple * scale
        }
      }
    }
    return NumericArray(.q8, shape, rounded.values)
  }

  /// The array with `change` made in every row of the last axis.
  func mapRows(_ change: (inout ArraySlice<Double>) -> Void) -> NumericArray {
    guard let width = shape.last, width > 0 else { return self }
    var result: [Double] = []
    result.reserveCapacity(count)
    for start in stride(from: 0, to: count, by: width) {
      var row = values[start..<start + width]
      change(&row)
      result += row
    }
    return NumericArray(element, shape, result)
  }

  /// Over the last axis; a row of `-inf` only gives zeros.
  func softmax() -> NumericArray {
    mapRows { row in
      let largest = row.reduce(-Double.infinity) { Binary.maximum($0, $1) }
      if largest == -.infinity {
        for index in row.indices { row[index] = 0 }
        return
      }
      for index in row.indices { row[index] = exp(row[index] - largest) }
      let sum = row.reduce(0, +)
      for index in row.indices { row[index] /= sum }
    }
  }

  /// Over the last axis, with biased variance.
  func normalized(_ norm: Norm<NumericArray>) -> NumericArray {
    mapRows { row in
      let width = Double(row.count)
      let mean = norm.kind == .layer ? row.reduce(0, +) / width : 0
      let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / width
      let factor = 1 / (variance + norm.epsilon).squareRoot()
      for (column, index) in row.indices.enumerated() {
        row[index] = (row[index] - mean) * factor
        if let scale = norm.scale { row[index] *= scale.values[column] }
        if let bias = norm.bias { row[index] += bias.values[column] }
      }
    }
  }

  /// What a normalisation stores.
  func cast(to norm: Norm<NumericArray>) -> NumericArray { norm.cast.map(cast) ?? self }

  /// Reduced axes keep extent 1.
  func reduced(_ function: Reduction, axes: [Int]) -> NumericArray {
    let kept = shape.indices.map { axes.contains($0) ? 1 : shape[$0] }
    var result = NumericArray(
      element, kept, repeating: function == .maximum ? -.infinity : 0)
    // Where each element of the operand goes: the target's own index, repeated along the axes.
    let places = NumericArray(.i64, kept, (0..<result.count).map(Double.init))
      .broadcast(to: shape)
    for (value, place) in zip(values, places.values) {
      let place = Int(place)
      let sum = result.values[place]
      result.values[place] = function == .maximum ? Binary.maximum(sum, value) : sum + value
    }
    if function == .mean {
      let terms = Double(axes.reduce(1) { $0 * shape[$1] })
      result = result.map { element.isInteger ? ($0 / terms).rounded(.towardZero) : $0 / terms }
    }
    return result.map { element.wrapped($0) }
  }

  func cumulativeSum(axis: Int) -> NumericArray {
    let step = strides[axis]
    var result = self
    for index in values.indices where index / step % shape[axis] > 0 {
      result.values[index] = element.wrapped(result.values[index] + result.values[index - step])
    }
    return result
  }
}

/// The shape to which both broadcast; the type rules have seen to it that they do.
private func broadcastShape(_ left: [Int], _ right: [Int]) -> [Int] {
  let rank = max(left.count, right.count)
  return (0..<rank).map { axis in
    let x = axis - (rank - left.count)
    let y = axis - (rank - right.count)
    if x < 0 { return right[y] }
    if y < 0 { return left[x] }
    return left[x] == 1 ? right[y] : left[x]
  }
}
