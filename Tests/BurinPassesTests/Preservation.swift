import BurinIR
import BurinPasses
import BurinTestSupport
import Testing

/// What a program computes from random inputs.
struct Outcome {
  private struct Call {
    let entry: String
    var inputs: [String: NumericArray] = [:]
    var states: [String: NumericArray] = [:]
    var outputs: [String: NumericArray] = [:]
  }

  private var weights: [String: NumericArray] = [:]
  private var calls: [Call] = []

  init(_ program: Program, extents: [String: Int], seed: Int = 1) throws {
    var random = TestRandom(seed: UInt64(seed))
    for (name, type) in program.weights { weights[name] = array(type, extents, &random) }
    for entry in program.entries {
      var call = Call(entry: entry.name)
      for node in entry.graph.nodes {
        switch node.op {
        case .input(let name, let type, _): call.inputs[name] = array(type, extents, &random)
        case .state(let name, let type): call.states[name] = array(type, extents, &random)
        default: break
        }
      }
      call.outputs = try run(program, call)
      calls.append(call)
    }
  }

  /// The largest difference from what another program computes of the same inputs, relative to the
  /// largest value; infinities and NaN must be the same.
  func difference(of other: Program) throws -> Double {
    var worst = 0.0
    for call in calls {
      let found = try run(other, call)
      #expect(Set(found.keys) == Set(call.outputs.keys))
      for (name, expected) in call.outputs {
        worst = max(worst, found[name].map { relativeDifference(expected, $0) } ?? .infinity)
      }
    }
    return worst
  }

  /// The outputs and the states' successors.
  private func run(_ program: Program, _ call: Call) throws -> [String: NumericArray] {
    var states = call.states
    let outputs = try Interpreter(program).run(
      call.entry, inputs: call.inputs, weights: { weights[$0]! }, states: &states)
    return outputs.merging(states) { output, _ in output }
  }
}

/// Random values that every operation accepts: integers are 0 or 1, so that they serve as masks,
/// lengths, starts and indices.
private func array(
  _ type: TensorType, _ extents: [String: Int], _ random: inout TestRandom
) -> NumericArray {
  let shape = type.shape.map { $0.evaluate(extents)! }
  return NumericArray(
    type.element, shape,
    (0..<shape.reduce(1, *)).map { _ in
      type.element.isFloat ? random.unit() : Double(random.int(in: 0...1))
    })
}

/// Runs a pass and sees to it that the program computes the same.
@discardableResult func checked(
  _ pass: Pass, _ program: Program, extents: [String: Int] = ["batch": 2, "seq": 5, "keys": 4],
  sourceLocation: SourceLocation = #_sourceLocation
) throws -> Program {
  let result = try pass(program)
  let difference = try Outcome(program, extents: extents).difference(of: result)
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
  var pipeline = Pipeline.standard(Pipeline.Options(disabled: without))
  if let last, let index = pipeline.passes.firstIndex(where: { $0.name == last }) {
    pipeline.passes.removeSubrange((index + 1)...)
  }
  let result = try pipeline(program)
  let difference = try Outcome(program, extents: extents).difference(of: result)
  #expect(difference < 1e-6, sourceLocation: sourceLocation)
  return result
}
