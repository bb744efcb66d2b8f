import BurinHub
import BurinIR

/// A part of a model: a value that holds where its weights are and knows how to apply itself.
public protocol Layer {
  /// What it is applied to: a `Tensor`, or a structure of several.
  associatedtype Input
  /// What it gives.
  associatedtype Output

  /// Applies the layer.
  func callAsFunction(_ x: Input) -> Output
}

/// Where a layer's weights are: a path in the model's files, such as `encoder.layer.3.attention`.
public struct Weights: Sendable, CustomStringConvertible {
  /// The names so far, joined by points.
  public let path: String
  /// The tensors that the model's files hold; `nil` if they are not known.
  private let stored: StoredWeights?

  /// The path of these names, joined by points; the root of the model's files if there is none.
  public init(_ path: String = "") { self.init(path, of: nil) }

  init(_ path: String, of stored: StoredWeights?) {
    self.path = path
    self.stored = stored
  }

  /// The path one name further.
  public subscript(_ name: String) -> Weights {
    Weights(path.isEmpty ? name : path + "." + name, of: stored)
  }

  /// The path of the `index`-th of a row of layers.
  public subscript(_ index: Int) -> Weights { self[String(index)] }

  /// The path.
  public var description: String { path }

  /// Whether the model's files are known to hold the tensor `path.name`.
  func holds(_ name: String) -> Bool { stored?.tensor(ByteString(self[name].path)) != nil }

  /// The tensor `path.name`.
  func tensor(_ name: String, _ shape: [Int], in trace: Trace) -> Tensor {
    trace.weight(self[name].path, shape)
  }
}
