import BurinIR

/// A table of `count` vectors; applied to indices, it gives their vectors.
public struct Embedding: Layer {
  let count: Int
  let width: Int
  let weights: Weights

  /// A table of `count` rows of `width`, `weight[count, width]` at `weights`.
  public init(_ count: Int, _ width: Int, _ weights: Weights) {
    self.count = count
    self.width = width
    self.weights = weights
  }

  /// `[..., width]` for indices `[...]`, of which none may be `count` or more.
  public func callAsFunction(_ indices: Tensor) -> Tensor {
    table(in: indices.trace).embedding(indices)
  }

  /// `[count, width]`.
  public func table(in trace: Trace) -> Tensor {
    weights.tensor("weight", [count, width], in: trace)
  }

  /// The scores of every vector for `x[..., width]`: the table as an output projection.
  public func scores(_ x: Tensor) -> Tensor { x.matmul(table(in: x.trace).transposed) }
}
