import BurinIR

/// The activation functions that configurations name, and what they are here.
public struct Activation: Hashable, Sendable {
  /// The function that it is.
  public let function: Unary

  public init(_ function: Unary) { self.function = function }

  /// transformers' names (`ACT2FN`) and the functions that they stand for.
  static let named: KeyValuePairs<String, Unary> = [
    "gelu": .gelu, "gelu_new": .geluTanh, "gelu_pytorch_tanh": .geluTanh, "gelu_fast": .geluTanh,
    "gelu_python": .gelu, "gelu_python_tanh": .geluTanh, "gelu_accurate": .geluTanh,
    "relu": .relu, "silu": .silu, "swish": .silu, "tanh": .tanh, "sigmoid": .sigmoid,
  ]
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
    down(up(x).unary(activation.function))
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
    down(gate(x).unary(activation.function) * up(x))
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
    return down(gate.unary(activation.function) * input)
  }
}

/// A feed-forward network of either kind: with a gate or without.
protocol FeedForwardLayer: Layer where Input == Tensor, Output == Tensor {}
extension FeedForward: FeedForwardLayer {}
extension GatedFeedForward: FeedForwardLayer {}
extension JoinedGatedFeedForward: FeedForwardLayer {}
