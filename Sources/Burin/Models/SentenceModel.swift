import BurinIR

/// What a sentence-transformers directory does with an encoder's hidden states to make one vector
/// of a text.
public struct SentenceModel: Hashable, Sendable {
  /// How the vectors of a text's tokens become one.
  public enum Pooling: String, Hashable, Sendable, CaseIterable {
    /// The vector of the first token.
    case first = "cls"
    /// The mean over the tokens that are not padding.
    case mean
    /// The sum over them, divided by the square root of how many they are.
    case meanBySquareRoot = "mean_sqrt_len_tokens"
    /// The largest value of each element over them.
    case maximum = "max"
    /// The mean weighted by the position, counted from 1.
    case weightedMean = "weightedmean"
    /// The vector of the last token that is not padding.
    case last = "lasttoken"
  }

  /// A step after pooling.
  public enum Step: Hashable, Sendable {
    /// Division by the Euclidean length.
    case normalize
    case dense(inputs: Int, outputs: Int, bias: Bool, activation: Unary?, weights: String)
  }

  /// Several poolings are joined one behind the other.
  public var poolings: [Pooling]
  public var steps: [Step]

  public init(poolings: [Pooling], steps: [Step]) {
    self.poolings = poolings
    self.steps = steps
  }

  /// `hidden[batch, seq, width]` and `padding[batch, seq]` as one vector a text.
  func callAsFunction(_ hidden: Tensor, padding: Tensor) -> Tensor {
    let pooled = poolings.map { pool(hidden, padding, by: $0) }
    let joined = pooled.count == 1 ? pooled[0] : hidden.trace.concat(pooled, axis: 1)
    return steps.reduce(joined) { x, step in
      switch step {
      case .normalize:
        let length = (x * x).sum(-1).squareRoot()
        return x / length.binary(.maximum, x.trace.constant(1e-12))
      case .dense(let inputs, let outputs, let bias, let activation, let weights):
        let y = Linear(inputs, outputs, Weights(weights), bias: bias)(x)
        return activation.map { y.unary($0) } ?? y
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
    case .first: return hidden.first
    case .mean: vector = sum(counts) / total(counts)
    case .meanBySquareRoot: vector = sum(counts) / total(counts).squareRoot()
    case .maximum:
      let isPadding = counts.binary(.equal, trace.constant(0))
      vector = isPadding.select(trace.constant(-1e9), hidden).maximum(1)
    case .weightedMean:
      let places = trace.iota([batch, seq], axis: 1).cast(.f32) + 1
      let weights = counts * places.reshaped([batch, seq, 1])
      vector = sum(weights) / total(weights)
    case .last:
      let places = trace.iota([batch, seq], axis: 1)
      vector = hidden.gather((places * padding).maximum(1))
    }
    return vector.reshaped([batch, width])
  }
}
