import BurinIR

/// A part of a model: a value that holds where its weights are and knows how to apply itself.
public protocol Layer {
  associatedtype Input
  associatedtype Output

  /// Applies the layer.
  func callAsFunction(_ x: Input) -> Output
}

/// Where a layer's weights are: a path in the model's files, such as `encoder.layer.3.attention`.
public struct Weights: Sendable, CustomStringConvertible {
  /// The names so far, joined by points.
  public let path: String

  public init(_ path: String = "") { self.path = path }

  /// The path one name further.
  public subscript(_ name: String) -> Weights {
    Weights(path.isEmpty ? name : path + "." + name)
  }

  /// The path of the `index`-th of a row of layers.
  public subscript(_ index: Int) -> Weights { self[String(index)] }

  public var description: String { path }

  /// The tensor `path.name`.
  func tensor(_ name: String, _ shape: [Int], in trace: Trace) -> Tensor {
    trace.weight(self[name].path, shape)
  }
}
