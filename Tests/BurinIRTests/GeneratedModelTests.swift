import BurinTestSupport
import Testing

@testable import BurinIR

@Suite("Generated models")
struct GeneratedModelTests {
  @Test(arguments: 0..<40)
  func areSoundAndFinite(seed: Int) throws {
    let model = try GeneratedModel(seed: UInt64(seed))
    try verify(model.program)
    let text = model.program.text
    let again = try Program(text: text)
    #expect(again.text == text)
    #expect(try model.difference(from: again, calls: 1) == 0)
    var random = TestRandom(seed: 3)
    for entry in model.program.entries {
      let inputs = model.inputs(entry.name, &random)
      let states = entry.name == "step" ? model.states(for: inputs, &random) : [:]
      let outputs = try model.run(model.program, entry.name, inputs: inputs, states: states)
      #expect(
        outputs.count == entry.outputs.count + model.program.states.count * (states.isEmpty ? 0 : 1)
      )
      for (name, value) in outputs {
        #expect(!value.values.contains { !$0.isFinite }, "\(name)")
      }
    }
  }

  /// Tokens one by one through `step` give what `forward` gives for all of them at once, up to
  /// constants that are rounded to `f32` in one and not in the other.
  @Test func stepsContinueWhatForwardBegins() throws {
    var compared = 0
    for seed in 0..<60 {
      let model = try GeneratedModel(seed: UInt64(seed))
      guard model.program.entries.count == 2 else { continue }
      let forward = model.program.entries[0].graph
      let ids = NumericArray(.i32, [2, 4], [0, 1, 2, 3, 4, 0, 1, 2])
      var inputs = ["input_ids": ids]
      for case .input("lengths", _, _) in forward.nodes.map(\.op) {
        inputs["lengths"] = NumericArray(.i32, [2], [4, 4])
      }
      let all = try model.run(model.program, "forward", inputs: inputs)
      var states: [String: NumericArray] = [:]
      for (name, type) in model.program.states {
        let shape = type.shape.compactMap { $0.evaluate(["batch": 2, "context": 6]) }
        states[name] = NumericArray(type.element, shape, repeating: 0)
      }
      var last: NumericArray?
      for place in 0..<4 {
        let token = NumericArray(.i32, [2, 1], [ids.values[place], ids.values[4 + place]])
        let outputs = try model.run(
          model.program, "step", inputs: ["input_ids": token], states: states)
        for name in states.keys { states[name] = outputs["state \(name)"] }
        last = outputs["logits"]
      }
      let logits = try #require(all["logits"])
      let columns = logits.shape[2]
      let expected = [3, 7].flatMap { logits.values[$0 * columns..<($0 + 1) * columns] }
      let found = try #require(last)
      #expect(
        relativeDifference(NumericArray(.f32, [2, 1, columns], expected), found) < 1e-6, "\(seed)")
      compared += 1
    }
    #expect(compared >= 3)
  }
}
