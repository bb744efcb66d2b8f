import BurinIR
import Glibc
import Testing

@testable import Burin

/// Activation functions against their definitions.
@Suite struct ActivationTests {
  private static func gelu(_ x: Double) -> Double { 0.5 * x * (1 + erf(x / 2.0.squareRoot())) }
  private static func geluTanh(_ x: Double) -> Double {
    0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
  }
  private static func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

  static let definitions: [String: @Sendable (Double) -> Double] = [
    "gelu": gelu, "gelu_new": geluTanh, "gelu_pytorch_tanh": geluTanh, "gelu_fast": geluTanh,
    "gelu_python": gelu, "gelu_python_tanh": geluTanh, "gelu_accurate": geluTanh,
    "gelu_10": { min(max(gelu($0), -10), 10) }, "quick_gelu": { $0 * sigmoid(1.702 * $0) },
    "relu": { max($0, 0) }, "silu": { $0 * sigmoid($0) }, "swish": { $0 * sigmoid($0) },
    "tanh": { tanh($0) }, "sigmoid": sigmoid, "linear": { $0 },
    "relu2": { max($0, 0) * max($0, 0) }, "relu6": { min(max($0, 0), 6) },
    "leaky_relu": { $0 > 0 ? $0 : 0.01 * $0 }, "mish": { $0 * tanh(log1p(exp($0))) },
    "laplace": { 0.5 * (1 + erf(($0 - 0.707107) / (0.282095 * 2.0.squareRoot()))) },
  ]

  @Test("are what transformers computes under their names")
  func definition() throws {
    #expect(Set(Activation.named.map(\.key)) == Set(Self.definitions.keys))
    let values = (-240...240).map { Float($0) / 8 }
    let program = Program.trace("activations") { trace in
      let x = trace.input("x", .f32, [Dim(values.count)])
      return Activation.named.map { ($0.key, $0.value(x)) }
    }
    let outputs = try Interpreter(program).run(
      "forward", inputs: ["x": NumericArray([values.count], floats: values)],
      weights: { _ in NumericArray([1], floats: [0]) })
    for (name, definition) in Self.definitions {
      let found = try #require(outputs[name]).values
      for (x, y) in zip(values, found) {
        let expected = definition(Double(x))
        #expect(abs(y - expected) <= 1e-6 * max(1, abs(expected)), "\(name) of \(x)")
      }
    }
  }
}
