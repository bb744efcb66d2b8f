import BurinHub
import FoundationEssentials
import Testing

/// Where recorded tokenizers are, and reading them.
enum TokenizerFixtures {
  static let directory =
    #filePath.dropLast("BurinHubTests/TokenizerRecordedTests.swift".count)
    + "Fixtures/tokenizers/"

  static func bytes(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(filePath: directory + name)))
  }

  static func tokenizer(_ name: String) throws -> Tokenizer {
    try Tokenizer(json: bytes(name + ".json"), file: name + ".json")
  }
}

/// What PyPI's `tokenizers` made of awkward text (recorded by Fixtures/tokenizers/record.py).
@Suite struct TokenizerRecordedTests {
  @Test(arguments: [
    "bert-uncased", "bert-cased", "gpt2", "roberta", "roberta-prefix", "llama3", "qwen2", "o200k",
    "odd", "byte-fallback", "words", "t5", "xlm-roberta", "albert", "unigram-bytes", "llama2",
    "gemma", "gpt4", "scripts",
  ])
  func matchesTheRecording(_ name: String) throws {
    let tokenizer = try TokenizerFixtures.tokenizer(name)
    let file = try JSON.parse(TokenizerFixtures.bytes(name + ".cases.json"))
    let cases = try #require(file["cases"]?.array)
    #expect(cases.count > 30)
    for entry in cases {
      var label: Comment { "\(name): \(entry["text"]?.summary ?? entry["ids"]?.summary ?? "")" }
      if let ids = entry["ids"]?.array {
        try expectDecoding(tokenizer, ids.map { Int32($0.int ?? -1) }, entry, label)
        continue
      }
      let text = try #require(entry["text"]?.string?.bytes)
      let truncation = truncation(entry["truncation"])
      let expected = entry["encoding"] ?? nil
      if expected.isNull {
        // What panics there is an error here.
        #expect(throws: HubError.self, label) {
          try tokenizer.encode(
            utf8: text, pair: entry["pair"]?.string?.bytes, truncation: truncation)
        }
        continue
      }
      var encoding = try tokenizer.encode(
        utf8: text, pair: entry["pair"]?.string?.bytes,
        addSpecialTokens: entry["add"]?.bool ?? true, truncation: truncation)
      let overflowing = entry["overflowing"]?.array ?? []
      #expect(encoding.overflowing.count == overflowing.count, label)
      for (part, expected) in zip(encoding.overflowing, overflowing) {
        expectEqual(part, expected, label)
      }
      if entry["pair"] == nil { try expectDecoding(tokenizer, encoding.ids, entry, label) }
      if let truncation { encoding.pad(to: 16, Padding(id: 1, side: truncation.side)) }
      expectEqual(encoding, expected, label)
    }
  }

  @Test func patternsCutWhereTheRecordingDoes() throws {
    let file = try JSON.parse(TokenizerFixtures.bytes("patterns.json"))
    let patterns = try #require(file["patterns"]?.array)
    #expect(patterns.count > 15)
    for entry in patterns {
      let tokenizer = try Tokenizer(
        json: JSON(
          [
            "model": ["type": "WordLevel", "unk_token": "?", "vocab": ["?": 0]],
            "pre_tokenizer": [
              "type": "Split", "pattern": ["Regex": JSON(entry["pattern"])],
              "behavior": JSON(entry["behavior"]), "invert": JSON(entry["invert"]),
            ],
          ]
        ).utf8)
      for expected in try #require(entry["cases"]?.array) {
        let offsets = try tokenizer.encode(utf8: #require(expected["text"]?.string).bytes).offsets
        #expect(
          offsets.flatMap { [$0.start, $0.end] } == expected["offsets"]?.array?.map(\.int),
          "\(entry["pattern"]?.summary ?? ""), \(expected["text"]?.summary ?? "")")
      }
    }
  }

  private func truncation(_ value: JSON?) -> Truncation? {
    guard let value, let maximum = value["max"]?.int, let stride = value["stride"]?.int else {
      return nil
    }
    let strategies: [ByteString: Truncation.Strategy] = [
      "longest_first": .longestFirst, "only_first": .onlyFirst, "only_second": .onlySecond,
    ]
    return Truncation(
      maxLength: maximum,
      strategy: value["strategy"]?.string.flatMap { strategies[$0] } ?? .longestFirst,
      side: value["side"] == "left" ? .left : .right, stride: stride)
  }

  private func expectDecoding(
    _ tokenizer: Tokenizer, _ ids: [Int32], _ entry: JSON, _ label: Comment
  ) throws {
    let skipping = try tokenizer.decode(ids)
    let keeping = try tokenizer.decode(ids, skipSpecialTokens: false)
    #expect(ByteString(skipping) == entry["skipping"]?.string, label)
    #expect(ByteString(keeping) == entry["keeping"]?.string, label)
  }

  private func expectEqual(_ encoding: Encoding, _ expected: JSON, _ label: Comment) {
    func integers(_ key: ByteString) -> [Int?]? { expected[key]?.array?.map(\.int) }
    #expect(encoding.ids.map { Int($0) } == integers("ids"), label)
    #expect(encoding.offsets.flatMap { [$0.start, $0.end] } == integers("offsets"), label)
    #expect(encoding.wordIDs == integers("words"), label)
    guard expected["types"] != nil else { return }
    #expect(encoding.typeIDs.map { Int($0) } == integers("types"), label)
    #expect(encoding.sequenceIDs == integers("sequences"), label)
    #expect(encoding.specialTokensMask.map { Int($0) } == integers("special"), label)
    #expect(encoding.attentionMask.map { Int($0) } == integers("attention"), label)
  }
}
