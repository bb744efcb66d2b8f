import BurinHub
import BurinTestSupport
import Testing

@testable import Burin

/// Sound to text, against what transformers' `generate` wrote.
@Suite struct TranscriptionTests {
  static let fixtures = Fixture.all(with: "transcripts.json")

  @Test("writes what transformers writes, and when", arguments: fixtures)
  func agrees(fixture: Fixture) throws {
    let transcripts = try #require(try ModelDirectory(fixture.path).json("transcripts.json"))
    let transcriber = try Transcriber(TextModel(try fixture.library(), threads: 2))
    for recorded in try transcripts.array() {
      let options = try Self.options(recorded["options"])
      let name = try recorded["sound"].string().utf8String
      var (text, segments) = ("", [Transcription.Segment]())
      let result = try transcriber(
        SoundFile(SyntheticSound.named(name), rate: 16_000), options
      ) { event in
        switch event {
        case .text(let piece): text += piece
        case .segment(let segment): segments.append(segment)
        }
      }
      let expected = try recorded["segments"].array()
      let label = Comment(rawValue: "\(fixture.name) \(name) \(options)")
      let wanted = try expected.map { segment in
        Transcription.Segment(
          start: try segment["start"].double(), end: try segment["end"].double(),
          text: try segment["text"].string().utf8String,
          tokens: try segment["tokens"].array().map { Int32(try $0.int()) })
      }
      #expect(result.segments == wanted, label)
      #expect(try result.text == recorded["text"].string().utf8String, label)
      #expect(segments == result.segments)
      if options.timestamps == true || segments.count > 1 {
        #expect(text == segments.compactMap(\.text).joined())
      }
    }
  }

  private static func options(_ field: JSONField) throws -> TranscriptionOptions {
    var options = TranscriptionOptions()
    func text(_ key: ByteString) throws -> String? {
      field[key].exists ? try field[key].string().utf8String : nil
    }
    options.language = try text("language")
    options.task = try text("task").flatMap(SpeechTask.init)
    if try field["timestamps"].bool(default: false) { options.timestamps = true }
    options.beams = try field["num_beams"].int(default: 1)
    if field["max_new_tokens"].exists {
      options.maximumNewTokens = try field["max_new_tokens"].int()
    }
    options.conditionsOnPrevious = field["condition_on_prev_tokens"].value?.bool
    options.noSpeechThreshold = field["no_speech_threshold"].value?.double
    options.logProbabilityThreshold = field["logprob_threshold"].value?.double
    return options
  }

