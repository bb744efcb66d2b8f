import BurinHub
import Testing

@testable import Burin

/// Guesses from what stands in the text already.
@Suite struct PromptLookupTests {
  @Test func guessesWhatFollowedTheLastTokens() {
    var lookup = PromptLookup(limit: 8)
    #expect(lookup.drafts(after: [1, 2, 3, 4], room: 8) == [])
    // Three tokens say more than two.
    #expect(lookup.drafts(after: [1, 2, 3, 4, 9, 2, 3, 5, 1, 2, 3], room: 8) == [4, 9, 2, 3])
    #expect(lookup.drafts(after: [1, 2, 3, 4, 9, 2, 3, 5, 1, 2, 3, 7, 2, 3], room: 2) == [7, 2])
  }

  @Test func pausesAfterWrongGuesses() {
    var lookup = PromptLookup(limit: 8)
    let text: [Int32] = [1, 2, 3, 1, 2]
    var tried = 0
    for _ in 0..<64 {
      let drafts = lookup.drafts(after: text, room: 8)
      if !drafts.isEmpty {
        tried += 1
        lookup.note(accepted: 0, of: drafts.count, seconds: 1)
      }
    }
    #expect(tried == 6)
  }

  @Test func pausesWhereCheckingCostsMoreThanSteps() {
    var lookup = PromptLookup(limit: 8)
    lookup.note(step: 1)
    let text: [Int32] = [1, 2, 3, 1, 2]
    #expect(!lookup.drafts(after: text, room: 8).isEmpty)
    lookup.note(accepted: 1, of: 4, seconds: 1.9)
    #expect(!lookup.drafts(after: text, room: 8).isEmpty)
    lookup.note(accepted: 1, of: 2, seconds: 2.1)
    #expect(lookup.drafts(after: text, room: 8).isEmpty)
  }

  static let fixtures = Fixture.all(with: "generate.json")

  @Test("gives the tokens of a generation without guesses", arguments: fixtures)
  func sameTokens(fixture: Fixture) throws {
    let generator = try Generator(TextModel(fixture.library()))
    let recorded = try #require(try ModelDirectory(fixture.path).json("generate.json"))
    let prompt = try recorded["prompt"].array().prefix(9).map { Int32(try $0.int()) }
    var options = GenerationOptions()
    options.ignoresEndTokens = true
    options.maximumNewTokens = 40
    for repeated in [prompt, prompt + prompt + prompt] {
      options.promptLookupTokens = 0
      let plain = try generator(repeated, options)
      #expect(plain.drafted == 0)
      options.promptLookupTokens = 15
      let guessed = try generator(repeated, options)
      #expect(guessed.tokens == plain.tokens)
      #expect(guessed.accepted <= guessed.drafted)
    }
  }
}
