import BurinTestSupport
import Glibc
import Testing

@testable import BurinHub

/// Spectra against those that transformers' `WhisperFeatureExtractor` gave.
@Suite struct LogMelSpectrogramTests {
  static let directory =
    String(#filePath.dropLast("BurinHubTests/Sound/LogMelSpectrogramTests.swift".count))
    + "Fixtures/sound/"

  @Test(
    "agrees with transformers",
    arguments: ["sines", "chirp-128", "noise-longer", "quiet", "odd", "half-minute"])
  func agrees(name: String) throws {
    let recorded = try #require(try ModelDirectory(Self.directory).json("spectra.json"))
    let field = recorded[ByteString(name)]
    let settings = try SpectrogramSettings(field["settings"])
    let spectrogram = LogMelSpectrogram(of: SyntheticSound.named(name), settings)
    #expect(spectrogram.frames == (try field["frames"].int()))
    let file = try SafetensorsFile(path: Self.directory + "spectra.safetensors")
    let tensor = try #require(file.tensors.first { $0.name == ByteString(name) })
    let expected = try file.bytes(of: tensor).withUnsafeBytes {
      Array($0.bindMemory(to: Float.self))
    }
    let step = try field["step"].int()
    let columns = tensor.shape[1]
    #expect(tensor.shape[0] == spectrogram.mels)
    var worst: Float = 0
    for mel in 0..<spectrogram.mels {
      for column in 0..<columns {
        let mine = spectrogram.values[mel * spectrogram.frames + column * step]
        worst = max(worst, abs(mine - expected[mel * columns + column]))
      }
    }
    #expect(worst < 5e-5)
  }

  @Test("transforms any length as the definition does", arguments: [1, 2, 7, 12, 30, 97, 210, 400])
  func transform(count: Int) {
    var values = FourierTransform.Values(count: count)
    values.real = SyntheticSound.noise(count, level: 1).map(Double.init)
    values.imaginary = SyntheticSound.noise(2 * count, level: 1).suffix(count).map(Double.init)
    let result = FourierTransform(count)(values)
    for bin in 0..<count {
      var (real, imaginary) = (0.0, 0.0)
      for index in 0..<count {
        let angle = -2 * .pi * Double(bin * index % count) / Double(count)
        real += values.real[index] * cos(angle) - values.imaginary[index] * sin(angle)
        imaginary += values.real[index] * sin(angle) + values.imaginary[index] * cos(angle)
      }
      #expect(abs(result.real[bin] - real) < 1e-11 * Double(count + 10))
      #expect(abs(result.imaginary[bin] - imaginary) < 1e-11 * Double(count + 10))
    }
  }

  @Test func fillsUpAWindowBehindTheEnd() {
    var settings = SpectrogramSettings()
    (settings.mels, settings.seconds) = (5, 1)
    let spectrogram = LogMelSpectrogram(of: SyntheticSound.noise(16_000, level: 0.5), settings)
    let part = spectrogram.part(from: 97, count: 6)
    #expect(part.count == 30)
    for mel in 0..<5 {
      let row = spectrogram.values[mel * 100 + 97..<mel * 100 + 100]
      #expect(Array(part[mel * 6..<mel * 6 + 6]) == row + [0, 0, 0])
    }
    #expect(spectrogram.part(from: 100, count: 2) == [Float](repeating: 0, count: 10))
  }

  @Test(
    "refuses settings that it does not know",
    arguments: [
      #"{"dither": 0.1}"#, #"{"feature_extractor_type": "Wav2Vec2FeatureExtractor"}"#,
      #"{"padding_side": "left"}"#, #"{"n_fft": 0}"#, #"{"hop_length": "160"}"#,
      #"{"sampling_rate": 10}"#, #"{"hop_length": 1, "chunk_length": 3600}"#,
    ])
  func settings(text: String) throws {
    let json = try JSON.parse(Array(text.utf8))
    #expect(throws: HubError.self) { try SpectrogramSettings(JSONField(json, file: "p.json")) }
  }
}
