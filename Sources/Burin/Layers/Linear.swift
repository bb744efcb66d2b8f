import BurinIR

/// `x Wᵀ + b`, with the weight stored `[outputs, inputs]` as PyTorch does.
public struct Linear: Layer {
  /// How the weight lies in the file.
  public enum Storage: Sendable {
    /// `[outputs, inputs]`: PyTorch's `Linear`.
    case outputsByInputs
    /// `[inputs, outputs]`: GPT-2's `Conv1D`.
    case inputsByOutputs
  }

  let inputs: Int
  let outputs: Int
  let weights: Weights
  let hasBias: Bool
  let storage: Storage

  /// A product from rows of `inputs` elements to rows of `outputs`: `weight` and, unless `bias` is
  /// false, `bias[outputs]` at `weights`.
  public init(
    _ inputs: Int, _ outputs: Int, _ weights: Weights, bias: Bool = true,
    storage: Storage = .outputsByInputs
  ) {
    self.inputs = inputs
    self.outputs = outputs
    self.weights = weights
    self.hasBias = bias
    self.storage = storage
  }

  /// `[..., outputs]` for `x[..., inputs]`.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    let product =
      switch storage {
      case .outputsByInputs:
        x.matmul(weights.tensor("weight", [outputs, inputs], in: x.trace).transposed)
      case .inputsByOutputs: x.matmul(weights.tensor("weight", [inputs, outputs], in: x.trace))
      }
    return hasBias ? product + weights.tensor("bias", [outputs], in: x.trace) : product
  }
}
