import BurinHub
import Glibc
import Testing

/// Picture files, and what is made of them, against Pillow and transformers' image processors.
@Suite struct PictureTests {
  static let directory =
    #filePath.prefix(#filePath.count - "BurinHubTests/PictureTests.swift".count)
    + "Fixtures/pictures/"

  static let hasReaders = PictureLibrary.all.allSatisfy(\.isInstalled)

  private static func tensors(_ name: String) throws -> [String: (shape: [Int], bytes: [UInt8])] {
    let file = try SafetensorsFile(path: directory + name)
    var tensors: [String: (shape: [Int], bytes: [UInt8])] = [:]
    for tensor in file.tensors {
      tensors[tensor.name.utf8String] = (tensor.shape, try file.bytes(of: tensor))
    }
    return tensors
  }

  private func bytes(_ name: String) throws -> [UInt8] {
    try RegularFile(path: Self.directory + name).contents(limit: 1 << 20)
  }

  @Test("reads every kind of file as Pillow does", .enabled(if: hasReaders))
  func readsFiles() throws {
    for (name, expected) in try Self.tensors("pixels.safetensors") {
      let picture = try Picture(path: Self.directory + name)
      #expect(
        [picture.size.height, picture.size.width, 3] == expected.shape, "\(name)")
      #expect(picture.pixels == expected.bytes, "\(name)")
    }
  }

  @Test("prepares pictures as transformers does, to the bit", .enabled(if: hasReaders))
  func prepares() throws {
    let file = try RegularFile(path: Self.directory + "preparations.json")
    let cases = try JSONField(
      JSON.parse(file.contents(limit: 1 << 20)), file: "preparations.json"
    ).array()
    let prepared = try Self.tensors("prepared.safetensors")
    #expect(cases.count == prepared.count)
    for (number, item) in cases.enumerated() {
      let preparation = try PicturePreparation(item["config"], modelType: "")
      let name = try item["file"].string().utf8String
      let result = try preparation(Picture(path: Self.directory + name), file: name)
      let expected = try #require(prepared["\(number)"])
      #expect([3, result.size.height, result.size.width] == expected.shape, "\(number)")
      let values = expected.bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
      #expect(result.values == values, "\(number) \(name)")
      if let size = preparation.size { #expect(size == result.size) }
    }
  }

  private func failure(_ bytes: [UInt8]) -> HubError? {
    do throws(HubError) {
      _ = try Picture(bytes, file: "p.png")
      return nil
    } catch {
      return error
    }
  }

  @Test(
    "refuses damaged files in one line", .enabled(if: hasReaders),
    arguments: ["rgb.png", "photo.jpg", "palette.png", "cmyk.jpg", "progressive.jpg"])
  func refusesDamage(name: String) throws {
    let whole = try bytes(name)
    for count in [0, 1, 8, 20, whole.count / 2, whole.count - 13] {
      let error = try #require(failure(Array(whole.prefix(count))), "\(name) \(count)")
      #expect(error.kind == .badInput)
      #expect(!error.description.utf8.contains(10))
    }
    var random = SmallRandom(seed: 5)
    for _ in 0..<200 {
      if let error = failure(random.mutate(whole)) {
        #expect(!error.description.utf8.contains(10))
      }
    }
  }

  @Test("refuses a picture of too many pixels before it takes memory", .enabled(if: hasReaders))
  func refusesBombs() throws {
    var png = try bytes("grey1.png")
    // Of a million rows and columns; the header's checksum with them.
    png.replaceSubrange(16..<24, with: [0, 0x0F, 0x42, 0x40, 0, 0x0F, 0x42, 0x40])
    png.replaceSubrange(29..<33, with: checksum(png[12..<29]))
    let error = try #require(failure(png))
    #expect(error.description.contains("1000000 x 1000000"))
    var jpeg = try bytes("photo.jpg")
    let start = try #require(
      jpeg.indices.first { jpeg[$0...].starts(with: [0xFF, 0xC0, 0, 17, 8]) })
    jpeg.replaceSubrange(start + 5..<start + 9, with: [0xFF, 0xDC, 0xFF, 0xDC])
    #expect(failure(jpeg)?.description.contains("65500 x 65500") == true)
  }

  /// The CRC-32 of a chunk.
  private func checksum(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
    var crc: UInt32 = .max
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
    }
    crc = ~crc
    return [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: crc >> $0) }
  }

  @Test("refuses other files", arguments: [[], [0x47, 0x49, 0x46, 0x38], [0x89]] as [[UInt8]])
  func refusesOthers(bytes: [UInt8]) {
    #expect(failure(bytes)?.expected == "a PNG or JPEG picture")
  }

  @Test("refuses a picture whose longer side would become endless")
  func refusesNarrow() throws {
    let preparation = try PicturePreparation(
      JSONField(["image_processor_type": "CLIPImageProcessor"], file: "p.json"), modelType: "")
    let picture = Picture(
      size: PictureSize(height: 1, width: 900_000),
      pixels: [UInt8](repeating: 0, count: 2_700_000))
    #expect(throws: HubError.self) { try preparation(picture, file: "p.png") }
  }

  @Test(
    "names the key of a wrong preprocessor_config.json",
    arguments: [
      ("size", ["size": 0]), ("size.height", ["size": ["width": 3]]), ("resample", ["resample": 6]),
      ("size", ["size": [1, 2, 3]]), ("image_std[1]", ["image_std": [1, 0, 1]]),
      ("image_mean", ["image_mean": [0.5]]), ("do_resize", ["do_resize": "yes"]),
      ("image_processor_type", ["image_processor_type": "DonutImageProcessor"]),
    ] as [(String, JSON)])
  func namesKeys(key: String, config: JSON) {
    do {
      _ = try PicturePreparation(JSONField(config, file: "p.json"), modelType: "vit")
      Issue.record("\(key) was taken")
    } catch {
      #expect(error.key == key)
    }
  }
}
