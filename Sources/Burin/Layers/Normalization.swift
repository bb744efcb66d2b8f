import BurinIR

/// Layer normalisation (Ba et al., 2016) over the last axis.
public struct LayerNorm: Layer {
  let width: Int
  let weights: Weights
  let epsilon: Double
  let isAffine: Bool

  /// - Parameter isAffine: whether there are a scale and a bias.
  public init(_ width: Int, _ weights: Weights, epsilon: Double = 1e-5, isAffine: Bool = true) {
    self.width = width
    self.weights = weights
    self.epsilon = epsilon
    self.isAffine = isAffine
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    x.layerNorm(
      scale: isAffine ? weights.tensor("weight", [width], in: x.trace) : nil,
      bias: isAffine ? weights.tensor("bias", [width], in: x.trace) : nil, epsilon: epsilon)
  }
}

/// Root-mean-square normalisation (Zhang and Sennrich, 2019) over the last axis.
public struct RMSNorm: Layer {
  let width: Int
  let weights: Weights
  let epsilon: Double
  let offset: Double

  /// - Parameter offset: what is added to the stored scale; 1 in Gemma.
  public init(_ width: Int, _ weights: Weights, epsilon: Double = 1e-6, offset: Double = 0) {
    self.width = width
    self.weights = weights
    self.epsilon = epsilon
    self.offset = offset
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    let scale = weights.tensor("weight", [width], in: x.trace)
    return x.rmsNorm(scale: offset == 0 ? scale : scale + offset, epsilon: epsilon)
  }
}
