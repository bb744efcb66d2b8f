import BurinHub
import Glibc
import Testing

@testable import Burin

/// The arithmetic of the tasks, without a model.
@Suite struct TasksTests {
  private func token(_ label: String, _ start: Int, _ end: Int, _ score: Double = 0.5)
    -> TaggedToken
  {
    TaggedToken(label: label, score: score, span: .init(start: start, end: end))
  }

  @Test("merges neighbours of one label, and not beginnings")
  func mergesEntities() {
    let text = "Anna Berger é Wien"
    let found = entities(
      [
        token("B-PER", 0, 4, 0.5), token("I-PER", 5, 11, 1), token("O", 12, 13),
        token("B-LOC", 14, 16), token("B-LOC", 16, 18),
      ], in: text)
    #expect(found.map(\.entity) == ["PER", "LOC", "LOC"])
    #expect(found.map(\.text) == ["Anna Berger", "Wi", "en"])
    #expect(found[0].score == 0.75)
    #expect(entities([token("I-A", 0, 1), token("A", 1, 2)], in: "xy").count == 1)
    #expect(entities([], in: "").isEmpty)
  }

  @Test("takes the first of equal values")
  func findsTheFirstMaximum() {
    #expect(firstMaximum([1, 3, 3, 2]) == 1)
    #expect(firstMaximum([Float]()) == nil)
  }

  @Test("strips what Python strips")
  func strips() {
    #expect(stripped("\u{1F}\u{3000} a b\u{85}\n") == "a b")
    #expect(stripped(" \t ") == "")
    // Two scalars of one character: only the first one is white space.
    #expect(stripped(" \u{301}a").unicodeScalars.first == "\u{301}")
  }

