import BurinHub
import BurinIR

extension SentencePipeline {
  /// `hidden[batch, seq, width]` and `padding[batch, seq]` (0 for padding) as one vector a text, by
  /// the arithmetic of sentence-transformers.
  func callAsFunction(_ hidden: Tensor, padding: Tensor) -> Tensor {
    let pooled = poolings.map { pool(hidden, padding, by: $0) }
    let joined = pooled.count == 1 ? pooled[0] : hidden.trace.concat(pooled, axis: 1)
    return steps.reduce(joined) { x, step in
      switch step {
      case .normalize:
        let length = (x * x).sum(-1).squareRoot()
        return x / length.binary(.maximum, x.trace.constant(1e-12))
      case .dense(let directory, let inputs, let outputs, let bias, let activation):
        let linear = Linear(inputs, outputs, Weights(directory + "/linear"), bias: bias)
        return activation.function.map { linear(x).unary($0) } ?? linear(x)
      }
    }
  }

  private func pool(_ hidden: Tensor, _ padding: Tensor, by pooling: Pooling) -> Tensor {
    let trace = hidden.trace
    let (batch, seq, width) = (hidden.shape[0], hidden.shape[1], hidden.shape[2])
    let counts = padding.cast(.f32).reshaped([batch, seq, 1])
    func sum(_ weights: Tensor) -> Tensor { (hidden * weights).sum(1) }
    func total(_ weights: Tensor) -> Tensor {
      weights.sum(1).binary(.maximum, trace.constant(1e-9))
    }
    let vector: Tensor
    switch pooling {
    case .cls: return hidden.first
    case .mean: vector = sum(counts) / total(counts)
    case .meanSquareRoot: vector = sum(counts) / total(counts).squareRoot()
    case .max:
      let isPadding = counts.binary(.equal, trace.constant(0))
      vector = isPadding.select(trace.constant(-1e9), hidden).maximum(1)
    case .weightedMean:
      let places = trace.iota([batch, seq], axis: 1).cast(.f32) + 1
      let weights = counts * places.reshaped([batch, seq, 1])
      vector = sum(weights) / total(weights)
    case .lastToken:
      let places = trace.iota([batch, seq], axis: 1)
      vector = hidden.gather((places * padding).maximum(1))
    }
    return vector.reshaped([batch, width])
  }
}

extension SentencePipeline.Activation {
  /// The function; `nil` for none.
  fileprivate var function: Unary? {
    switch self {
    case .identity: nil
    case .tanh: .tanh
    case .relu: .relu
    case .gelu: .gelu
    case .sigmoid: .sigmoid
    case .silu: .silu
    }
  }
}
