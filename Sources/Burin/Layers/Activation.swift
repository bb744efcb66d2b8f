import BurinIR

/// An activation function: what configurations name, and what it is here.
public struct Activation: Hashable, Sendable {
  private enum Form: Hashable {
    /// `function(slope * x) / slope`.
    case plain(Unary, slope: Double)
    /// The function's values brought between two bounds.
    case clipped(Unary, Double, Double)
    case identity, squaredRelu, leakyRelu, mish, laplace
  }

  private let form: Form

  /// - Parameter slope: how much steeper the function turns, its size kept.
  public init(_ function: Unary, slope: Double = 1) { form = .plain(function, slope: slope) }

  private init(_ form: Form) { self.form = form }

  /// The function of every element of `x`, in f32.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    func number(_ value: Double) -> Tensor { x.trace.constant(value) }
    switch form {
    case .plain(let function, let slope):
      return slope == 1 ? x.unary(function) : (x * slope).unary(function) / slope
    case .clipped(let function, let lowest, let highest):
      return x.unary(function).kept(lowest, highest)
    case .identity: return x
    case .squaredRelu:
      let positive = x.relu()
      return positive * positive
    case .leakyRelu: return x.binary(.maximum, x * 0.01)
    case .mish:
      // x tanh(log(1 + e^x)); from 20 on, the tanh is 1 in f32.
      let softplus = (x.binary(.minimum, number(20)).exp() + 1).unary(.log)
      return x * softplus.tanh()
    case .laplace:
      let deviation = 0.282095
      return (((x - 0.707107) / (deviation * 2.0.squareRoot())).unary(.erf) + 1) * 0.5
    }
  }

  /// transformers' names (`ACT2FN`) and the functions that they stand for; those with learnt weights
  /// are left out.
  static let named: KeyValuePairs<String, Activation> = [
    "gelu": Activation(.gelu), "gelu_10": Activation(.clipped(.gelu, -10, 10)),
    "gelu_new": Activation(.geluTanh), "gelu_pytorch_tanh": Activation(.geluTanh),
    "gelu_fast": Activation(.geluTanh), "gelu_python": Activation(.gelu),
    "gelu_python_tanh": Activation(.geluTanh), "gelu_accurate": Activation(.geluTanh),
    "laplace": Activation(.laplace), "leaky_relu": Activation(.leakyRelu),
    "linear": Activation(.identity), "mish": Activation(.mish),
    // x sigmoid(1.702 x)
    "quick_gelu": Activation(.silu, slope: 1.702), "relu": Activation(.relu),
    "relu2": Activation(.squaredRelu), "relu6": Activation(.clipped(.relu, 0, 6)),
    "sigmoid": Activation(.sigmoid), "silu": Activation(.silu), "swish": Activation(.silu),
    "tanh": Activation(.tanh),
  ]
}

extension Tensor {
  /// The elements, none below `least` or above `most`.
  func kept(_ least: Double, _ most: Double) -> Tensor {
    binary(.maximum, trace.constant(least)).binary(.minimum, trace.constant(most))
  }
}
