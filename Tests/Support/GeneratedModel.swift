import BurinIR

/// A small random Transformer-like program as a person would write it, attention spelled out, with
/// random weights: what passes and kernels must not change.
public struct GeneratedModel: Sendable {
  /// One entry `forward`, or that and `step` with states.
  public let program: Program
  /// The numbers of every weight, by name.
  public let weights: [String: NumericArray]
  /// Ids are smaller than this.
  let vocabulary: Int

  /// The bounds of the extents that inputs are made for.
  static let maxima = ["batch": 3, "seq": 7, "keys": 6, "context": 12]

  /// The model that belongs to a seed; the same in every run.
  public init(seed: UInt64) throws {
    var generator = ModelGenerator(seed: seed)
    program = try generator.program("generated \(seed)")
    weights = generator.weights
    vocabulary = generator.vocabulary
  }

  /// Random inputs of one entry for random extents: sequences of any length, masks of any kind, and
  /// inputs that may be left out missing now and then.
  ///
  /// - Parameter extents: extents that are to be these.
  public func inputs(
    _ entry: String, _ random: inout TestRandom, extents: [String: Int] = [:]
  ) -> [String: NumericArray] {
    var extents = extents
    for (name, maximum) in Self.maxima.sorted(by: { $0.key < $1.key }) where extents[name] == nil {
      extents[name] = random.int(in: 1...maximum)
    }
    // A step appends at most what the cache still has room for.
    if entry == "step" { extents["seq"] = min(extents["seq"] ?? 1, 3) }
    var inputs: [String: NumericArray] = [:]
    for node in program.entries.first(where: { $0.name == entry })?.graph.nodes ?? [] {
      guard case .input(let name, let type, let fallback) = node.op else { continue }
      if fallback != nil && random.int(in: 0...3) == 0 { continue }
      let shape = type.shape.compactMap { $0.evaluate(extents) }
      let seq = extents["seq"] ?? 1
      let limit =
        switch name {
        case "input_ids": 0...vocabulary - 1
        case "lengths", "counts": 1...seq
        default: 0...1
        }
      var values = (0..<shape.reduce(1, *)).map { _ in
        type.element.isFloat ? random.unit() : Double(random.int(in: limit))
      }
      if name == "position_ids" { values = values.indices.map { Double($0 % seq) } }
      inputs[name] = NumericArray(type.element, shape, values)
    }
    return inputs
  }

  /// States of the entry `step` for the inputs of a call: caches of which each sequence has filled
  /// a part, with room for the call.
  public func states(
    for inputs: [String: NumericArray], _ random: inout TestRandom
  ) -> [String: NumericArray] {
    guard let ids = inputs["input_ids"] else { return [:] }
    let context = Self.maxima["context"] ?? 1
    let extents = ["batch": ids.shape[0], "context": context]
    var states: [String: NumericArray] = [:]
    for (name, type) in program.states {
      let shape = type.shape.compactMap { $0.evaluate(extents) }
      states[name] = NumericArray(
        type.element, shape,
        (0..<shape.reduce(1, *)).map { _ in
          type.element.isFloat
            ? random.unit() : Double(random.int(in: 0...context - ids.shape[1]))
        })
    }
    return states
  }

  /// The outputs of one entry of a program that reads this model's weights; of states, the
  /// successors, each as `state NAME`.
  ///
  /// - Parameter program: this model's program, or what passes made of it.
  public func run(
    _ program: Program, _ entry: String, inputs: [String: NumericArray],
    states: [String: NumericArray] = [:]
  ) throws -> [String: NumericArray] {
    var states = states
    var outputs = try Interpreter(program).run(
      entry, inputs: inputs,
      weights: { name in
        guard let weight = weights[name] else { throw InterpreterError("no weight \(name)") }
        return weight
      }, states: &states)
    for (name, value) in states { outputs["state \(name)"] = value }
    return outputs
  }

  /// The largest difference between what the model and another form of its program compute, in
  /// several random calls of every entry, as a share of each output's largest value; infinite
  /// if shapes, infinities or NaN differ.
  public func difference(from other: Program, seed: UInt64 = 1, calls: Int = 3) throws -> Double {
    var random = TestRandom(seed: seed)
    var worst = 0.0
    for entry in program.entries.map(\.name) {
      for _ in 0..<calls {
        let inputs = inputs(entry, &random)
        let states = entry == "step" ? states(for: inputs, &random) : [:]
        let expected = try run(program, entry, inputs: inputs, states: states)
        let found = try run(other, entry, inputs: inputs, states: states)
        if expected.keys != found.keys { return .infinity }
        for (name, value) in expected {
          worst = max(worst, found[name].map { relativeDifference(value, $0) } ?? .infinity)
        }
      }
    }
    return worst
  }
}

/// The largest difference of two arrays as a share of the first one's largest magnitude; infinite
/// if element types, shapes, infinities or NaN differ.
public func relativeDifference(_ expected: NumericArray, _ found: NumericArray) -> Double {
  guard expected.element == found.element, expected.shape == found.shape else { return .infinity }
  let largest = expected.values.reduce(0) { $1.isFinite ? max($0, abs($1)) : $0 }
  var worst = 0.0
  for (x, y) in zip(expected.values, found.values) where x != y && !(x.isNaN && y.isNaN) {
    guard x.isFinite, y.isFinite else { return .infinity }
    worst = max(worst, abs(x - y) / max(largest, 1e-30))
  }
  return worst
}