  @Test("turns to lower case as Python does")
  func lowers() {
    #expect(
      lowercased("ÉCOLE ΟΔΟΣ ΣΑΣ, Σ Σ. İ").unicodeScalars.elementsEqual(
        "école οδος σας, σ σ. i\u{307}".unicodeScalars))
  }

  // MARK: Sampling

  @Test("leaves out what top-k, top-p and min-p leave out")
  func samples() throws {
    let logits: [Float] = [log(0.5), log(0.25), log(0.15), log(0.1)]
    func kept(_ sampling: Sampling) -> [Int] {
      let weights = sampling.weights(logits)
      return weights.indices.filter { weights[$0] > 0 }
    }
    #expect(try kept(Sampling()) == [0, 1, 2, 3])
    #expect(try kept(Sampling(topK: 2)) == [0, 1])
    #expect(try kept(Sampling(topP: 0.7)) == [0, 1])
    #expect(try kept(Sampling(topP: 0.01)) == [0])
    #expect(try kept(Sampling(minP: 0.25)) == [0, 1, 2])
    #expect(try kept(Sampling(temperature: 0.1, minP: 0.01)) == [0])
    let weights = try Sampling(temperature: 2).weights(logits)
    #expect(abs(weights[1] / weights[0] - 0.5.squareRoot()) < 1e-6)
  }

  @Test(
    "leaves out of a vocabulary what sorting all of it leaves out",
    arguments: [0.1, 3, 40] as [Float])
  func sortsLittle(spread: Float) throws {
    var random = SeededRandom(seed: 11)
    var logits = (0..<5000).map { _ in Float.random(in: -spread...spread, using: &random) }
    for place in stride(from: 0, to: 5000, by: 7) { logits[place] = logits[place / 3] }
    logits[17] = -.infinity
    for count in [1, 2, 50, 4999] {
      let least = logits.sorted(by: >)[count - 1]
      #expect(
        try Sampling(topK: count).filtered(logits) == logits.map { $0 < least ? -.infinity : $0 })
    }
    let whole = logits.reduce(0) { $0 + exp(Double($1)) }
    for part in [1e-9, 0.3, 0.95, 0.9999] {
      let found = try Sampling(topP: part).filtered(logits)
      let kept = logits.indices.filter { found[$0] == logits[$0] && logits[$0] > -.infinity }
      let least = kept.map { logits[$0] }.min() ?? 0
      // Of equal logits the later ones stay; and one token fewer would be too few.
      #expect(logits.indices.allSatisfy { logits[$0] <= least || kept.contains($0) })
      let equal = logits.indices.filter { logits[$0] == least }
      #expect(equal.suffix(equal.filter(kept.contains).count).allSatisfy(kept.contains))
      let sum = kept.reduce(0) { $0 + exp(Double(logits[$1])) } / whole
      #expect(
        sum > part - 1e-6 && (kept.count == 1 || sum - exp(Double(least)) / whole < part + 1e-6))
    }
  }

  @Test("refuses impossible sampling", arguments: [0, -1, .nan, .infinity] as [Double])
  func refusesSampling(value: Double) {
    #expect(throws: TaskError.self) { try Sampling(temperature: value) }
    #expect(throws: TaskError.self) { try Sampling(topP: value) }
    #expect(throws: TaskError.self) { try Sampling(topK: 0) }
  }

  @Test("draws each index as often as its weight says")
  func draws() {
    var random = SeededRandom(seed: 7)
    var counts = [0, 0, 0]
    for _ in 0..<4000 { counts[random.draw([1, 0, 3])] += 1 }
    #expect(counts[1] == 0)
    #expect(abs(counts[0] - 1000) < 120)
  }

  private func rules(_ json: JSON) throws -> LogitsRules {
    try LogitsRules(JSONField(json, file: "generation_config.json"))
  }

  @Test("changes logits as generation_config.json says")
  func appliesRules() throws {
    var logits: [Float] = [2, -2, 1, 0]
    try rules(["repetition_penalty": 2.0]).apply(&logits, after: [0, 1, 1], new: 0, isLast: false)
    #expect(logits == [1, -4, 1, 0])
    logits = [1, 1, 1, 1]
    try rules(["suppress_tokens": [1], "begin_suppress_tokens": [2, 9]])
      .apply(&logits, after: [0], new: 0, isLast: false)
    #expect(logits == [1, -.infinity, -.infinity, 1])
    logits = [1, 1, 1, 1]
    try rules(["no_repeat_ngram_size": 2]).apply(
      &logits, after: [3, 2, 0, 3], new: 1, isLast: false)
    #expect(logits == [1, 1, -.infinity, 1])
    try rules(["forced_eos_token_id": 3]).apply(&logits, after: [0], new: 4, isLast: true)
    #expect(logits == [-.infinity, -.infinity, -.infinity, 0])
    var least = try rules(["min_new_tokens": 2])
    least.endTokens = [0]
    logits = [1, 1]
    least.apply(&logits, after: [0, 1, 1], new: 1, isLast: false)
    #expect(logits == [-.infinity, 1])
    var growing = try rules([
      "min_new_tokens": 5, "exponential_decay_length_penalty": [1, 1.5],
    ])
    growing.endTokens = [0]
    growing.apply(&logits, after: [0, 1, 1], new: 2, isLast: false)
    #expect(logits == [.infinity, 1])
    #expect(throws: HubError.self) { try rules(["repetition_penalty": 0]) }
    #expect(throws: HubError.self) { try rules(["suppress_tokens": "all"]) }
  }

  // MARK: Batches

  /// A stand-in that adds up what it is given.
  private final class Summing: EntryRunner {
    var shapes: [[Int]] = []

    func inputs(of entry: String) -> [CompiledModel.Port]? {
      ["input_ids", "attention_mask"].map {
        CompiledModel.Port(
          name: $0, element: .i32, shape: [.symbol("batch"), .symbol("seq")], isOptional: false,
          range: 0...1000)
      }
    }

    func outputs(of entry: String) -> [String]? { nil }

    func maximum(of symbol: String) -> Int? { symbol == "batch" ? 3 : 64 }

    func run(
      _ entry: String, _ inputs: [String: HostTensor], outputs: [String]?
    ) throws -> [String: HostTensor] {
      let ids = try #require(inputs["input_ids"])
      let mask = try #require(inputs["attention_mask"]?.integers)
      shapes.append(ids.shape)
      let values = zip(try #require(ids.integers), mask).map { Float($0 * $1) }
      let columns = ids.shape[1]
      let sums = (0..<ids.shape[0]).map { row in
        values[row * columns..<(row + 1) * columns].reduce(0, +)
      }
      return [
        "sum": HostTensor(sums, shape: [ids.shape[0], 1]),
        "each": HostTensor(values, shape: ids.shape + [1]),
      ]
    }

    func reset(to tokens: [Int32]) throws -> Int { 0 }

    func reorder(_ sources: [Int]) {}
  }

  private func description(padding: Bool) -> ModelDescription {
    var description = ModelDescription(name: "test")
    description.tokenizer = [
      "version": "1.0", "added_tokens": [],
      "pre_tokenizer": ["type": "WhitespaceSplit"],
      "model": [
        "type": "WordPiece", "unk_token": "u", "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 9, "vocab": ["p": 0, "u": 1, "a": 2, "b": 3],
      ],
    ]
    if padding { description.tokenizerConfig = ["pad_token": ["content": "p"]] }
    return description
  }

  @Test("sorts texts into batches and results back", arguments: [true, false])
  func batches(padding: Bool) throws {
    let runner = Summing()
    let model = TextModel(runner, description(padding: padding))
    let encodings = try model.encode(["a", "a b a", "b b", "a", "b b b", "a"])
    var sums = [Float](repeating: 0, count: 6)
    try model.run(encodings, outputs: ["sum"], byPosition: false) { sums[$0] = $1[0].values.first! }
    #expect(sums == [2, 7, 6, 2, 9, 2])
    let shapes = padding ? [[3, 3], [3, 1]] : [[2, 3], [1, 2], [3, 1]]
    #expect(runner.shapes == shapes)
    try model.run(encodings, outputs: ["each"], byPosition: true) {
      #expect($1[0].shape == [encodings[$0].count, 1])
      #expect(Array($1[0].values) == encodings[$0].ids.map(Float.init))
    }
  }

  @Test("refuses texts that are too long, and cuts them where it is asked to")
  func limitsLength() throws {
    let model = TextModel(Summing(), description(padding: true))
    let long = String(repeating: "a ", count: 65)
    func refusal(_ texts: String...) -> String? {
      do {
        _ = try model.encode(texts)
        return nil
      } catch { return "\(error)" }
    }
    let tooMany =
      "has \(try model.tokenizer().encode(long).count) tokens, the library takes at most 64"
    #expect(refusal(long) == "the text \(tooMany)")
    #expect(refusal("a", long) == "text 2 of 2 \(tooMany)")
    #expect(refusal("  ") == "the text has no tokens")
    #expect(refusal("a", "  ", "b") == "text 2 of 3 has no tokens")
    #expect(try model.encode([long], cutTo: 5).map(\.count) == [5])
    #expect(try model.encode([long], cutTo: 500).map(\.count) == [64])
  }

  @Test("cuts texts on the side that the tokenizer's configuration names")
  func cutsOnTheLeft() throws {
    var left = description(padding: true)
    left.tokenizerConfig = ["truncation_side": "left"]
    #expect(try TextModel(Summing(), left).encode(["a b b"], cutTo: 2)[0].ids == [3, 3])
    let right = TextModel(Summing(), description(padding: true))
    #expect(try right.encode(["a b b"], cutTo: 2)[0].ids == [2, 3])
  }

  // MARK: Tokenizers from older files

  @Test(
    "makes a tokenizer of vocab.txt, or of vocab.json and merges.txt",
    arguments: ["bert-question-answering", "gpt2-lm", "roberta-token-classification"])
  func convertsTokenizers(name: String) throws {
    var template = Array("/tmp/burin-tokenizer-XXXXXX".utf8CString)
    let directory = String(cString: try #require(mkdtemp(&template)))
    let files = ["config.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "merges.txt"]
    defer {
      for file in files { unlink("\(directory)/\(file)") }
      rmdir(directory)
    }
    let fixture = Fixture(name: name)
    for file in files {
      guard let source = try? RegularFile(path: "\(fixture.path)/\(file)") else { continue }
      let copy = try AtomicFile(path: "\(directory)/\(file)")
      try copy.write(source.contents(limit: 1 << 24))
      try copy.commit()
    }
    let converted = try ModelDirectory(directory).tokenizerDescription().tokenizer
    let original = try ModelDirectory(fixture.path).tokenizerDescription().tokenizer
    let one = try Tokenizer(JSONField(converted, file: "converted"))
    let other = try Tokenizer(JSONField(original, file: "original"))
    for text in [
      "", "The river rises.", " Café Zürich, 12 °C 日本 🙂", "it's <mask> [MASK] here",
    ] {
      let (left, right) = (try one.encode(text), try other.encode(text))
      #expect(left.ids == right.ids, "\(text)")
      #expect(left.offsets == right.offsets, "\(text)")
      #expect(try one.decode(left.ids) == other.decode(right.ids))
      let (pair, same) = (try one.encode(text, pair: "b"), try other.encode(text, pair: "b"))
      #expect(pair.ids == same.ids && pair.typeIDs == same.typeIDs)
    }
  }
}
