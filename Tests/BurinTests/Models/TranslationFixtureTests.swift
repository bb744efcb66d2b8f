import Burin
import BurinHub
import Testing

/// Encoder-decoders over what their encoder leaves behind, against transformers' greedy generation.
@Suite struct TranslationFixtureTests {
  static let fixtures = Fixture.all(with: "translate.json")

  @Test("gives a source the same target", arguments: fixtures)
  func greedy(fixture: Fixture) throws {
    let recorded = try #require(try ModelDirectory(fixture.path).json("translate.json"))
    let source = try recorded["source"].array().map { Int32(try $0.int()) }
    let generator = try Generator(TextModel(try fixture.library(), threads: 2))
    var options = GenerationOptions()
    options.maximumNewTokens = 40
    #expect(
      try generator(source, options).tokens.map(Int.init)
        == recorded["until_end"].array().map { try $0.int() })
    options.ignoresEndTokens = true
    #expect(
      try generator(source, options).tokens.map(Int.init)
        == recorded["ignoring_end"].array().map { try $0.int() })
  }

  @Test("finds the same target with four beams", arguments: fixtures)
  func beams(fixture: Fixture) throws {
    let recorded = try #require(try ModelDirectory(fixture.path).json("translate.json"))
    let source = try recorded["source"].array().map { Int32(try $0.int()) }
    let expected = try recorded["four_beams"].array().map { try $0.int() }
    let generator = try Generator(TextModel(try fixture.library(), threads: 2))
    var options = GenerationOptions()
    options.maximumNewTokens = 20
    options.beams = 4
    #expect(try generator(source, options).tokens.map(Int.init) == expected)
  }

  @Test("reads a target in pieces of any size to the same bits", arguments: fixtures)
  func pieces(fixture: Fixture) throws {
    let (source, target) = try tokens(of: fixture)
    let session = try Session(try fixture.library(), limits: ["batch": 1], threads: 2)
    let mask = try encode(session, [source])
    let whole = try step(session, [target], mask)
    for size in [1, 5, 16] {
      try session.truncate(0, to: 0)
      var last: [Float] = []
      for start in stride(from: 0, to: target.count, by: size) {
        let piece = Array(target[start..<min(target.count, start + size)])
        last = try step(session, [piece], mask)
      }
      #expect(last.map(\.bitPattern) == whole.map(\.bitPattern), "pieces of \(size)")
    }
  }

  @Test("keeps the sources of a batch apart, each as if alone", arguments: fixtures)
  func batches(fixture: Fixture) throws {
    let (source, target) = try tokens(of: fixture)
    let sources = [Array(source[..<9]), source, Array(source[..<1])]
    let model = try fixture.library()
    let session = try Session(model, limits: ["batch": 3])
    let together = try step(
      session, Array(repeating: target, count: 3), encode(session, sources))
    let width = together.count / 3
    for (index, source) in sources.enumerated() {
      let own = try Session(model, limits: ["batch": 1])
      let alone = try step(own, [target], encode(own, [source]))
      let mine = together[index * width..<(index + 1) * width]
      #expect(alone.map(\.bitPattern) == mine.map(\.bitPattern), "source \(index)")
    }
  }

  private func tokens(of fixture: Fixture) throws -> (source: [Int64], target: [Int64]) {
    let recorded = try #require(try ModelDirectory(fixture.path).json("translate.json"))
    return (
      try recorded["source"].array().map { Int64(try $0.int()) },
      try [0] + recorded["ignoring_end"].array().map { Int64(try $0.int()) }
    )
  }

  /// Encodes sources, filled up to the longest; gives the mask.
  private func encode(_ session: Session, _ sources: [[Int64]]) throws -> HostTensor {
    let length = try #require(sources.map(\.count).max())
    let shape = [sources.count, length]
    func filled(_ rows: [[Int64]]) -> HostTensor {
      HostTensor(
        rows.flatMap { $0 + Array(repeating: 0, count: length - $0.count) }, shape: shape)
    }
    let mask = filled(sources.map { $0.map { _ in 1 } })
    _ = try session.run("encode", ["input_ids": filled(sources), "attention_mask": mask])
    return mask
  }

  private func step(
    _ session: Session, _ targets: [[Int64]], _ mask: HostTensor
  ) throws -> [Float] {
    let ids = HostTensor(targets.flatMap { $0 }, shape: [targets.count, targets[0].count])
    let outputs = try session.run("step", ["input_ids": ids, "encoder_attention_mask": mask])
    return try #require(outputs["logits"]).floats
  }
}
