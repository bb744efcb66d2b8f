import BurinIR

/// A value of the model under construction: a type, and the operation that gives it.
public struct Tensor {
  /// The trace that this tensor belongs to.
  public let trace: Trace
  let id: NodeID

  /// The element type and the extents.
  public var type: TensorType { trace.graph.tensorType(id) }
  /// The extent of every axis, outermost first.
  public var shape: [Dim] { type.shape }
  /// The type of one element.
  public var element: ElementType { type.element }

  private func append(_ op: Op<NodeID>) -> Tensor { trace.append(op) }

  private func axis(_ axis: Int) -> Int { axis < 0 ? axis + shape.count : axis }

  // Element by element. Shapes broadcast as NumPy's do: from the last axis on, extents are the same or
  // one of them is 1.

  /// The sum of two tensors of one element type; shapes broadcast.
  public static func + (left: Tensor, right: Tensor) -> Tensor { left.binary(.add, right) }
  /// The difference of two tensors of one element type; shapes broadcast.
  public static func - (left: Tensor, right: Tensor) -> Tensor { left.binary(.subtract, right) }
  /// The product of two tensors of one element type, element by element; shapes broadcast.
  public static func * (left: Tensor, right: Tensor) -> Tensor { left.binary(.multiply, right) }
  /// The quotient of two tensors of one element type; shapes broadcast.
  public static func / (left: Tensor, right: Tensor) -> Tensor { left.binary(.divide, right) }
  /// Every element of a floating-point tensor times a number.
  public static func * (left: Tensor, right: Double) -> Tensor {
    left.append(.scale(left.id, by: right))
  }
  /// Every element of a floating-point tensor times the reciprocal of a number.
  public static func / (left: Tensor, right: Double) -> Tensor { left * (1 / right) }
  /// A number added to every element.
  public static func + (left: Tensor, right: Double) -> Tensor {
    left + left.trace.constant(right, left.element)
  }
  /// A number taken from every element.
  public static func - (left: Tensor, right: Double) -> Tensor { left + (-right) }

  /// Applies a function of two elements; shapes broadcast.
  public func binary(_ function: Binary, _ other: Tensor) -> Tensor {
    append(.binary(function, id, other.id))
  }

  /// Applies a function to every element.
  public func unary(_ function: Unary) -> Tensor { append(.unary(function, id)) }

  /// `max(x, 0)`.
  public func relu() -> Tensor { unary(.relu) }
  /// `x * Phi(x)`, Phi the normal distribution: the exact form, by the error function.
  public func gelu() -> Tensor { unary(.gelu) }
  /// GELU's approximation by tanh.
  public func geluTanh() -> Tensor { unary(.geluTanh) }
  /// `x * sigmoid(x)`.
  public func silu() -> Tensor { unary(.silu) }
  /// The hyperbolic tangent.
  public func tanh() -> Tensor { unary(.tanh) }
  /// `1 / (1 + exp(-x))`.
  public func sigmoid() -> Tensor { unary(.sigmoid) }
  /// The exponential.
  public func exp() -> Tensor { unary(.exp) }
  /// The square root; NaN of a negative number.
  public func squareRoot() -> Tensor { unary(.sqrt) }

  /// `cap * tanh(self / cap)`: between `-cap` and `cap`.
  public func softCapped(_ cap: Double) -> Tensor { (self / cap).tanh() * cap }

  /// Where this (a `bool`) holds `then`, elsewhere `otherwise`.
  public func select(_ then: Tensor, _ otherwise: Tensor) -> Tensor {
    append(.select(id, then: then.id, otherwise: otherwise.id))
  }

  /// The values as another element type.
  public func cast(_ element: ElementType) -> Tensor { append(.cast(id, to: element)) }

  // Products and rows.

  /// The matrix product over the last two axes; leading axes agree, or `other` is one matrix.
  public func matmul(_ other: Tensor) -> Tensor { append(.matmul(id, other.id)) }

  /// Softmax over the last axis.
  public func softmax() -> Tensor { append(.softmax(id)) }

  /// The sum along axes, which keep extent 1.
  public func sum(_ axes: Int...) -> Tensor { reduce(.sum, axes) }
  /// The mean along axes, which keep extent 1.
  public func mean(_ axes: Int...) -> Tensor { reduce(.mean, axes) }
  /// The maximum along axes, which keep extent 1.
  public func maximum(_ axes: Int...) -> Tensor { reduce(.maximum, axes) }

  private func reduce(_ function: Reduction, _ axes: [Int]) -> Tensor {
    append(.reduce(function, id, axes: axes.map(axis)))
  }

  /// Sums of everything up to and including each place along an axis.
  public func cumulativeSum(axis: Int) -> Tensor {
    append(.cumulativeSum(id, axis: self.axis(axis)))
  }

