import BurinIR

/// An activation function, element by element.
public struct Activation: Sendable {
  private let function: @Sendable (Tensor) -> Tensor

  public init(_ function: @escaping @Sendable (Tensor) -> Tensor) { self.function = function }

  /// - Parameter slope: how much steeper the function turns, its size kept: `function(slope * x) /
  ///   slope`.
  public init(_ function: Unary, slope: Double = 1) {
    self.init { x in
      slope == 1 ? x.unary(function) : (x * slope).unary(function) / slope
    }
  }

  public func callAsFunction(_ x: Tensor) -> Tensor { function(x) }

  /// transformers' names (`ACT2FN`) and the functions that they stand for; those with parameters of
  /// their own (`prelu`, `xielu`) are not among them.
  static let named: KeyValuePairs<String, Activation> = [
    "gelu": Activation(.gelu), "gelu_new": Activation(.geluTanh),
    "gelu_pytorch_tanh": Activation(.geluTanh), "gelu_fast": Activation(.geluTanh),
    "gelu_python": Activation(.gelu), "gelu_python_tanh": Activation(.geluTanh),
    "gelu_accurate": Activation(.geluTanh),
    "gelu_10": Activation { $0.gelu().kept(-10, 10) },
    // x sigmoid(1.702 x)
    "quick_gelu": Activation(.silu, slope: 1.702), "relu": Activation(.relu),
    "silu": Activation(.silu), "swish": Activation(.silu), "tanh": Activation(.tanh),
    "sigmoid": Activation(.sigmoid), "linear": Activation { $0 },
    "relu2": Activation { $0.relu() * $0.relu() },
    "relu6": Activation { $0.kept(0, 6) },
    "leaky_relu": Activation { $0.binary(.maximum, $0 * 0.01) },
    "mish": Activation { x in
      // x tanh(ln(1 + u)) with u = exp(x); beyond 20 the factor of x is 1.
      let u = x.binary(.minimum, x.trace.constant(20)).exp()
      let v = u * (u + 2)
      return x * (v / (v + 2))
    },
    // The distribution function of a normal distribution (Ma et al., 2022).
    "laplace": Activation { x in
      (((x - 0.707107) * (0.5.squareRoot() / 0.282095)).unary(.erf) + 1) * 0.5
    },
  ]
}

extension Tensor {
  /// The elements, none below `least` or above `most`.
  func kept(_ least: Double, _ most: Double) -> Tensor {
    binary(.maximum, trace.constant(least)).binary(.minimum, trace.constant(most))
  }
}

/// The position-wise feed-forward network: `down(activation(up(x)))`.
public struct FeedForward: Layer {
  let up, down: Linear
  let activation: Activation

  public init(up: Linear, activation: Activation, down: Linear) {
    self.up = up
    self.activation = activation
    self.down = down
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    down(activation(up(x)))
  }
}

/// The gated feed-forward network (Shazeer, 2020): `down(activation(gate(x)) * up(x))`.
public struct GatedFeedForward: Layer {
  let gate, up, down: Linear
  let activation: Activation

  public init(gate: Linear, activation: Activation, up: Linear, down: Linear) {
    self.gate = gate
    self.activation = activation
    self.up = up
    self.down = down
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    down(activation(gate(x)) * up(x))
  }
}

/// The gated feed-forward network with the gate and its input side by side in one matrix.
public struct JoinedGatedFeedForward: Layer {
  let width: Int
  let activation: Activation
  let up, down: Linear

  /// - Parameter width: of the gate and of its input; `up` has twice as many outputs.
  public init(width: Int, up: Linear, activation: Activation, down: Linear) {
    self.width = width
    self.up = up
    self.activation = activation
    self.down = down
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    let both = up(x)
    let gate = both.slice(axis: -1, count: Dim(width))
    let input = both.slice(axis: -1, from: Dim(width), count: Dim(width))
    return down(activation(gate) * input)
  }
}

/// A feed-forward network of either kind: with a gate or without.
protocol FeedForwardLayer: Layer where Input == Tensor, Output == Tensor {}
extension FeedForward: FeedForwardLayer {}
extension GatedFeedForward: FeedForwardLayer {}
extension JoinedGatedFeedForward: FeedForwardLayer {}
