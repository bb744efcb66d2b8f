/// What is wrong with the values that a program is given.
public struct InterpreterError: Error, CustomStringConvertible, Equatable {
  /// One line: which node, what was expected, and what was found.
  public let description: String

  /// An error of one line.
  public init(_ description: String) { self.description = description }
}

/// Runs programs slowly, obviously and in double precision: the oracle of the passes and the
/// kernels.
///
/// Values are rounded to an element type by `cast` and `constant` alone, so that what an `f32`
/// graph computes here is the exact value that its kernels approximate. Integers wrap around.
public struct Interpreter: Sendable {
  private let program: Program

  /// - Requires: `verify` accepts the program.
  public init(_ program: Program) { self.program = program }

  /// The outputs of one entry, by name; every state takes on its successor.
  ///
  /// Symbols are bound by the extents of the inputs and states that are plain symbols; a state
  /// that is not given begins as zeros. `weights` is asked once for every weight that is needed.
  ///
  /// - Throws: `InterpreterError` for inputs, states and weights that do not fit, and for
  ///   indices out of range; what `weights` throws.
  public func run(
    _ entry: String, inputs: [String: NumericArray],
    weights: (String) throws -> NumericArray, states: inout [String: NumericArray]
  ) throws -> [String: NumericArray] {
    guard let entry = program.entries.first(where: { $0.name == entry }) else {
      let known = program.entries.map(\.name).joined(separator: ", ")
      throw InterpreterError("no entry \(entry); there are \(known)")
    }
    var frame = try Frame(entry, inputs: inputs, states: states)
    let values = try frame.evaluate(weights)
    func value(_ id: NodeID) throws -> NumericArray {
      guard let value = values[id]?.first else { throw InterpreterError("\(id) has no value") }
      return value
    }
    for successor in entry.successors { states[successor.state] = try value(successor.value) }
    var outputs: [String: NumericArray] = [:]
    for output in entry.outputs { outputs[output.name] = try value(output.value) }
    return outputs
  }

  /// The outputs of one entry without states, or whose states are to be zeros.
  public func run(
    _ entry: String, inputs: [String: NumericArray],
    weights: (String) throws -> NumericArray = { throw InterpreterError("no weight \($0)") }
  ) throws -> [String: NumericArray] {
    var states: [String: NumericArray] = [:]
    return try run(entry, inputs: inputs, weights: weights, states: &states)
  }
}

/// One call of one entry.
private struct Frame {
  let entry: Entry
  let inputs: [String: NumericArray]
  let states: [String: NumericArray]
  /// The values of the symbols, by name.
  var extents: [String: Int] = [:]

  init(
    _ entry: Entry, inputs: [String: NumericArray], states: [String: NumericArray]
  ) throws(InterpreterError) {
    self.entry = entry
    self.inputs = inputs
    self.states = states
    var given: [(what: String, type: TensorType, value: NumericArray)] = []
    var unknown = Set(inputs.keys)
    for node in entry.graph.nodes {
      if case .input(let name, let type, _) = node.op, let value = inputs[name] {
        given.append(("input \(name)", type, value))
        unknown.remove(name)
      } else if case .state(let name, let type) = node.op, let value = states[name] {
        given.append(("state \(name)", type, value))
      }
    }
    if let name = unknown.min() { throw InterpreterError("\(entry.name) has no input \(name)") }
    for (what, type, value) in given { try bind(type, value, what) }
    try bindAbsent()
    for (what, type, value) in given {
      try check(value, type, what)
      if !type.element.isFloat,
        let odd = value.values.first(where: { $0 != type.element.rounded($0) })
      {
        throw InterpreterError("\(what): \(odd) is no \(type.element.rawValue)")
      }
    }
  }

  private mutating func bind(
    _ type: TensorType, _ value: NumericArray, _ what: String
  ) throws(InterpreterError) {
    guard value.rank == type.rank else {
      throw InterpreterError("\(what): expected \(type), found the shape \(value.shape)")
    }
    for (dim, extent) in zip(type.shape, value.shape) {
      guard let symbol = dim.symbol, extents[symbol.name] == nil else { continue }
      guard extent >= 1, extent <= symbol.maximum else {
        throw InterpreterError(
          "\(what): \(symbol.name) is \(extent), expected 1 to \(symbol.maximum)")
      }
      extents[symbol.name] = extent
    }
  }

