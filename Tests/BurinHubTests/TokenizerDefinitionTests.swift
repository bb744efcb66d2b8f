import BurinHub
import Testing

/// Tokenizers that are spread over several files (recorded from transformers' AutoTokenizer).
@Suite struct TokenizerDefinitionTests {
  @Test(arguments: ["directories.json", "sentencepiece.json"])
  func directoriesMatchTheRecording(_ recording: String) throws {
    let file = try JSON.parse(TokenizerFixtures.bytes(recording))
    let directories = try #require(file["directories"]?.array)
    #expect(directories.count > 10)
    for entry in directories {
      let name = try #require(entry["name"]?.string?.utf8String)
      let directory = TemporaryDirectory()
      for member in try #require(entry["files"]?.object) {
        let content = try #require(member.value.string)
        let key = member.key.utf8String
        let bytes =
          if key == "tokenizer.json" {
            try TokenizerFixtures.bytes(content.utf8String + ".json")
          } else if key.hasSuffix(".model") || key.hasSuffix(".spm") {
            try TokenizerFixtures.bytes(content.utf8String + ".spm")
          } else {
            content.bytes
          }
        directory.write(bytes, to: key)
      }
      let definition = try #require(
        try TokenizerDefinition(ModelDirectory(directory.path)), "\(name)")
      let tokenizer = try Tokenizer(json: definition.json)
      #expect(definition.padding.map { Int($0.id) } == entry["pad"]?.int, "\(name)")
      for expected in try #require(entry["cases"]?.array) {
        let encoding = try tokenizer.encode(
          utf8: #require(expected["text"]?.string).bytes, pair: expected["pair"]?.string?.bytes)
        let label: Comment = "\(name): \(expected["text"]?.summary ?? "")"
        #expect(encoding.ids.map { Int($0) } == expected["ids"]?.array?.map(\.int), label)
        if let offsets = expected["offsets"]?.array {
          #expect(
            encoding.offsets.flatMap { [$0.start, $0.end] } == offsets.map(\.int), label)
        }
        guard let skipping = expected["skipping"]?.string else { continue }
        #expect(ByteString(try tokenizer.decode(encoding.ids)) == skipping, label)
      }
    }
  }

  @Test func aDirectoryWithoutATokenizerHasNone() throws {
    let directory = TemporaryDirectory()
    directory.write("{}", to: "config.json")
    #expect(try TokenizerDefinition(ModelDirectory(directory.path)) == nil)
  }

  @Test func settingsThatChangeNothingLeaveTheBytes() throws {
    let directory = TemporaryDirectory()
    let bytes = try TokenizerFixtures.bytes("bert-uncased.json")
    directory.write(bytes, to: "tokenizer.json")
    directory.write(
      """
      {"tokenizer_class": "BertTokenizer", "do_lower_case": true, "model_max_length": 384,
       "clean_up_tokenization_spaces": true, "padding_side": "left", "truncation_side": "left"}
      """, to: "tokenizer_config.json")
    let definition = try #require(try TokenizerDefinition(ModelDirectory(directory.path)))
    #expect(definition.json == bytes)
    #expect(definition.maxLength == 384)
    #expect(definition.cleansUpSpaces)
    #expect(definition.truncationSide == .left)
    #expect(definition.padding == Padding(id: 0, side: .left))
  }

  @Test(arguments: [#""add_prefix_space": true"#, #""prepend_scheme": "always""#])
  func theSpaceOfMetaspaceIsNotTheConfigurations(_ key: String) throws {
    let directory = TemporaryDirectory()
    directory.write(
      #"{"model": {"type": "WordLevel", "unk_token": "?", "vocab": {"?": 0, "▁a": 1}}, "#
        + #""pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "add_prefix_space": true, "#
        + #"\#(key)}}"#, to: "tokenizer.json")
    directory.write(#"{"tokenizer_class": "PreTrainedTokenizerFast"}"#, to: "tokenizer_config.json")
    let definition = try #require(try TokenizerDefinition(ModelDirectory(directory.path)))
    #expect(try Tokenizer(json: definition.json).encode("a a").ids == [1, 1])
  }

  @Test func noMaximumIsNone() throws {
    let directory = TemporaryDirectory()
    directory.write(try TokenizerFixtures.bytes("gpt2.json"), to: "tokenizer.json")
    directory.write(
      #"{"model_max_length": 1000000000000000019884624838656, "pad_token": null}"#,
      to: "tokenizer_config.json")
    let definition = try #require(try TokenizerDefinition(ModelDirectory(directory.path)))
    #expect(definition.maxLength == nil)
    #expect(definition.padding == nil)
  }

  @Test func wrongFilesAreNamed() throws {
    func expectError(_ files: [String: [UInt8]], file: String, key: String) {
      let directory = TemporaryDirectory()
      for (name, bytes) in files { directory.write(bytes, to: name) }
      let error = #expect(throws: HubError.self, "\(file)") {
        try TokenizerDefinition(ModelDirectory(directory.path))
      }
      #expect(error?.file.hasSuffix(file) == true, "\(error?.description ?? "")")
      #expect(error?.key == key, "\(error?.description ?? "")")
    }
    let bert = Array(#"{"tokenizer_class": "BertTokenizer"}"#.utf8)
    expectError(["tokenizer.json": Array("{".utf8)], file: "tokenizer.json", key: "byte 1")
    expectError(["tokenizer.json": Array("[]".utf8)], file: "tokenizer.json", key: "")
    expectError(
      ["vocab.txt": [0x61, 0x0A, 0xFF], "tokenizer_config.json": bert], file: "vocab.txt",
      key: "byte 2")
    expectError(
      ["vocab.json": Array("3".utf8), "merges.txt": []], file: "vocab.json", key: "")
    expectError(
      [
        "tokenizer.json": Array("{}".utf8),
        "tokenizer_config.json": Array(#"{"added_tokens_decoder": {"x": {}}}"#.utf8),
      ], file: "tokenizer_config.json", key: "added_tokens_decoder.x")
  }
}
