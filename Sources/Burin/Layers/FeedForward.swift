import BurinIR

/// The position-wise feed-forward network: `down(activation(up(x)))`.
public struct FeedForward: Layer {
  let up, down: Linear
  let activation: Activation

  /// The two products and what lies between them; `down` leads back to the width that `up` takes.
  public init(up: Linear, activation: Activation, down: Linear) {
    self.up = up
    self.activation = activation
    self.down = down
  }

  /// `[..., width]` for `x[..., width]`.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    down(activation(up(x)))
  }
}

/// The gated feed-forward network (Shazeer, 2020): `down(activation(gate(x)) * up(x))`.
public struct GatedFeedForward: Layer {
  let gate, up, down: Linear
  let activation: Activation

  /// The three products; `gate` and `up` have the same widths.
  public init(gate: Linear, activation: Activation, up: Linear, down: Linear) {
    self.gate = gate
    self.activation = activation
    self.up = up
    self.down = down
  }

  /// `[..., width]` for `x[..., width]`.
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

  /// `[..., width]` for `x[..., width]`: the first half of what `up` gives is the gate.
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
