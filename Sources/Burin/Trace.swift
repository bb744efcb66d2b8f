import BurinIR
import Runtime

/// The graph under construction while a model's Swift runs: every tensor belongs to one trace.
///
/// A trace is the only thing of the language that changes; it never leaves the closure that
/// `Entry.trace` gives it to.
public final class Trace {
  private(set) var graph = Graph()
  private var scopes: [String] = []

  init() {}

  /// A tensor that the caller of the compiled entry gives, by its name in the model's forward call.
  ///
  /// - Parameter fallback: the value that it has where the caller leaves it out.
  public func input(
    _ name: String, _ element: ElementType, _ shape: [Dim], fallback: Tensor? = nil
  ) -> Tensor {
    append(.input(name: name, type: TensorType(element, shape), fallback: fallback?.id))
  }

  /// A tensor of the model's files.
  public func weight(_ name: String, _ shape: [Int]) -> Tensor {
    append(.weight(name: name, type: TensorType(.f32, shape.map { Dim($0) })))
  }

  /// What a state held before this call.
  public func state(_ name: String, _ element: ElementType, _ shape: [Dim]) -> Tensor {
    append(.state(name: name, type: TensorType(element, shape)))
  }

  /// A number, which broadcasts to any shape.
  public func constant(_ value: Double, _ element: ElementType = .f32) -> Tensor {
    append(.constant(Literal(TensorType(element, []), [value])))
  }

  /// A small tensor of known values, row by row.
  public func constant(
    _ values: [Double], _ element: ElementType = .f32, shape: [Int]? = nil
  ) -> Tensor {
    let shape = (shape ?? [values.count]).map { Dim($0) }
    return append(.constant(Literal(TensorType(element, shape), values)))
  }

  /// One value everywhere.
  public func full(_ value: Double, _ element: ElementType, _ shape: [Dim]) -> Tensor {
    append(.broadcast(constant(value, element).id, shape))
  }

  /// 0, 1, 2 ... along `axis`.
  public func iota(_ shape: [Dim], axis: Int) -> Tensor {
    append(.iota(TensorType(.i32, shape), axis: axis))
  }

  /// The value of an extent, `i32[]`.
  public func extent(_ dim: Dim) -> Tensor { append(.extent(dim)) }

  /// 0 where all of `masks` let the key count for the query and `-inf` elsewhere,
  /// `f32[batch, 1, queries, keys]`: to be added to the scores of attention.
  public func mask(_ masks: [Mask<Tensor>], batch: Dim, queries: Dim, keys: Dim) -> Tensor {
    append(
      .mask(masks.map { mask in mask.map { $0.id } }, shape: [batch, 1, queries, keys]))
  }

  /// Runs `body` with its operations grouped under `name` in dumps and in the emitted C.
  public func scoped<Result>(_ name: String, _ body: () throws -> Result) rethrows -> Result {
    scopes.append(name)
    defer { scopes.removeLast() }
    return try body()
  }

  /// Joins tensors along an axis.
  public func concat(_ parts: [Tensor], axis: Int) -> Tensor {
    append(.concat(parts.map(\.id), axis: axis))
  }

  func append(_ op: Op<NodeID>) -> Tensor {
    do throws(IRError) {
      let id = try graph.append(op, scope: scopes.joined(separator: ": "))
      return Tensor(trace: self, id: id)
    } catch {
      misuse(error.description)
    }
  }
}

extension Entry {
  /// Builds an entry by running a model's Swift on symbolic tensors.
  ///
  /// A shape mistake in `body` stops the process with both shapes and the line of the mistake.
  ///
  /// - Parameter body: gives the outputs, in order, by name.
  public static func trace<Failure: Error>(
    _ name: String, _ body: (Trace) throws(Failure) -> [(String, Tensor)]
  ) throws(Failure) -> Entry {
    try trace(name) { trace throws(Failure) in (outputs: try body(trace), successors: []) }
  }

  /// Builds an entry that also gives states new values.
  public static func trace<Failure: Error>(
    _ name: String,
    _ body: (Trace) throws(Failure) -> (
      outputs: [(String, Tensor)], successors: [(String, Tensor)]
    )
  ) throws(Failure) -> Entry {
    let trace = Trace()
    let (outputs, successors) = try body(trace)
    return Entry(
      name, graph: trace.graph, outputs: outputs.map { Output($0, $1.id) },
      successors: successors.map { Successor($0, $1.id) })
  }
}

extension Program {
  /// Builds a program of one entry, `forward`.
  public static func trace(
    _ name: String, _ body: (Trace) throws -> [(String, Tensor)]
  ) rethrows -> Program {
    Program(name, entries: [try Entry.trace("forward", body)])
  }
}

/// Stops with `message` and the line of the model's own source that led here.
func misuse(_ message: String) -> Never {
  let frames = (try? Backtrace.capture())?.symbolicated()?.frames ?? []
  let library = #filePath.dropLast("Trace.swift".count)
  for case let location? in frames.map({ $0.symbol?.sourceLocation })
  where !location.path.isEmpty && !location.path.hasPrefix(library) && location.line > 0 {
    fatalError("\(message), at \(location.path):\(location.line)")
  }
  fatalError(message)
}
