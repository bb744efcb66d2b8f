import Burin
import BurinPasses
import Testing

/// Whole models in bf16 against transformers f32. Their weights are random, so this tells wrong
/// kernels from rounding; what a precision costs a trained model is measured elsewhere.
@Suite struct PrecisionFixtureTests {
  static let fixtures = [
    "bert", "bert-masked-lm", "bert-question-answering", "distilbert-sequence-classification",
    "electra", "electra-question-answering", "gpt2", "gpt2-lm", "roberta-masked-lm",
  ].map(Fixture.init)

  @Test("is near transformers in bf16", arguments: fixtures)
  func agrees(fixture: Fixture) throws {
    for (name, error) in try errors(of: fixture.library(.bf16), on: fixture) {
      #expect(error < 2e-2 && error > 1e-5, "\(fixture.name) \(name)")
    }
  }

  @Test("gives the same bits for one thread and for two, in bf16", arguments: fixtures)
  func sameBitsForThreads(fixture: Fixture) throws {
    try expectSameBitsForThreads(fixture.library(.bf16), fixture)
  }

  /// The table of GPT-2 is looked up in the panels that the last product reads.
  @Test func storesWeightsInHalfTheSpace() throws {
    let fixture = Fixture(name: "gpt2-lm")
    let wide = try fixture.library().file
    let narrow = try fixture.library(.bf16).file
    #expect(Double(narrow.weightsSize) < 0.65 * Double(wide.weightsSize))
    #expect(try ModelDescription(library: narrow).precision == .bf16)
    #expect(try ModelDescription(library: wide).precision == .f32)
  }
}
