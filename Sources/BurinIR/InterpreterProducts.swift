#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

// Products, attention and its masks, as the interpreter computes them.

/// `sum of x[i * xStep] * y[i * yStep]` for `i < count`, ascending.
///
/// A bare loop over pointers: it is all of the time that the interpreter takes.
private func dot(
  _ x: UnsafePointer<Double>, _ xStep: Int, _ y: UnsafePointer<Double>, _ yStep: Int, _ count: Int
) -> Double {
  var sum = 0.0
  var index = 0
  while index < count {
    sum += x[index &* xStep] * y[index &* yStep]
    index &+= 1
  }
  return sum
}

extension NumericArray {
  /// `[..., M, K] x [..., K, N]`, or `[..., M, K] x [K, N]`.
  func product(_ other: NumericArray) -> NumericArray {
    let rows = shape[rank - 2]
    let inner = shape[rank - 1]
    let columns = other.shape[other.rank - 1]
    let matrices = shape.dropLast(2).reduce(1, *)
    let otherMatrix = other.rank == 2 ? 0 : inner * columns
    var result: [Double] = []
    result.reserveCapacity(matrices * rows * columns)
    values.withPointer { x in
      other.values.withPointer { y in
        for matrix in 0..<matrices {
          for row in 0..<rows {
            for column in 0..<columns {
              result.append(
                dot(
                  x + (matrix * rows + row) * inner, 1,
                  y + matrix * otherMatrix + column, columns, inner))
            }
          }
        }
      }
    }
    return NumericArray(element, shape.dropLast() + [columns], result)
  }

  /// `epilogues(self x weight)`; a weight of more than two axes is packed.
  func linear(
    _ weight: NumericArray, columns: Int, _ epilogues: [Epilogue<NumericArray>]
  ) -> NumericArray {
    let inner = shape[rank - 1]
    let weight = weight.rank > 2 ? weight.unpacked(inner: inner) : weight
    let width = weight.shape[weight.rank - 1]
    var result: [Double] = []
    result.reserveCapacity(count / max(inner, 1) * columns)
    values.withPointer { x in
      weight.values.withPointer { w in
        for row in stride(from: 0, to: count, by: inner) {
          for column in 0..<columns {
            result.append(dot(x + row, 1, w + column, width, inner))
          }
        }
      }
    }
    return NumericArray(element.sum, shape.dropLast() + [columns], result).after(epilogues)
  }

  /// `self` after the epilogues of a product.
  func after(_ epilogues: [Epilogue<NumericArray>]) -> NumericArray {
    epilogues.reduce(self) { product, epilogue in
      switch epilogue {
      case .bias(let bias): product.combined(.add, bias)
      case .activation(let function): product.applying(function)
      case .residual(let other): product.combined(.add, other)
      case .gate(let other): product.combined(.multiply, other)
      case .scale(let factor): product.map { $0 * factor }
      case .cast(let target): product.cast(to: target)
      }
    }
  }

  /// `softmax(scores(self x keyᵀ)) x value`; a query for which no key counts gives zeros. Weights of
  /// values in bf16 by queries in bf16 are rounded to that too, relative to the largest.
  func attention(
    key: NumericArray, value: NumericArray, scores: Scores<NumericArray>
  ) -> NumericArray {
    let (batch, queries, heads, width) = (shape[0], shape[1], shape[2], shape[3])
    let (keys, groups, valueWidth) = (key.shape[1], key.shape[2], value.shape[3])
    let bias = scores.bias?.broadcast(to: [batch, heads, queries, keys])
    var result = NumericArray(element.sum, [batch, queries, heads, valueWidth], repeating: 0)
    values.withPointer { q in
      key.values.withPointer { k in
        value.values.withPointer { v in
          for sequence in 0..<batch {
            for query in 0..<queries {
              let counting = (0..<keys).filter { key in
                scores.masks.allSatisfy { $0.counts(sequence, query: query, key: key) }
              }
              for head in 0..<heads {
                let group = head / (heads / groups)
                func place(_ key: Int) -> Int { (sequence * keys + key) * groups + group }
                let here = (sequence * queries + query) * heads + head
                let row = counting.map { key in
                  var score = dot(q + here * width, 1, k + place(key) * width, 1, width)
                  score *= scores.scale
                  if let cap = scores.softCap { score = cap * tanh(score / cap) }
                  if let bias {
                    score += bias.values[((sequence * heads + head) * queries + query) * keys + key]
                  }
                  if let slopes = scores.slopes {
                    score += slopes.values[head] * Double(key - query)
                  }
                  return score
                }
                var weights = NumericArray(.f32, [row.count], row).softmax().values
                if element == .bf16, let largest = weights.max(), largest > 0 {
                  weights = weights.map { element.rounded($0 / largest) * largest }
                }
                for (weight, key) in zip(weights, counting) {
                  for column in 0..<valueWidth {
                    result.values[here * valueWidth + column] +=
                      weight * v[place(key) * valueWidth + column]
                  }
                }
              }
            }
          }
        }
      }
    }
    return result
  }

  /// Rotates pairs of the last axis of `self[batch, seq, heads, width]`; what lies beyond the
  /// frequencies stays.
  func rotated(
    positions: NumericArray, frequencies: NumericArray, interleaved: Bool
  ) -> NumericArray {
    let (heads, width) = (shape[2], shape[3])
    let half = frequencies.count
    var result = self
    for (token, position) in positions.values.enumerated() {
      for (pair, frequency) in frequencies.values.enumerated() {
        let sine = sin(position * frequency)
        let cosine = cos(position * frequency)
        for head in 0..<heads {
          let row = (token * heads + head) * width
          let first = row + (interleaved ? 2 * pair : pair)
          let second = row + (interleaved ? 2 * pair + 1 : pair + half)
          result.values[first] = values[first] * cosine - values[second] * sine
          result.values[second] = values[second] * cosine + values[first] * sine
        }
      }
    }
    return result
  }
}

extension Mask<NumericArray> {
  /// Whether the key counts for the query, in one sequence of the batch.
  func counts(_ sequence: Int, query: Int, key: Int) -> Bool {
    func position(_ start: NumericArray?) -> Int {
      query + Int(start?.values[sequence] ?? 0)
    }
    return switch self {
    case .padding(let padding): padding.values[sequence * padding.shape[1] + key] != 0
    case .lengths(let lengths): key < Int(lengths.values[sequence])
    case .causal(let start): key <= position(start)
    case .window(let width, let start): abs(position(start) - key) < width
    }
  }
}

/// 0 where every mask lets the key count for the query, `-inf` elsewhere.
func maskArray(_ masks: [Mask<NumericArray>], shape: [Int]) -> NumericArray {
  var values: [Double] = []
  for sequence in 0..<shape[0] {
    for query in 0..<shape[2] {
      for key in 0..<shape[3] {
        let counts = masks.allSatisfy { $0.counts(sequence, query: query, key: key) }
        values.append(counts ? 0 : -.infinity)
      }
    }
  }
  return NumericArray(.f32, shape, values)
}

extension [Double] {
  /// Calls `body` with the address of the first element (a valid one, even for no elements).
  fileprivate func withPointer<Result>(_ body: (UnsafePointer<Double>) -> Result) -> Result {
    withUnsafeBufferPointer { buffer in
      if let address = buffer.baseAddress { return body(address) }
      return withUnsafePointer(to: 0.0) { body($0) }
    }
  }
}