  /// Gives the symbols of absent inputs the values that what stands for them has.
  private mutating func bindAbsent() throws(InterpreterError) {
    for node in entry.graph.nodes {
      guard case .input(let name, let type, let fallback?) = node.op, inputs[name] == nil else {
        continue
      }
      for (symbol, other) in type.extents(like: entry.graph.tensorType(fallback)) ?? [] {
        guard let extent = extents[other.name] else { continue }
        guard extents[symbol.name, default: extent] == extent, extent <= symbol.maximum else {
          throw InterpreterError(
            "input \(name) is missing: \(symbol.name) must be \(extent), as \(other.name)")
        }
        extents[symbol.name] = extent
      }
    }
  }

  private func check(
    _ value: NumericArray, _ type: TensorType, _ what: String
  ) throws(InterpreterError) {
    let shape = try evaluate(type.shape)
    guard value.element == type.element, value.shape == shape else {
      throw InterpreterError(
        "\(what): expected \(type.element.rawValue)\(shape), "
          + "found \(value.element.rawValue)\(value.shape)")
    }
  }

  private func evaluate(_ shape: [Dim]) throws(InterpreterError) -> [Int] {
    try evaluateShape(shape, extents)
  }

  /// The values of the roots and whatever else is still held; a value is dropped after its last
  /// use.
  mutating func evaluate(
    _ weights: (String) throws -> NumericArray
  ) throws -> [NodeID: [NumericArray]] {
    let graph = entry.graph
    var uses: [NodeID: Int] = [:]
    for root in entry.roots { uses[root, default: 0] += 1 }
    for id in graph.ids.reversed() where uses[id] != nil {
      for operand in operandsNeeded(graph[id].op) { uses[operand, default: 0] += 1 }
    }
    var values: [NodeID: [NumericArray]] = [:]
    for id in graph.ids where uses[id] != nil {
      let node = graph[id]
      let result = try evaluate(node.op, values, weights)
      try check(result, node, id)
      values[id] = result
      for operand in operandsNeeded(node.op) {
        let left = uses[operand, default: 1] - 1
        uses[operand] = left
        if left == 0 { values[operand] = nil }
      }
    }
    return values
  }

  /// The fallback of an input that is given is not needed.
  private func operandsNeeded(_ op: Op<NodeID>) -> [NodeID] {
    if case .input(let name, _, _) = op, inputs[name] != nil { return [] }
    return op.operands
  }

  private func evaluate(
    _ op: Op<NodeID>, _ values: [NodeID: [NumericArray]],
    _ weights: (String) throws -> NumericArray
  ) throws -> [NumericArray] {
    func value(_ id: NodeID, part: Int = 0) throws(InterpreterError) -> NumericArray {
      guard let parts = values[id], parts.indices.contains(part) else {
        throw InterpreterError("\(id) is used before it is computed")
      }
      return parts[part]
    }
    switch op {
    case .input(let name, _, let fallback):
      if let given = inputs[name] { return [given] }
      guard let fallback else { throw InterpreterError("input \(name) is missing") }
      return [try value(fallback)]
    case .weight(let name, let type):
      let weight = try weights(name)
      try check(weight, type, "weight \(name)")
      return [weight]
    case .state(let name, let type):
      if let given = states[name] { return [given] }
      return [NumericArray(type.element, try evaluate(type.shape), repeating: 0)]
    case .part(let tuple, let index): return [try value(tuple, part: index)]
    default:
      let applied = try op.map { (id) throws(InterpreterError) in try value(id) }
      return try interpret(applied, extents: extents)
    }
  }

  /// Holds what was computed against what the type rule promised.
  private func check(_ result: [NumericArray], _ node: Node, _ id: NodeID) throws {
    let types =
      switch node.type {
      case .tensor(let type): [type]
      case .tuple(let types): types
      }
    for (value, type) in zip(result, types) { try check(value, type, "\(id)") }
  }
}

/// The extents of a shape for given values of its symbols.
private func evaluateShape(
  _ shape: [Dim], _ extents: [String: Int]
) throws(InterpreterError) -> [Int] {
  var result: [Int] = []
  for dim in shape { result.append(try evaluateDim(dim, extents)) }
  return result
}

