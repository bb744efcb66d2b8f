import BurinHub
import Testing

/// SentencePiece models that are damaged, missing or of no use.
@Suite struct SentencePieceTests {
  private func error(_ files: [String: [UInt8]]) -> HubError? {
    let directory = TemporaryDirectory()
    for (name, bytes) in files { directory.write(bytes, to: name) }
    do throws(HubError) {
      guard let definition = try TokenizerDefinition(ModelDirectory(directory.path)) else {
        return nil
      }
      let tokenizer = try Tokenizer(json: definition.json)
      _ = try tokenizer.encode("Ａ１ ﬁ e\u{301} 東京 <unk> the lazy dog\n")
      return nil
    } catch {
      return error
    }
  }

  private func config(_ name: String) -> [UInt8] {
    Array(#"{"tokenizer_class": "\#(name)"}"#.utf8)
  }

  @Test func filesThatAreNoModels() {
    let files: [([UInt8], String)] = [
      ([], ""), ([0xFF], "byte 1"), ([0x0A, 0x05, 0x0A], "byte 2"), ([0x0B], "byte 1"),
      ([0x00, 0x00], "byte 1"), ([0x08] + [UInt8](repeating: 0x80, count: 11), "byte 11"),
      ([0x0A, 0x03, 0x0A, 0x01, 0xFF], "byte 5"), ([0x0A, 0x02, 0x18, 0x09], "byte 4"),
      ([0x0A, 0x05, 0x15, 0x00, 0x00, 0xC0, 0x7F], "pieces[0].score"),
      ([0x0A, 0x00, 0x12, 0x03, 0xC0, 0x02, 0x07], "trainer_spec.unk_id"),
      ([0x0A, 0x00, 0x12, 0x02, 0x18, 0x07], "byte 6"),
      ([0x0A, 0x00, 0x12, 0x02, 0x18, 0x03], "trainer_spec.model_type"),
    ]
    for (bytes, key) in files {
      let error = error(["spiece.model": bytes, "tokenizer_config.json": config("T5Tokenizer")])
      #expect(error?.file.hasSuffix("spiece.model") == true, "\(bytes)")
      #expect(error?.key == key, "\(bytes): \(error?.description ?? "")")
      #expect(error?.description.utf8.contains(10) == false)
    }
  }

  @Test(arguments: [
    ("t5", "spiece.model", "T5Tokenizer"), ("llama", "tokenizer.model", "LlamaTokenizer"),
    ("albert", "spiece.model", "AlbertTokenizer"),
  ])
  func damagedModels(_ name: String, _ file: String, _ kind: String) throws {
    let bytes = try TokenizerFixtures.bytes(name + ".spm")
    var random = SmallRandom(seed: 11)
    var errors = 0
    for _ in 0..<150 {
      let damaged = random.mutate(bytes)
      // Whatever is left of it is read, or refused in one line.
      if let error = error([file: damaged, "tokenizer_config.json": config(kind)]) {
        errors += 1
        #expect(!error.description.utf8.contains(10))
      }
    }
    #expect(errors > 10)
  }

  @Test func modelsOfUnknownClasses() throws {
    let model = try TokenizerFixtures.bytes("t5.spm")
    let error = error([
      "spiece.model": model, "tokenizer_config.json": config("MysteryTokenizer"),
    ])
    #expect(error?.key == "tokenizer_class")
    #expect(error?.file.hasSuffix("tokenizer_config.json") == true)
  }

  @Test func modelsWithoutTheirSpecialTokens() throws {
    let model = try TokenizerFixtures.bytes("source.spm")
    let error = error([
      "spiece.model": model, "tokenizer_config.json": config("AlbertTokenizer"),
    ])
    // The tokens of the class are added where the model has none.
    #expect(error == nil)
  }

  @Test func marianWithoutItsVocabulary() throws {
    let model = try TokenizerFixtures.bytes("source.spm")
    let config = config("MarianTokenizer")
    var error = error(["source.spm": model, "tokenizer_config.json": config])
    #expect(error?.kind == .cannotRead)
    #expect(error?.file.hasSuffix("vocab.json") == true)
    error = self.error([
      "source.spm": model, "tokenizer_config.json": config,
      "vocab.json": Array(#"{"</s>": 0, "<unk>": 1}"#.utf8),
    ])
    #expect(error?.key == "pad_token")
    error = self.error([
      "source.spm": model, "tokenizer_config.json": config, "vocab.json": Array("[]".utf8),
    ])
    #expect(error?.file.hasSuffix("vocab.json") == true)
  }
}
