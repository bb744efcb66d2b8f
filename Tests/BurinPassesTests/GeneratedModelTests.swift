import BurinIR
import BurinPasses
import BurinTestSupport
import Testing

@Suite("The pipeline on generated models")
struct GeneratedModelTests {
  private let pipeline = Pipeline.standard(Pipeline.Options())

  /// Every pass preserves what the interpreter computes, and its result can be written and read.
  @Test(arguments: 0..<12)
  func everyPassPreserves(seed: Int) throws {
    let model = try GeneratedModel(seed: UInt64(seed))
    _ = try pipeline(model.program) { pass, program, _ in
      let difference = try model.difference(from: program, calls: 2)
      #expect(difference < 1e-6, "after \(pass?.name ?? "none")")
      let text = program.text
      let again = try Program(text: text)
      #expect(again.text == text, "after \(pass?.name ?? "none")")
    }
  }

  /// A `.burin` file may hold what passes have been at already.
  @Test func passesAcceptTheirOwnResults() throws {
    let model = try GeneratedModel(seed: 5)
    let twice = try pipeline(pipeline(model.program))
    #expect(try model.difference(from: twice) < 1e-6)
    let every = try pipeline(everyOperation())
    try verify(every)
    #expect(try Program(text: every.text).text == every.text)
  }
}
