import Glibc
import Testing

@testable import BurinHub

/// WAV files of every kind, written by libsndfile, and damaged ones.
@Suite struct SoundFileTests {
  @Test(
    "reads what libsndfile wrote",
    arguments: [
      ("u8", 1, 8_000), ("i16", 1, 16_000), ("i16-stereo", 2, 44_100), ("i24-three", 3, 48_000),
      ("i32", 1, 22_050), ("f32", 1, 16_000), ("f64", 2, 16_000), ("i16-extensible", 2, 16_000),
      ("f32-extensible", 1, 16_000), ("i24-rf64", 1, 16_000),
    ])
  func kinds(name: String, channels: Int, rate: Int) throws {
    let directory = LogMelSpectrogramTests.directory
    let sound = try SoundFile(directory + name + ".wav")
    let file = try SafetensorsFile(path: directory + "waves.safetensors")
    let tensor = try #require(file.tensors.first { $0.name == ByteString(name) })
    let expected = try file.bytes(of: tensor).withUnsafeBytes {
      Array($0.bindMemory(to: Float.self))
    }
    #expect(sound.channels == channels)
    #expect(sound.rate == rate)
    #expect(sound.samples.count == expected.count)
    #expect(zip(sound.samples, expected).allSatisfy { abs($0 - $1) < 1e-7 })
  }

  @Test func readsOnToTheEndWhereAPipeKnewNoSize() throws {
    let bytes = wave(data: [1, 0, 2, 0, 3, 0], size: .max)
    let directory = TemporaryDirectory()
    let sound = try SoundFile(directory.write(bytes, to: "pipe.wav"))
    #expect(sound.samples.map { $0 * 32_768 } == [1, 2, 3])
  }

  @Test func skipsOtherChunks() throws {
    let odd: [UInt8] = Array("LIST".utf8) + [3, 0, 0, 0, 1, 2, 3, 0]
    let directory = TemporaryDirectory()
    let sound = try SoundFile(
      directory.write(wave(before: odd, data: [0, 64]), to: "list.wav"))
    #expect(sound.samples == [0.5])
  }

  static let damaged: [(String, [UInt8], String)] = [
    ("empty", [], "an empty file"),
    ("text", Array("a text that is no sound".utf8), "RIFF or RF64"),
    ("big-endian", Array("RIFX".utf8) + [UInt8](repeating: 0, count: 40), "RIFF or RF64"),
    ("header", Array("RIFF".utf8), "RIFF or RF64"),
    ("no data", Array(wave(data: []).dropLast(8)), "a chunk \"data\""),
    ("no samples", wave(data: []), "samples of 2 bytes"),
    ("half a sample", wave(data: [1, 2, 3]), "samples of 2 bytes, found 3 bytes"),
    ("cut", Array(wave(data: [1, 2, 3, 4]).dropLast()), "4 bytes at byte 44, found 3"),
    ("huge", wave(data: [1, 2], size: 1 << 31), "2147483648 bytes"),
    ("compressed", wave(code: 0x55, data: [1, 2]), "format 85 of 16 bits"),
    ("12 bits", wave(bits: 12, data: [1, 2]), "format 1 of 12 bits"),
    ("no channels", wave(channels: 0, data: [1, 2]), "1 to 1024 channels, found 0"),
    ("wrong frame", wave(align: 3, data: [1, 2]), "2 bytes for each moment, found 3"),
    ("no rate", wave(rate: 0, data: [1, 2]), "samples a second, found 0"),
    ("not a number", wave(code: 3, bits: 32, data: [0, 0, 0xC0, 0x7F]), "a finite number"),
    ("short format", wave(formatSize: 14, data: [1, 2]), "at least 16 bytes, found 14"),
    (
      "no format",
      Array("RIFF".utf8) + [0, 0, 0, 0] + Array("WAVEdata".utf8) + [2, 0, 0, 0, 1, 2],
      "a chunk \"fmt \""
    ),
    ("extensible cut", wave(code: 0xFFFE, data: [1, 2]), "40 bytes of an extensible format"),
  ]

  @Test("refuses damaged files in one line", arguments: damaged)
  func damage(name: String, bytes: [UInt8], expected: String) throws {
    let directory = TemporaryDirectory()
    let path = directory.write(bytes, to: "sound.wav")
    let error = try #require(throws: HubError.self) { try SoundFile(path) }
    #expect(error.description.contains(expected), "\(name): \(error)")
    #expect(error.description.hasPrefix(path) && !error.description.contains("\n"))
  }

  /// A WAV file with one thing or another wrong with it.
  static func wave(
    code: UInt16 = 1, channels: UInt16 = 1, rate: UInt32 = 16_000, align: UInt16? = nil,
    bits: UInt16 = 16, formatSize: UInt32 = 16, before: [UInt8] = [], data: [UInt8],
    size: UInt32? = nil
  ) -> [UInt8] {
    func bytes<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
      withUnsafeBytes(of: number.littleEndian) { Array($0) }
    }
    let align = align ?? channels * (bits / 8)
    let format =
      bytes(code) + bytes(channels) + bytes(rate) + bytes(rate * UInt32(align)) + bytes(align)
      + bytes(bits)
    return Array("RIFF".utf8) + bytes(UInt32(0)) + Array("WAVEfmt ".utf8) + bytes(formatSize)
      + format.prefix(Int(formatSize)) + before + Array("data".utf8)
      + bytes(size ?? UInt32(data.count)) + data
  }

  private func wave(before: [UInt8] = [], data: [UInt8], size: UInt32? = nil) -> [UInt8] {
    Self.wave(before: before, data: data, size: size)
  }
}
