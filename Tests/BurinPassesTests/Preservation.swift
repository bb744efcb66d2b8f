import BurinIR
import BurinPasses
import Testing

/// Numbers that are the same in every run (SplitMix64).
struct Random: RandomNumberGenerator {
  private var state: UInt64

  init(_ seed: Int) { state = UInt64(truncatingIfNeeded: seed) &* 0x9e37_79b9_7f4a_7c15 &+ 1 }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  mutating func flip() -> Bool { next() & 1 == 0 }
  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
  mutating func uniform() -> Double { Double(next() >> 11) / 0x1p53 * 2 - 1 }
}

/// The largest difference between what two programs compute from the same random inputs, relative
/// to the largest value; infinities and NaN must be the same.
func difference(
  _ before: Program, _ after: Program, extents: [String: Int], seed: Int = 1
) throws -> Double {
  var random = Random(seed)
  var weights: [String: NumericArray] = [:]
  for (name, type) in before.weights { weights[name] = array(type, extents, &random) }
  var worst = 0.0
  for entry in before.entries {
    var inputs: [String: NumericArray] = [:]
    var states: [String: NumericArray] = [:]
    for node in entry.graph.nodes {
      switch node.op {
      case .input(let name, let type, _): inputs[name] = array(type, extents, &random)
      case .state(let name, let type): states[name] = array(type, extents, &random)
      default: break
      }
    }
    func run(_ program: Program) throws -> [String: NumericArray] {
      var states = states
      let outputs = try Interpreter(program).run(
        entry.name, inputs: inputs, weights: { weights[$0]! }, states: &states)
      return outputs.merging(states) { output, _ in output }
    }
    let (x, y) = (try run(before), try run(after))
    #expect(Set(x.keys) == Set(y.keys))
    for (name, expected) in x { worst = max(worst, distance(expected, y[name])) }
  }
  return worst
}

private func distance(_ expected: NumericArray, _ found: NumericArray?) -> Double {
  guard let found, found.element == expected.element, found.shape == expected.shape else {
    return .infinity
  }
  let largest = expected.values.filter(\.isFinite).map(abs).max() ?? 0
  return zip(expected.values, found.values).map { x, y in
    if x == y || x.isNaN && y.isNaN { return 0 }
    return x.isFinite && y.isFinite ? abs(x - y) / max(largest, 1e-30) : .infinity
  }.max() ?? 0
}

/// Random values that every operation accepts: integers are 0 or 1, so that they serve as masks,
/// lengths, starts and indices.
private func array(
  _ type: TensorType, _ extents: [String: Int], _ random: inout Random
) -> NumericArray {
  let shape = type.shape.map { $0.evaluate(extents)! }
  return NumericArray(
    type.element, shape,
    (0..<shape.reduce(1, *)).map { _ in
      type.element.isFloat ? type.element.rounded(random.uniform()) : Double(random.below(2))
    })
}

/// Runs a pass and sees to it that the program computes the same.
@discardableResult func checked(
  _ pass: Pass, _ program: Program, extents: [String: Int] = ["batch": 2, "seq": 5, "keys": 4],
  sourceLocation: SourceLocation = #_sourceLocation
) throws -> Program {
  let result = try pass(program)
  let difference = try difference(program, result, extents: extents)
  #expect(difference < 1e-6, sourceLocation: sourceLocation)
  return result
}

/// Runs some of the standard passes in their order and sees to it that the program computes the
/// same.
@discardableResult func checked(
  through last: String? = nil, without: Set<String> = [], _ program: Program,
  extents: [String: Int] = ["batch": 2, "seq": 5, "keys": 4],
  sourceLocation: SourceLocation = #_sourceLocation
) throws -> Program {
  var pipeline = Pipeline.standard(Pipeline.Options(level: .v4, disabled: without))
  if let last, let index = pipeline.passes.firstIndex(where: { $0.name == last }) {
    pipeline.passes.removeSubrange((index + 1)...)
  }
  let result = try pipeline(program)
  let difference = try difference(program, result, extents: extents)
  #expect(difference < 1e-6, sourceLocation: sourceLocation)
  return result
}