  /// Layer normalisation over the last axis.
  public func layerNorm(scale: Tensor?, bias: Tensor?, epsilon: Double) -> Tensor {
    append(.norm(id, Norm(.layer, scale: scale?.id, bias: bias?.id, epsilon: epsilon)))
  }

  /// Root-mean-square normalisation over the last axis.
  public func rmsNorm(scale: Tensor?, epsilon: Double) -> Tensor {
    append(.norm(id, Norm(.rms, scale: scale?.id, bias: nil, epsilon: epsilon)))
  }

  /// The `count` largest elements of the last axis, largest first, and where they are.
  public func topK(_ count: Int) -> (values: Tensor, indices: Tensor) {
    let both = append(.topK(id, count: count))
    return (append(.part(both.id, 0)), append(.part(both.id, 1)))
  }

  /// Every row of this `[..., width]` times each of its `chosen[..., choices]` weights, or this
  /// `[..., choices, width]` each times its own; `weights[width, count * columns]` holds `count` of
  /// them side by side.
  public func experts(_ chosen: Tensor, _ weights: Tensor, count: Int) -> Tensor {
    guard let columns = weights.shape.last?.constant, columns % count == 0 else {
      misuse("experts: \(count) weights in \(weights.type)")
    }
    return append(
      .experts(
        id, chosen: chosen.id, weight: weights.id, count: count, columns: columns / count,
        epilogues: [], tile: nil))
  }

  /// Rotates pairs of this `[batch, seq, heads, width]` by `positions[batch, seq]` times
  /// `frequencies[pairs]` (Su et al., 2021): the pairs are `(i, i + pairs)`, or `(2i, 2i + 1)` if
  /// interleaved; what lies beyond them stays.
  public func rotated(
    by positions: Tensor, frequencies: Tensor, interleaved: Bool = false
  ) -> Tensor {
    append(
      .rotary(
        id, positions: positions.id, frequencies: frequencies.id, interleaved: interleaved))
  }

  // Choosing and moving.

  /// Rows of this table `[rows, width]` at `indices`.
  public func embedding(_ indices: Tensor) -> Tensor {
    guard let rows = shape.first?.constant else { misuse("embedding: \(type) is no table") }
    return append(.embedding(table: id, indices: indices.id, rows: rows))
  }

  /// `self[b, indices[b, t], ...]`.
  public func gather(_ indices: Tensor) -> Tensor { append(.gather(id, indices: indices.id)) }

  /// `count` places from `start` on along an axis.
  public func slice(axis: Int, from start: Dim = 0, count: Dim) -> Tensor {
    append(.slice(id, axis: self.axis(axis), start: start, count: count))
  }

  /// The same elements under other extents.
  public func reshaped(_ shape: [Dim]) -> Tensor { append(.reshape(id, shape)) }

  /// Axis `i` of the result is axis `permutation[i]` of this.
  public func transposed(_ permutation: [Int]) -> Tensor {
    append(.transpose(id, permutation: permutation))
  }

  /// The last two axes exchanged.
  public var transposed: Tensor {
    guard shape.count >= 2 else { misuse("transposed: \(type) has fewer than two axes") }
    var permutation = Array(shape.indices)
    permutation.swapAt(shape.count - 2, shape.count - 1)
    return transposed(permutation)
  }

  /// Repeated along axes of extent 1 and along new leading axes.
  public func broadcast(_ shape: [Dim]) -> Tensor { append(.broadcast(id, shape)) }

  /// `[batch, seq, heads * width]` as `[batch, seq, heads, width]`.
  public func heads(_ heads: Int) -> Tensor {
    guard shape.count == 3, let width = shape[2].constant, width % heads == 0 else {
      misuse("heads: \(type) into \(heads) heads")
    }
    return reshaped([shape[0], shape[1], Dim(heads), Dim(width / heads)])
  }

  /// `[batch, seq, heads * width]` as `[batch, heads, seq, width]`.
  public func splitHeads(_ heads: Int) -> Tensor {
    self.heads(heads).transposed([0, 2, 1, 3])
  }

  /// `[batch, heads, seq, width]` as `[batch, seq, heads * width]`.
  public var mergedHeads: Tensor {
    guard shape.count == 4 else { misuse("mergedHeads: \(type)") }
    return transposed([0, 2, 1, 3]).reshaped([shape[0], shape[2], shape[1] * shape[3]])
  }

  /// This state `[batch, context, ...]` with `values[b, i]` at position `start[b] + i`, for
  /// `i < counts[b]`.
  public func appending(_ values: Tensor, at start: Tensor, counts: Tensor) -> Tensor {
    append(.append(cache: id, values: values.id, start: start.id, counts: counts.id))
  }
}
