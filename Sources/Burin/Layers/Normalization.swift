import BurinIR

/// Layer normalisation (Ba et al., 2016) over the last axis.
public struct LayerNorm: Layer {
  let width: Int
  let weights: Weights
  let epsilon: Double
  let hasScale, hasBias: Bool

  /// - Parameters:
  ///   - scale: whether the result is multiplied by a weight.
  ///   - bias: whether a bias is added.
  public init(
    _ width: Int, _ weights: Weights, epsilon: Double = 1e-5, scale: Bool = true,
    bias: Bool = true
  ) {
    self.width = width
    self.weights = weights
    self.epsilon = epsilon
    hasScale = scale
    hasBias = bias
  }

  /// `[..., width]` for `x[..., width]`.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    x.layerNorm(
      scale: hasScale ? weights.tensor("weight", [width], in: x.trace) : nil,
      bias: hasBias ? weights.tensor("bias", [width], in: x.trace) : nil, epsilon: epsilon)
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

  /// `[..., width]` for `x[..., width]`.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    let scale = weights.tensor("weight", [width], in: x.trace)
    return x.rmsNorm(scale: offset == 0 ? scale : scale + offset, epsilon: epsilon)
  }
}

/// Batch normalisation (Ioffe and Szegedy, 2015) over the last axis, by the mean and the variance
/// that training left behind.
public struct BatchNorm: Layer {
  let width: Int
  let weights: Weights
  let epsilon: Double

  /// Reads `weight`, `bias`, `running_mean` and `running_var`, each `[width]`, at `weights`.
  public init(_ width: Int, _ weights: Weights, epsilon: Double = 1e-5) {
    self.width = width
    self.weights = weights
    self.epsilon = epsilon
  }

  /// `[..., width]` for `x[..., width]`.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    func statistic(_ name: String) -> Tensor { weights.tensor(name, [width], in: x.trace) }
    let scale =
      statistic("weight") * (statistic("running_var") + epsilon).unary(.rsqrt)
    return x * scale + (statistic("bias") - statistic("running_mean") * scale)
  }
}

/// A normalisation of any kind.
protocol NormLayer: Layer where Input == Tensor, Output == Tensor {}
extension LayerNorm: NormLayer {}
extension RMSNorm: NormLayer {}
extension BatchNorm: NormLayer {}
