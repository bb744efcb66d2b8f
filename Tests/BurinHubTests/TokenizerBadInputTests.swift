import BurinHub
import Testing

/// Bad inputs 41 to 52: files that are no tokenizers end in one line that names the key, and what is
/// only awkward comes out as it does in transformers. (44 is among `FinePrintTests`.)
@Suite struct TokenizerBadInputTests {
  private static let model = #"{"type": "WordLevel", "unk_token": "?", "vocab": {"?": 0}}"#

  private func error(_ json: String) -> HubError? {
    do throws(HubError) {
      _ = try Tokenizer(json: Array(json.utf8), file: "t.json")
      return nil
    } catch {
      return error
    }
  }

  private func expectError(
    _ json: String, key: String, _ location: SourceLocation = #_sourceLocation
  ) {
    guard let error = error(json) else {
      Issue.record("no error for \(json)", sourceLocation: location)
      return
    }
    #expect(error.key == key, "\(error)", sourceLocation: location)
    #expect(error.description.hasPrefix("t.json: "), sourceLocation: location)
    #expect(!error.description.utf8.contains(10), sourceLocation: location)
    #expect(!error.found.isEmpty, sourceLocation: location)
  }

  private func bpe(_ vocabulary: String, _ merges: String) -> String {
    #"{"model": {"type": "BPE", "vocab": \#(vocabulary), "merges": \#(merges)}}"#
  }

