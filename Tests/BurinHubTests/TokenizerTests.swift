import BurinHub
import Testing

@Suite struct TokenizerTests {
  /// A tokenizer of a model and anything else, as JSON.
  private static func tokenizer(_ model: String, _ rest: String = "") throws -> Tokenizer {
    try Tokenizer(json: Array(#"{"model": \#(model)\#(rest)}"#.utf8))
  }

  private static func words(_ vocabulary: String) -> String {
    #"{"type": "WordLevel", "unk_token": "?", "vocab": \#(vocabulary)}"#
  }

  // MARK: Bytes, not strings

  @Test func tokensEqualOnlyAfterNormalisationStayApart() throws {
    let tokenizer = try Self.tokenizer(
      Self.words(#"{"?": 0, "\u00e9": 1, "e\u0301": 2}"#),
      #", "pre_tokenizer": {"type": "WhitespaceSplit"}"#)
    #expect(try tokenizer.encode("\u{e9} e\u{301} e").ids == [1, 2, 0])
    #expect(tokenizer.id(of: ByteString("\u{e9}")) == 1)
    #expect(tokenizer.id(of: ByteString("e\u{301}")) == 2)
    #expect(tokenizer.token(of: 1)?.bytes == [0xC3, 0xA9])
    #expect(tokenizer.token(of: 2)?.bytes == [0x65, 0xCC, 0x81])
  }

  @Test func graphemesAreNotUnits() throws {
    let tokenizer = try Self.tokenizer(
      Self.words(##"{"?": 0, "\r": 1, "\n": 2}"##),
      #", "pre_tokenizer": {"type": "Split", "pattern": {"String": "\n"}, "invert": false, "#
        + #""behavior": "Isolated"}"#)
    let encoding = try tokenizer.encode("\r\n")
    #expect(encoding.ids == [1, 2])
    #expect(encoding.offsets == [.init(start: 0, end: 1), .init(start: 1, end: 2)])
  }

  /// What Unigram does not know keeps its spaces, and a span that is trimmed leaves them out.
  @Test func spansOfUnknownText() throws {
    let tokenizer = try Self.tokenizer(
      #"{"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0], ["a", -1], ["b", -1]]}"#,
      #", "post_processor": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true}"#)
    let encoding = try tokenizer.encode("a\tb")
    #expect(encoding.ids == [1, 0, 2])
    #expect(encoding.offsets.map(\.start) == [0, 2, 2])
    #expect(encoding.offsets.map(\.end) == [1, 2, 3])
  }

  @Test("52: lone surrogates, NUL, U+0130 and CR LF are what they are in transformers")
  func awkwardCharacters() throws {
    let bert = try TokenizerFixtures.tokenizer("bert-uncased")
    let surrogate: [UInt8] = [0x61, 0xED, 0xA0, 0x80, 0x62]
    #expect(try bert.encode(utf8: surrogate).ids == bert.encode("a\u{FFFD}\u{FFFD}\u{FFFD}b").ids)
    for (text, same) in [("a\u{0}b", "ab"), ("\u{130}x", "ix"), ("a\r\nb", "a b")] {
      #expect(try bert.encode(text).ids == bert.encode(same).ids)
    }
    #expect(try bert.encode("\u{130}x").offsets.map(\.end).max() == 2)
    let gpt2 = try TokenizerFixtures.tokenizer("gpt2")
    let text = "a\u{0}\r\n\u{130}"
    #expect(try gpt2.decode(gpt2.encode(text).ids).utf8.elementsEqual(text.utf8))
  }

  @Test func invalidBytesAreReplaced() throws {
    let tokenizer = try Self.tokenizer(Self.words(#"{"?": 0, "a\ufffdb": 1}"#))
    #expect(try tokenizer.encode(utf8: [0x61, 0xFF, 0x62]).ids == [1])
  }

  // MARK: A megabyte of one letter

  @Test(
    "51: a megabyte of one letter takes linear time",
    arguments: [
      "bert-uncased", "llama3", "byte-fallback", "llama2", "gemma", "gpt4", "odd", "t5",
      "xlm-roberta", "albert", "unigram-bytes", "words",
    ])
  func aMegabyteOfOneLetterTakesLinearTime(_ name: String) throws {
    let tokenizer = try TokenizerFixtures.tokenizer(name)
    // Without optimisation an eighth of it shows the same.
    let size = _isDebugAssertConfiguration() ? 1 << 17 : 1 << 20
    for letter in [UInt8(ascii: "e"), UInt8(ascii: " ")] {
      let clock = ContinuousClock()
      let small = try clock.measure {
        _ = try tokenizer.encode(utf8: [UInt8](repeating: letter, count: size / 8))
      }
      let large = try clock.measure {
        let encoding = try tokenizer.encode(utf8: [UInt8](repeating: letter, count: size))
        #expect(encoding.offsets.last.map { $0.end <= size } ?? true)
      }
      // Eight times as much in less than 8 squared; a tenth of a second forgives a busy machine.
      #expect(large < small * 32 + .milliseconds(100), "\(name), \(letter): \(small), \(large)")
    }
  }

  // MARK: Decoding

  @Test func streamedPiecesAreWholeCharacters() throws {
    let tokenizer = try TokenizerFixtures.tokenizer("gpt2")
    let text = "emoji 😀, 東京 and Straße ½"
    var decoder = StreamingDecoder(tokenizer)
    var pieces: [String] = []
    for id in try tokenizer.encode(text).ids { pieces.append(try decoder.append(id)) }
    pieces.append(try decoder.finish())
    #expect(pieces.joined().utf8.elementsEqual(text.utf8))
    #expect(!pieces.contains { $0.unicodeScalars.contains("\u{FFFD}") })
    #expect(pieces.contains("😀"))
    #expect(try decoder.finish() == "")
  }

  @Test(arguments: ["llama2", "gemma", "gpt4", "t5", "xlm-roberta", "albert", "unigram-bytes"])
  func streamedTextIsTheTextDecodedAtOnce(_ name: String) throws {
    let tokenizer = try TokenizerFixtures.tokenizer(name)
    for text in ["emoji 😀, 東京 and Straße ½", "  the quick\n\n brown fox ", "ﬁ\u{301} <s>\u{0}"] {
      let ids = try tokenizer.encode(text).ids
      let whole = try tokenizer.decode(ids)
      var decoder = StreamingDecoder(tokenizer)
      var pieces: [String] = []
      for id in ids { pieces.append(try decoder.append(id)) }
      pieces.append(try decoder.finish())
      #expect(pieces.joined().utf8.elementsEqual(whole.utf8), "\(name), \(text)")
      #expect(!pieces.contains { $0.unicodeScalars.contains("\u{FFFD}") }, "\(name), \(text)")
    }
  }

  @Test func streamingKeepsTheSpaceBetweenWords() throws {
    for name in ["bert-uncased", "byte-fallback", "gpt2"] {
      let tokenizer = try TokenizerFixtures.tokenizer(name)
      let ids = try tokenizer.encode("the quick brown fox", addSpecialTokens: false).ids
      var decoder = StreamingDecoder(tokenizer)
      var text = ""
      for id in ids { text += try decoder.append(id) }
      text += try decoder.finish()
      #expect(text == "the quick brown fox", "\(name)")
    }
  }

  @Test func whatNeverBecomesACharacterIsNotHeldBackForEver() throws {
    let tokenizer = try TokenizerFixtures.tokenizer("gpt2")
    let lead = try #require(tokenizer.id(of: ByteString("\u{e2}")))
    var decoder = StreamingDecoder(tokenizer)
    var text = ""
    for _ in 0..<20 { text += try decoder.append(lead) }
    #expect(!text.isEmpty)
    text += try decoder.finish()
    #expect(text == String(repeating: "\u{FFFD}", count: 20))
  }

  @Test func idsWithoutATokenAreLeftOut() throws {
    let tokenizer = try TokenizerFixtures.tokenizer("bert-uncased")
    #expect(try tokenizer.decode([-1, 1_000_000, Int32.max]) == "")
    #expect(tokenizer.token(of: -1) == nil)
  }

  @Test func spacesBeforePunctuationAreCleanedUp() {
    #expect(Tokenizer.cleanUpSpaces("I do n't , he 's !") == "I don't, he's!")
    // Decoders of tokenizer.json contract this; transformers, which cleans up after them, does not.
    #expect(Tokenizer.cleanUpSpaces("I do not .") == "I do not.")
  }

  // MARK: What a file saves but nobody asked for

  @Test func savedTruncationAndPaddingAreNotApplied() throws {
    let tokenizer = try Self.tokenizer(
      Self.words(#"{"?": 0, "a": 1}"#),
      #"""
      , "pre_tokenizer": {"type": "WhitespaceSplit"},
      "truncation": {"direction": "Left", "max_length": 1, "strategy": "OnlyFirst", "stride": 0},
      "padding": {"strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": null,
        "pad_id": 1, "pad_type_id": 0, "pad_token": "a"}
      """#)
    #expect(try tokenizer.encode("a b a").ids == [1, 0, 1])
    #expect(
      tokenizer.savedTruncation == Truncation(maxLength: 1, strategy: .onlyFirst, side: .left))
    #expect(tokenizer.savedPadding == Padding(id: 1, length: 9))
    var batch = [try tokenizer.encode("a"), try tokenizer.encode("a b a")]
    Encoding.pad(&batch, Padding(id: 0))
    #expect(batch.map(\.ids) == [[1, 0, 0], [1, 0, 1]])
    #expect(batch[0].attentionMask == [1, 0, 0])
  }

  @Test("42: sparse ids")
  func vocabulariesMayHaveHoles() throws {
    let tokenizer = try Self.tokenizer(Self.words(#"{"?": 3, "a": 70, "b": 7}"#))
    #expect((-1...71).filter { tokenizer.token(of: $0) != nil } == [3, 7, 70])
    #expect(tokenizer.token(of: 70) == "a")
    #expect(try tokenizer.encode("a").ids == [70])
  }

  @Test func oneTokenizerServesManyThreads() async throws {
    let tokenizer = try TokenizerFixtures.tokenizer("roberta")
    let text = "The quick brown fox — über 機器 😀"
    let expected = try tokenizer.encode(text).ids
    try await withThrowingTaskGroup(of: [Int32].self) { group in
      for _ in 0..<8 { group.addTask { try tokenizer.encode(text).ids } }
      for try await ids in group { #expect(ids == expected) }
    }
  }
}
