import BurinHub
import Testing

@testable import Burin

/// Multilingual translators from text to text, against what transformers makes of it.
@Suite struct LanguageFixtureTests {
  static let fixtures = Fixture.all(with: "languages.json")

  @Test("marks sources and targets with their languages", arguments: fixtures)
  func languages(fixture: Fixture) throws {
    let recorded = try #require(try ModelDirectory(fixture.path).json("languages.json"))
    let generator = try Generator(TextModel(try fixture.library(), threads: 2))
    for field in try recorded.array() {
      var options = GenerationOptions()
      options.maximumNewTokens = 16
      options.sourceLanguage = field["source"].value?.string?.utf8String
      options.targetLanguage = try field["target"].string().utf8String
      let ids = try generator.encode(field["text"].string().utf8String, options)
      #expect(try ids.map(Int.init) == field["ids"].array().map { try $0.int() })
      let result = try generator(ids, options)
      #expect(try result.tokens.map(Int.init) == field["tokens"].array().map { try $0.int() })
      #expect(try result.text == field["decoded"].string().utf8String, "\(field.path)")
    }
  }

  @Test("refuses a language that the tokenizer does not know")
  func unknownLanguages() throws {
    func message(_ name: String, _ change: (inout GenerationOptions) -> Void) throws -> String? {
      let generator = try Generator(TextModel(Fixture(name: name).library(), threads: 1))
      var options = GenerationOptions()
      change(&options)
      do {
        _ = try generator(generator.encode("a river", options), options)
        return nil
      } catch let error as TaskError {
        return error.description
      }
    }
    #expect(
      try message("nllb-languages") { $0.sourceLanguage = "en" }
        == "source-language: expected a code such as eng_Latn, fra_Latn, found \"en\"")
    #expect(
      try message("mbart-languages") { $0.targetLanguage = "tlh\n" }?.hasPrefix(
        "target-language: expected a code such as en_XX, fr_XX, found") == true)
    #expect(
      try message("marian-languages") { $0.sourceLanguage = "eng" }
        == "source-language: this model's sources are of one language")
    let gpt2 = try message("gpt2-lm") { $0.targetLanguage = "fr" }
    #expect(gpt2?.hasSuffix("is no multilingual translator") == true, "\(gpt2 ?? "nothing")")
  }
}
