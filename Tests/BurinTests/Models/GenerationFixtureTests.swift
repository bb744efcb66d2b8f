import Burin
import BurinHub
import Testing

/// Decoders over their caches against transformers' greedy generation.
@Suite struct GenerationFixtureTests {
  static let fixtures = Fixture.all(with: "generate.json")

  @Test("continues a prompt with the same 64 tokens", arguments: fixtures)
  func greedy(fixture: Fixture) throws {
    let recorded = try #require(try ModelDirectory(fixture.path).json("generate.json"))
    var tokens = try recorded["prompt"].array().map { try $0.int() }
    let expected = try recorded["tokens"].array().map { try $0.int() }
    let session = try Session(try fixture.library(), limits: ["batch": 1], threads: 2)
    var continuation: [Int] = []
    while continuation.count < expected.count {
      let logits = try step(session, tokens)
      let best = try #require(logits.indices.max { logits[$0] < logits[$1] })
      continuation.append(best)
      tokens = [best]
    }
    #expect(expected.count == 64)
    #expect(continuation == expected)
  }

  @Test("reads a prompt in pieces of any size to the same bits", arguments: fixtures)
  func pieces(fixture: Fixture) throws {
    let recorded = try #require(try ModelDirectory(fixture.path).json("generate.json"))
    let prompt = try recorded["prompt"].array().map { try $0.int() }
    let session = try Session(try fixture.library(), limits: ["batch": 1], threads: 2)
    let whole = try step(session, prompt)
    for size in [1, 5, 16] {
      try session.truncate(0, to: 0)
      var last: [Float] = []
      for start in stride(from: 0, to: prompt.count, by: size) {
        last = try step(session, Array(prompt[start..<min(prompt.count, start + size)]))
      }
      #expect(last.map(\.bitPattern) == whole.map(\.bitPattern), "pieces of \(size)")
    }
  }

  @Test("keeps sequences of a batch apart, each as if alone", arguments: fixtures)
  func batches(fixture: Fixture) throws {
    let recorded = try #require(try ModelDirectory(fixture.path).json("generate.json"))
    let prompt = try recorded["prompt"].array().map { try $0.int() }
    let model = try fixture.library()
    let lengths = [7, 16, 1]
    let rows = lengths.map { Array(prompt[..<$0]) + [Int](repeating: 0, count: 16 - $0) }
    let together = try Session(model, limits: ["batch": 3]).run(
      "step",
      [
        "input_ids": HostTensor(rows.flatMap { $0 }.map(Int64.init), shape: [3, 16]),
        "counts": HostTensor(lengths.map(Int64.init), shape: [3]),
      ])
    let logits = try #require(together["logits"]).floats
    let width = logits.count / 3
    for (index, length) in lengths.enumerated() {
      let alone = try step(Session(model, limits: ["batch": 1]), Array(prompt[..<length]))
      let mine = logits[index * width..<(index + 1) * width]
      #expect(alone.map(\.bitPattern) == mine.map(\.bitPattern), "sequence \(index)")
    }
  }

}

/// Appends tokens to the only sequence and gives the logits after the last one.
func step(_ session: Session, _ tokens: [Int]) throws -> [Float] {
  let ids = HostTensor(tokens.map(Int64.init), shape: [1, tokens.count])
  return try #require(try session.run("step", ["input_ids": ids])["logits"]).floats
}
