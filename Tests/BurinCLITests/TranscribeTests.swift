import BurinHub
import Glibc
import Testing

/// `burin transcribe`
@Suite struct TranscribeTests {
  private let sounds = String(Burin.fixtures.dropLast("models/".count)) + "sound/"

  @Test("writes JSON, text and timed lines")
  func writes() throws {
    let library = try Burin.library("whisper-transcription")
    let arguments = ["transcribe", library, sounds + "i16-stereo.wav", "--language", "de"]
    let outcome = try Burin.run(arguments + ["--json"])
    try #require(outcome.status == 0, "\(outcome.errors)")
    let json = try outcome.json()
    #expect(
      json.value?.object?.map { $0.key.utf8String } == [
        "text", "segments", "language", "tokens", "seconds", "sound_seconds",
      ])
    #expect(try json["language"].string() == "de")
    #expect(abs(try json["sound_seconds"].double() - 61 / 44_100) < 1e-6)
    let segment = json["segments"][0]
    #expect(
      segment.value?.object?.map { $0.key.utf8String } == ["start", "end", "text", "tokens"])
    let text = try json["text"].string().utf8String
    let plain = try Burin.run(arguments)
    #expect(plain.text == String(text.drop { $0 == " " }) + "\n")
    let timed = try Burin.run(arguments + ["--timestamps", "--task", "translate"])
    // Nothing is less probable than that, so the window is silent.
    let silent = try Burin.run(
      arguments + ["--no-speech-threshold", "-1", "--logprob-threshold", "1"])
    #expect(silent.text == "\n" && silent.status == 0)
    let lines = timed.text.split(separator: "\n")
    #expect(lines.count >= 1)
    #expect(lines.allSatisfy { $0.split(separator: "\t", maxSplits: 2).count >= 2 })
  }

  @Test("refuses what it cannot take, each in one line")
  func refuses() throws {
    let library = try Burin.library("whisper-transcription")
    let sound = sounds + "i16.wav"
    for (arguments, status, words) in [
      (["transcribe", library, sounds + "none.wav"], Int32(74), "none.wav"),
      (["transcribe", library, sounds + "record.py"], 65, "RIFF or RF64"),
      (["transcribe", library, sound, "--task", "sing"], 64, "transcribe or translate"),
      (["transcribe", library, sound, "--language", "xx"], 64, "expected one of de, en, fr"),
      (["transcribe", library, sound, "--num-beams", "0"], 64, "at least 1"),
      (["transcribe", library, sound, "--no-speech-threshold", "nan"], 64, "a finite number"),
      (["transcribe", library, sound, "--no-speech-threshold", "0.6"], 64, "logprob-threshold"),
      (["transcribe", library, sound, "--max-new-tokens", "9999"], 65, "expected 1 to"),
      (["transcribe", try Burin.library("bert"), sound], 65, "transcribe needs a model"),
      (["generate", library, "--prompt", "a"], 65, "reads sound"),
    ] {
      let outcome = try Burin.run(arguments)
      #expect(outcome.status == status, "\(arguments)")
      #expect(outcome.errors.contains(words), "\(outcome.errors)")
      #expect(outcome.errors.split(separator: "\n").count == 1 && outcome.output.isEmpty)
    }
  }
}