  @Test func notATokenizer() {
    expectError("", key: "byte 0")
    expectError("[]", key: "")
    expectError("{}", key: "model.type")
    expectError(#"{"model": 3}"#, key: "model.type")
    expectError(#"{"model": {"type": "Words"}}"#, key: "model.type")
    expectError(#"{"version": "2.0", "model": \#(Self.model)}"#, key: "version")
    expectError(#"{"model": \#(Self.model), "normalizer": {"type": "X"}}"#, key: "normalizer.type")
    expectError(#"{"model": \#(Self.model), "decoder": {"type": "X"}}"#, key: "decoder.type")
    expectError(
      #"{"model": \#(Self.model), "pre_tokenizer": {"type": "X"}}"#, key: "pre_tokenizer.type")
    expectError(
      #"{"model": \#(Self.model), "post_processor": {"type": "X"}}"#, key: "post_processor.type")
    expectError(
      #"{"model": {"type": "WordLevel", "unk_token": "?", "vocab": {"\ud800": 0}}}"#,
      key: "byte 61")
  }

  @Test func keysThatNoPartHas() {
    expectError(#"{"model": \#(Self.model), "extra": 1}"#, key: "extra")
    expectError(
      #"{"model": {"type": "WordLevel", "unk_token": "?", "vocab": {"?": 0}, "merges": []}}"#,
      key: "model.merges")
    expectError(
      #"{"model": \#(Self.model), "normalizer": {"type": "Sequence", "normalizers": ["#
        + #"{"type": "NFC"}, {"type": "NFC", "form": "C"}]}}"#,
      key: "normalizer.normalizers[1].form")
    expectError(
      #"{"model": \#(Self.model), "pre_tokenizer": {"type": "Whitespace", "behavior": "Removed"}}"#,
      key: "pre_tokenizer.behavior")
    expectError(
      #"{"model": \#(Self.model), "decoder": {"type": "Fuse", "with": " "}}"#, key: "decoder.with")
    #expect(error(#"{"model": \#(Self.model), "extra": null}"#) == nil)
  }

  @Test("49: scores that are no numbers, and other Unigram models that are none")
  func unigramsThatAreNone() throws {
    func unigram(_ vocabulary: String, _ rest: String = "") -> String {
      #"{"model": {"type": "Unigram", "vocab": \#(vocabulary)\#(rest)}}"#
    }
    expectError(unigram("{}"), key: "model.vocab")
    expectError(unigram(#"[["a", 0], ["b"]]"#), key: "model.vocab[1]")
    expectError(unigram(#"[["a", 0], ["b", "c"]]"#), key: "model.vocab[1]")
    expectError(unigram(#"[["a", 0], ["b", null]]"#), key: "model.vocab[1]")
    #expect(error(unigram(#"[["a", NaN]]"#))?.key.hasPrefix("byte ") == true)
    #expect(error(unigram(#"[["a", -1e999]]"#))?.key.hasPrefix("byte ") == true)
    expectError(unigram(#"[["a", 0]]"#, #", "unk_id": 1"#), key: "model.unk_id")
    expectError(unigram(#"[["a", 0]]"#, #", "unk_id": -1"#), key: "model.unk_id")
    expectError(unigram(#"[["a", 0]]"#, #", "unk_token": "a""#), key: "model.unk_token")
    // Without an unknown token only text that needs one is an error; of equal tokens the last counts.
    let tokenizer = try Tokenizer(
      json: Array(unigram(#"[["a", 0], ["b", -1], ["ab", -9], ["a", -2]]"#).utf8), file: "t.json")
    #expect(try tokenizer.encode("aba").ids == [3, 1, 3])
    let missing = #expect(throws: HubError.self) { try tokenizer.encode("abc") }
    #expect(missing?.key == "model.unk_id")
  }

  @Test("48: character maps that are damaged")
  func characterMapsThatAreNone() throws {
    func map(_ text: String) -> String {
      #"{"model": \#(Self.model), "normalizer": {"type": "Precompiled", "#
        + #""precompiled_charsmap": "\#(text)"}}"#
    }
    // Not Base64; no size; a size beyond the end; no units; a step out of the table.
    for text in [
      "A", "AAA", "A===", "AB==", "AAAA AAA", "", "AAAA", "AAAAAA==", "/////w==",
      "BAAAAAAAAAA=", "BQAAAAAAAAAA",
    ] {
      expectError(map(text), key: "normalizer.precompiled_charsmap")
    }
    expectError(
      #"{"model": \#(Self.model), "normalizer": {"type": "Precompiled"}}"#,
      key: "normalizer.precompiled_charsmap")
    // A real one with any of its units damaged still never leaves its table.
    let json = try JSON.parse(TokenizerFixtures.bytes("t5.json"))
    let text = try #require(json["normalizer"]?["precompiled_charsmap"]?.string?.bytes)
    var random = SmallRandom(seed: 5)
    for _ in 0..<200 {
      var damaged = text
      for _ in 0..<3 {
        damaged[Int(random.next() % UInt64(text.count - 2))] =
          UInt8(ascii: "A") &+ UInt8(random.next() % 26)
      }
      guard error(map(String(decoding: damaged, as: UTF8.self))) == nil else { continue }
      let tokenizer = try Tokenizer(json: Array(map(String(decoding: damaged, as: UTF8.self)).utf8))
      #expect(try tokenizer.encode("Ａ１ ﬁ e\u{301} \u{200B}東京 ㎏ ½").ids == [0])
    }
  }

  @Test("41: merges that name absent tokens")
  func mergesOfAbsentTokens() {
    expectError(bpe(#"{"a": 0, "b": 1}"#, #"["a b"]"#), key: "model.merges[0]")
    expectError(bpe(#"{"a": 0, "ab": 1}"#, #"[["a", "b"]]"#), key: "model.merges[0]")
    expectError(
      bpe(#"{"a": 0, "b": 1, "ab": 2}"#, #"["a b", "abc"]"#), key: "model.merges[1]")
    expectError(bpe(#"{"a": 0, "aa": 1}"#, #"["a a", [1, 2]]"#), key: "model.merges[1]")
    expectError(bpe(#"{"a": 0}"#, "{}"), key: "model.merges")
  }

  @Test("42, 43: two tokens with one id, and ids that no vocabulary of this size has")
  func idsThatAreNone() {
    for ids in [#"{"?": 0, "a": 0}"#, #"{"?": 0, "a": 2000000000}"#, #"{"?": -1}"#] {
      expectError(
        #"{"model": {"type": "WordLevel", "unk_token": "?", "vocab": \#(ids)}}"#, key: "model.vocab"
      )
    }
    for id in ["1.5", "1e3", "\"1\"", "null", "99999999999"] {
      expectError(
        #"{"model": {"type": "WordLevel", "unk_token": "?", "vocab": {"?": \#(id)}}}"#,
        key: "model.vocab.?")
    }
    expectError(
      #"{"model": \#(Self.model), "added_tokens": [{"id": -1, "content": "x", "special": false, "#
        + #""single_word": false, "lstrip": false, "rstrip": false, "normalized": false}]}"#,
      key: "added_tokens[0].id")
  }

  @Test("45: byte tokens that are none")
  func byteTokensThatAreNone() throws {
    // Text such as <0x-1> is a token like any other.
    let tokenizer = try Tokenizer(
      json: Array(
        (#"{"model": {"type": "BPE", "byte_fallback": true, "unk_token": "<0xGG>", "#
          + #""vocab": {"<0x-1>": 0, "<0xGG>": 1, "<0x41>": 2}, "merges": []}, "#
          + #""decoder": {"type": "ByteFallback"}}"#).utf8))
    #expect(try tokenizer.encode("AB").ids == [2, 1])
    #expect(try tokenizer.decode([0, 1, 2]) == "<0x-1><0xGG>A")
  }

  @Test(
    "46: regular expressions that are none",
    arguments: [
      "(", ")", "[", "[]", "a**b|*", "(?<n", "\\", "\\p{Nope}", "a{3,2}", "[b-a]", "\\1", "(a*)*",
      "(?<=a+)b", "x{2000}", "[[:nope:]]", "(?z)", "\\x{110000}", "((((a{999}){999}){999}){999})",
    ])
  func regularExpressions(_ pattern: String) {
    expectError(
      JSON(
        [
          "pre_tokenizer": [
            "type": "Split", "pattern": ["Regex": JSON(pattern)], "behavior": "Isolated",
            "invert": false,
          ], "model": ["type": "WordLevel", "unk_token": "?", "vocab": ["?": 0]],
        ]
      ).text, key: "pre_tokenizer.pattern.Regex")
  }

  @Test("46: groups 100,000 deep")
  func deepGroups() {
    let pattern = String(repeating: "(", count: 100_000)
    expectError(
      #"{"model": \#(Self.model), "normalizer": {"type": "Replace", "content": "", "#
        + #""pattern": {"Regex": "\#(pattern)"}}}"#, key: "normalizer.pattern.Regex")
  }

  @Test("46: a catastrophic pattern gives up")
  func aCatastrophicPatternGivesUp() throws {
    let tokenizer = try Tokenizer(
      json: Array(
        (#"{"model": \#(Self.model), "pre_tokenizer": {"type": "Split", "behavior": "Isolated", "#
          + #""invert": false, "pattern": {"Regex": "(a|a|aa)+b"}}}"#).utf8))
    #expect(try tokenizer.encode("aab c").ids == [0, 0])
    let error = #expect(throws: HubError.self) {
      try tokenizer.encode(String(repeating: "a", count: 100))
    }
    #expect(error?.key == "pre_tokenizer")
  }

  @Test("47: empty patterns")
  func emptyPatterns() {
    for pattern in [#"{"String": ""}"#, #"{"Regex": ""}"#] {
      let key = pattern.contains("String") ? "String" : "Regex"
      expectError(
        #"{"model": \#(Self.model), "normalizer": {"type": "Replace", "content": "x", "#
          + #""pattern": \#(pattern)}}"#, key: "normalizer.pattern.\(key)")
    }
  }

  @Test("49: an unknown token that is missing")
  func anUnknownTokenThatIsMissing() throws {
    for model in [
      #"{"type": "WordLevel", "unk_token": "?", "vocab": {"a": 0}}"#,
      #"{"type": "BPE", "unk_token": "?", "vocab": {"a": 0}, "merges": []}"#,
      #"{"type": "WordPiece", "unk_token": "?", "vocab": {"a": 0}, "#
        + #""continuing_subword_prefix": "", "max_input_chars_per_word": 9}"#,
    ] {
      let tokenizer = try Tokenizer(json: Array(#"{"model": \#(model)}"#.utf8), file: "t.json")
      #expect(try tokenizer.encode("a").ids == [0])
      let error = #expect(throws: HubError.self) { try tokenizer.encode("b") }
      #expect(error?.key == "model.unk_token")
    }
  }

  @Test("50: pieces of 100 KB")
  func longPieces() throws {
    let long = String(repeating: "ab", count: 50_000)
    let tokenizer = try Tokenizer(
      json: Array(
        (#"{"model": {"type": "WordPiece", "unk_token": "?", "vocab": {"?": 0, "\#(long)": 1}, "#
          + #""continuing_subword_prefix": "@@", "max_input_chars_per_word": 1000000}, "#
          + #""added_tokens": [{"id": 2, "content": "\#(long)c", "special": false, "#
          + #""single_word": false, "lstrip": false, "rstrip": false, "normalized": false}]}"#).utf8
      ))
    #expect(try tokenizer.encode(long).ids == [1])
    #expect(try tokenizer.encode(long + "c" + long).ids == [2, 1])
    #expect(try tokenizer.encode(long + "b").ids == [0])
  }

  @Test func templatesOfUnknownParts() {
    let missing = #"[{"SpecialToken": {"id": "[X]", "type_id": 0}}]"#
    expectError(
      #"{"model": \#(Self.model), "post_processor": {"type": "TemplateProcessing", "#
        + #""single": \#(missing), "pair": [], "special_tokens": {}}}"#,
      key: "post_processor.single[0].SpecialToken.id")
    let second = #"[{"Sequence": {"id": "B", "type_id": 0}}]"#
    expectError(
      #"{"model": \#(Self.model), "post_processor": {"type": "TemplateProcessing", "#
        + #""single": \#(second), "pair": [], "special_tokens": {}}}"#,
      key: "post_processor.single[0].Sequence.id")
  }

  @Test func truncationWithoutRoom() throws {
    let tokenizer = try TokenizerFixtures.tokenizer("bert-uncased")
    for truncation in [
      Truncation(maxLength: 1), Truncation(maxLength: -1), Truncation(maxLength: 4, stride: 2),
      Truncation(maxLength: 4, stride: -1), Truncation(maxLength: 4, strategy: .onlySecond),
    ] {
      let error = #expect(throws: HubError.self) {
        try tokenizer.encode("one two three four five", truncation: truncation)
      }
      #expect(error?.key == "truncation")
    }
  }
}
