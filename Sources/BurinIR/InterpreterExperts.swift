// How the interpreter chooses the largest elements, and multiplies by chosen weights.

extension NumericArray {
  /// The `count` largest elements of each row, largest first, and their places; NaNs come last.
  func largest(_ count: Int) -> [NumericArray] {
    let width = shape[rank - 1]
    var found: [Double] = []
    var places: [Double] = []
    for start in stride(from: 0, to: self.count, by: width) {
      func rank(_ place: Int) -> Double {
        let value = values[start + place]
        return value.isNaN ? -.infinity : value
      }
      let order = (0..<width).sorted { rank($0) != rank($1) ? rank($0) > rank($1) : $0 < $1 }
      for place in order.prefix(count) {
        found.append(values[start + place])
        places.append(Double(place))
      }
    }
    let target = Array(shape.dropLast()) + [count]
    return [NumericArray(element, target, found), NumericArray(.i32, target, places)]
  }

  /// `epilogues(self x weights[chosen])`; a weight of more than two axes is packed.
  func experts(
    _ chosen: NumericArray, _ weight: NumericArray, count: Int, columns: Int,
    _ epilogues: [Epilogue<NumericArray>]
  ) throws(InterpreterError) -> NumericArray {
    let inner = shape[rank - 1]
    let repeats = rank == chosen.rank + 1 ? 1 : chosen.shape[chosen.rank - 1]
    let matrix = weight.rank > 2 ? weight.unpacked(inner: inner) : weight
    let width = matrix.shape[1]
    var result: [Double] = []
    result.reserveCapacity(chosen.count * columns)
    for (place, index) in chosen.values.enumerated() {
      guard let expert = Int(exactly: index), (0..<count).contains(expert) else {
        throw InterpreterError("experts: \(spelled(index)) is not in 0..<\(count)")
      }
      let row = place / repeats * inner
      // Packed, every weight begins with a panel of its own.
      let start = expert * (width / count)
      for column in start..<start + columns {
        var sum = 0.0
        for k in 0..<inner { sum += values[row + k] * matrix.values[k * width + column] }
        result.append(sum)
      }
    }
    return NumericArray(element.sum, chosen.shape + [columns], result).after(epilogues)
  }
}