  @Test("refuses what a model cannot do")
  func refuses() throws {
    let many = try transcriber("whisper-transcription")
    let one = try transcriber("whisper-transcription-english")
    let sound = SoundFile(SyntheticSound.named("short"), rate: 16_000)
    func message(
      _ transcriber: Transcriber, _ change: (inout TranscriptionOptions) -> Void
    ) -> String {
      var options = TranscriptionOptions()
      change(&options)
      do { return "\(try transcriber(sound, options))" } catch { return "\(error)" }
    }
    #expect(message(many) { $0.language = "klingon" }.contains("expected one of de, en, fr"))
    #expect(message(many) { $0.maximumNewTokens = 0 }.contains("expected 1 to"))
    #expect(message(many) { $0.maximumNewTokens = 61 }.contains("expected 1 to"))
    #expect(message(many) { $0.beams = 33 }.contains("33 beams"))
    #expect(message(one) { $0.language = "en" }.contains("one language only"))
    #expect(throws: TaskError.self) { try Generator(many.model) }
    #expect(throws: TaskError.self) {
      try Transcriber(TextModel(Fixture(name: "t5-lm").library()))
    }
    #expect(throws: TaskError.self) {
      try Transcriber(TextModel(Fixture(name: "gpt2-lm").library()))
    }
  }

  @Test("leaves silent windows out where generation_config.json says so, as where options do")
  func reads() throws {
    let model = try TextModel(Fixture(name: "whisper-conditioned").library(), threads: 2)
    let sound = SoundFile(SyntheticSound.named("gap"), rate: 16_000)
    var options = TranscriptionOptions()
    let all = try Transcriber(model)(sound, options)
    options.noSpeechThreshold = 0.05
    options.logProbabilityThreshold = -1.5
    let asked = try Transcriber(model)(sound, options)
    var description = model.description
    let own = try #require(description.generation.object?.members)
    let thresholds: [JSONObject.Member] = [
      .init("no_speech_threshold", 0.05), .init("logprob_threshold", -1.5),
    ]
    description.generation = .object(JSONObject(own + thresholds))
    let said = try Transcriber(TextModel(model.runner, description))(
      sound, TranscriptionOptions())
    #expect(said.segments == asked.segments && said.segments.count < all.segments.count)
    // What options say counts more.
    options.noSpeechThreshold = 1
    let none = try Transcriber(TextModel(model.runner, description))(sound, options)
    #expect(none.segments == all.segments)
    description.generation = .object(JSONObject(own + thresholds.prefix(1)))
    #expect {
      try Transcriber(TextModel(model.runner, description))(sound, TranscriptionOptions())
    } throws: { "\($0)".contains("needs a logprob-threshold") }
  }

  @Test("stops between tokens when it is cancelled")
  func cancels() throws {
    var options = TranscriptionOptions()
    options.timestamps = true
    let result = try transcriber("whisper-transcription")(
      SoundFile(SyntheticSound.named("long"), rate: 16_000), options, isCancelled: { true })
    #expect(result.segments.isEmpty && result.text == "")
  }

  private func transcriber(_ name: String) throws -> Transcriber {
    try Transcriber(TextModel(Fixture(name: name).library(), threads: 2))
  }

  // MARK: Timestamps

  @Test("lets timestamps stand in pairs that never go back")
  func rules() {
    // Words 0 to 4, the end 5, "no timestamps" 6, timestamps 7 to 11.
    let rules = TimestampRules(first: 7, end: 5, latestStart: 2)
    func allowed(_ tokens: [Int32], _ logits: [Float] = Array(repeating: 0, count: 12)) -> [Int] {
      var logits = logits
      rules.apply(&logits, after: tokens[...])
      return logits.indices.filter { logits[$0] > -.infinity }
    }
    #expect(allowed([]) == [7, 8, 9])
    #expect(allowed([8]) == [0, 1, 2, 3, 4, 5])
    // Three timestamps together outweigh any word of the same logit; a likely word outweighs them.
    #expect(allowed([8, 1]) == [9, 10, 11])
    var likely = [Float](repeating: 0, count: 12)
    likely[3] = 5
    #expect(allowed([8, 1], likely) == [0, 1, 2, 3, 4, 5, 9, 10, 11])
    #expect(allowed([8, 1, 9], likely) == [9, 10, 11])
    #expect(allowed([8, 1, 11, 11], likely) == [0, 1, 2, 3, 4, 5])
    #expect(allowed([8, 1, 11], likely) == [5, 11])
  }

  @Test("cuts a window where segments end")
  func cuts() {
    func cut(_ tokens: [Int32]) -> ([[Double]], Int) {
      let (segments, advance) = TimedTokens.cut(tokens, first: 100, offset: 50, frames: 80)
      return (segments.map { [$0.start, $0.end, Double($0.tokens.count)] }, advance)
    }
    // A pair, and what follows it is left to the next window.
    #expect(cut([100, 1, 2, 110, 110, 3]) == ([[0.5, 0.7, 5]], 20))
    // The window ends with one timestamp: nothing follows.
    #expect(cut([100, 1, 110, 111, 3, 120]) == ([[0.5, 0.7, 3], [0.72, 0.9, 3]], 80))
    #expect(cut([100, 1, 110, 110, 3, 120, 121]) == ([[0.5, 0.7, 3], [0.7, 0.9, 4]], 40))
    // No pair: one segment, up to the last timestamp if there is one.
    #expect(cut([100, 1, 2]) == ([[0.5, 1.3, 3]], 80))
    #expect(cut([100, 1, 2, 115]) == ([[0.5, 0.8, 4]], 80))
    #expect(cut([]) == ([[0.5, 1.3, 0]], 80))
  }
}
