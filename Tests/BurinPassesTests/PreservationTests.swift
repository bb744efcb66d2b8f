import BurinIR
import BurinPasses
import BurinTestSupport
import Testing

@Suite struct PreservationTests {
  private static let extents = ["batch": 2, "seq": 3]
  private static let passes = Pipeline.standard(Pipeline.Options()).passes

  /// Each pass by itself, and all of them in their order, compute what the graph did.
  @Test(arguments: 0..<8) func generatedGraphs(_ tens: Int) throws {
    for seed in tens * 25..<tens * 25 + 25 {
      let program = Generator.program(seed: seed)
      let expected = try Outcome(program, extents: Self.extents, seed: seed)
      for pass in Self.passes {
        let after = try pass(program)
        #expect(try expected.difference(of: after) < 1e-6, "\(pass.name) on graph \(seed)")
      }
      let after = try Pipeline(Self.passes)(program)
      #expect(try expected.difference(of: after) < 1e-6, "all passes on graph \(seed)")
    }
  }

  /// The same for small Transformers with several entries, states and inputs left out.
  @Test(arguments: 0..<4) func generatedModels(_ tens: Int) throws {
    for seed in tens * 10..<tens * 10 + 10 {
      let model = try GeneratedModel(seed: UInt64(seed))
      var program = model.program
      for pass in Self.passes {
        program = try pass(program)
        try verify(program)
      }
      #expect(try model.difference(from: program) < 1e-6, "model \(seed)")
      // In any other order they find less, and are as right.
      var random = TestRandom(seed: UInt64(seed))
      program = model.program
      for pass in Self.passes.shuffled(using: &random) { program = try pass(program) }
      try verify(program)
      #expect(try model.difference(from: program) < 1e-6, "model \(seed), shuffled")
    }
  }

  /// What a pass leaves, it leaves alone.
  @Test(arguments: 0..<2) func passesAreDoneWhenTheyEnd(_ tens: Int) throws {
    for seed in tens * 25..<tens * 25 + 25 {
      var program = Generator.program(seed: seed)
      for pass in Self.passes {
        program = try pass(program)
        var notes: [Note] = []
        _ = try pass(program, notes: &notes)
        #expect(!notes.contains { $0.outcome == .fired }, "\(pass.name) on graph \(seed)")
      }
    }
  }

  /// The generated graphs would say nothing of rules that never fire on them.
  @Test func everyRuleFires() throws {
    var fired: Set<String> = []
    for seed in 0..<100 {
      var notes: [Note] = []
      _ = try Pipeline(Self.passes)(Generator.program(seed: seed)) { _, _, new in notes += new }
      for note in notes where note.outcome == .fired { fired.insert(note.rule) }
    }
    #expect(fired.count > 25, "\(fired.sorted())")
    for rule in ["find-attention", "merge-projections", "absorb-residual", "norm-of-add"] {
      #expect(fired.contains(rule))
    }
  }
}