private func evaluateDim(_ dim: Dim, _ extents: [String: Int]) throws(InterpreterError) -> Int {
  guard let value = dim.evaluate(extents) else {
    throw InterpreterError("no input or state that was given says how large \(dim) is")
  }
  return value
}

/// What one operation computes from its operands' values; two tensors for `addNorm`,
/// `normAndCast` and `topK`.
///
/// - Parameter extents: the values of the symbols, by name.
/// - Requires: the operands fit the operation's type rule.
/// - Throws: `InterpreterError` for an index out of range, an unbound symbol, and for the
///   operations that only a program can compute (inputs, weights, states, parts of tuples).
public func interpret(
  _ op: Op<NumericArray>, extents: [String: Int]
) throws(InterpreterError) -> [NumericArray] {
  switch op {
  case .input, .weight, .state, .part:
    throw InterpreterError("an operation that has no value outside of a program")
  case .constant(let literal):
    let shape = try evaluateShape(literal.type.shape, extents)
    let values = literal.values.map(literal.type.element.rounded)
    return [
      values.count == 1
        ? NumericArray(literal.type.element, shape, repeating: values[0])
        : NumericArray(literal.type.element, shape, values)
    ]
  case .iota(let type, let axis):
    return [counting(type.element, try evaluateShape(type.shape, extents), axis: axis)]
  case .extent(let dim): return [NumericArray(.i32, [], [Double(try evaluateDim(dim, extents))])]

  case .unary(let function, let x): return [x.applying(function)]
  case .binary(let function, let x, let y): return [x.combined(function, y)]
  case .select(let condition, let then, let otherwise):
    return [condition.selecting(then, otherwise)]
  case .scale(let x, let factor): return [x.map { $0 * factor }]
  case .cast(let x, let element): return [x.cast(to: element)]

  case .matmul(let x, let y): return [x.product(y)]
  case .linear(let x, let weight, let columns, let epilogues, _):
    return [x.linear(weight, columns: columns, epilogues)]
  case .experts(let x, let chosen, let weight, let count, let columns, let epilogues, _):
    return [
      try x.experts(chosen, weight, count: count, columns: columns, epilogues)
    ]
  case .attention(let query, let key, let value, let scores, _):
    return [query.attention(key: key, value: value, scores: scores)]

  case .softmax(let x): return [x.softmax()]
  case .norm(let x, let norm): return [x.normalized(norm).cast(to: norm)]
  case .normAndCast(let x, let norm):
    let normed = x.normalized(norm)
    return [normed, normed.cast(to: norm)]
  case .addNorm(let x, let residual, let norm):
    let sum = x.combined(.add, residual)
    return [sum, sum.normalized(norm).cast(to: norm)]
  case .reduce(let function, let x, let axes): return [x.reduced(function, axes: axes)]
  case .cumulativeSum(let x, let axis): return [x.cumulativeSum(axis: axis)]
  case .topK(let x, let count): return x.largest(count)
  case .rotary(let x, let positions, let frequencies, let interleaved):
    return [x.rotated(positions: positions, frequencies: frequencies, interleaved: interleaved)]

  case .embedding(let table, let indices, let rows):
    return [try table.embedding(indices, rows: rows)]
  case .gather(let x, let indices): return [try x.gather(indices)]
  case .slice(let x, let axis, let start, let count):
    return [
      try x.slice(
        axis: axis, start: try evaluateDim(start, extents), count: try evaluateDim(count, extents))
    ]
  case .concat(let parts, let axis): return [concatenated(parts, axis: axis)]
  case .reshape(let x, let shape): return [x.reshaped(try evaluateShape(shape, extents))]
  case .transpose(let x, let permutation): return [x.transposed(permutation)]
  case .broadcast(let x, let shape): return [x.broadcast(to: try evaluateShape(shape, extents))]
  case .mask(let masks, let shape):
    return [maskArray(masks, shape: try evaluateShape(shape, extents))]
  case .append(let cache, let values, let start, let counts):
    return [try cache.appending(values, start: start, counts: counts)]
  case .pack(let x, let width): return [x.packed(width: width)]
  }
}
