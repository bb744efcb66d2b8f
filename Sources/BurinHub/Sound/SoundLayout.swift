extension SoundLayout {
  /// Walks the chunks of a WAV file up to its samples.
  init(_ file: RegularFile) throws(HubError) {
    let head = try file.start(12)
    let id = head.prefix(4)
    guard id.elementsEqual("RIFF".utf8) || id.elementsEqual("RF64".utf8), head.count == 12,
      head[8...].elementsEqual("WAVE".utf8)
    else {
      throw HubError(
        file: file.path, expected: "a WAV file (RIFF or RF64, WAVE)",
        found: file.size == 0 ? "an empty file" : "\"\(printable(Array(head)))\"")
    }
    let isLong = id.elementsEqual("RF64".utf8)
    var longSize: Int?
    var format: SoundFormat?
    var place = 12
    while file.size - place >= 8 {
      let header = LittleEndian(try file.bytes(at: place, 8))
      let name = header.bytes[..<4]
      var size = header[4, as: UInt32.self]
      place += 8
      if isLong, name.elementsEqual("data".utf8), size == UInt32.max, let longSize {
        self = try SoundLayout(format, at: place, bytes: longSize, of: file)
        return
      }
      // A program that writes into a pipe knows no size: then the samples go on to the end.
      if name.elementsEqual("data".utf8), size == UInt32.max, file.size - place < Int(size) {
        let frame = format.map { $0.channels * $0.encoding.bytes } ?? 1
        size = UInt32(clamping: (file.size - place) / frame * frame)
      }
      guard Int(size) <= file.size - place else {
        throw HubError(
          file: file.path, key: "chunk \"\(printable(name))\"",
          expected: "\(size) bytes at byte \(place)", found: "\(file.size - place)")
      }
      if name.elementsEqual("ds64".utf8) {
        longSize = try file.longSize(at: place, Int(size))
      } else if name.elementsEqual("fmt ".utf8) {
        format = try SoundFormat(file, at: place, Int(size))
      } else if name.elementsEqual("data".utf8) {
        self = try SoundLayout(format, at: place, bytes: Int(size), of: file)
        return
      }
      // Chunks begin at even places.
      place += Int(size) + Int(size & 1)
    }
    throw HubError(
      file: file.path, expected: "a chunk \"data\" with samples", found: "the end of the file")
  }

  private init(
    _ format: SoundFormat?, at place: Int, bytes: Int, of file: RegularFile
  ) throws(HubError) {
    func failure(_ expected: String, _ found: String) -> HubError {
      HubError(file: file.path, key: "chunk \"data\"", expected: expected, found: found)
    }
    guard let format else { throw failure("a chunk \"fmt \" before it", "none") }
    guard bytes <= file.size - place else {
      throw failure("\(bytes) bytes at byte \(place)", "\(file.size - place)")
    }
    let frame = format.channels * format.encoding.bytes
    guard bytes > 0, bytes % frame == 0 else {
      throw failure("samples of \(frame) bytes", "\(bytes) bytes")
    }
    self.init(
      encoding: format.encoding, channels: format.channels, rate: format.rate, start: place,
      count: bytes / frame)
  }
}

/// What the chunk `fmt ` says.
private struct SoundFormat {
  let encoding: SoundLayout.Encoding
  let channels: Int
  let rate: Int

  /// What stands behind the code of the format in the identifier of an extensible one.
  private static let suffix: [UInt8] = [
    0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x80, 0x00, 0x00, 0xAA, 0x00, 0x38, 0x9B, 0x71,
  ]

  init(_ file: RegularFile, at place: Int, _ size: Int) throws(HubError) {
    func failure(_ expected: String, _ found: String) -> HubError {
      HubError(file: file.path, key: "chunk \"fmt \"", expected: expected, found: found)
    }
    guard size >= 16 else { throw failure("at least 16 bytes", "\(size)") }
    let chunk = LittleEndian(try file.bytes(at: place, min(size, 40)))
    var code = chunk[0, as: UInt16.self]
    channels = Int(chunk[2, as: UInt16.self])
    let rate = chunk[4, as: UInt32.self]
    let align = Int(chunk[12, as: UInt16.self])
    let bits = Int(chunk[14, as: UInt16.self])
    if code == 0xFFFE {
      guard size >= 40 else { throw failure("40 bytes of an extensible format", "\(size)") }
      guard chunk.bytes[26..<40].elementsEqual(SoundFormat.suffix) else {
        throw failure("PCM or floating point", "another extensible format")
      }
      code = chunk[24, as: UInt16.self]
    }
    encoding =
      switch (code, bits) {
      case (1, 8): .u8
      case (1, 16): .i16
      case (1, 24): .i24
      case (1, 32): .i32
      case (3, 32): .f32
      case (3, 64): .f64
      default:
        throw failure(
          "PCM of 8, 16, 24 or 32 bits (format 1) or floating point of 32 or 64 (format 3)",
          "format \(code) of \(bits) bits")
      }
    guard (1...1024).contains(channels) else {
      throw failure("1 to 1024 channels", "\(channels)")
    }
    guard align == channels * encoding.bytes else {
      throw failure("\(channels * encoding.bytes) bytes for each moment", "\(align)")
    }
    guard Resampler.rates.contains(Int(rate)) else {
      throw failure(
        "\(Resampler.rates.lowerBound) to \(Resampler.rates.upperBound) samples a second",
        "\(rate)")
    }
    self.rate = Int(rate)
  }
}

/// Bytes as numbers whose lowest byte is first.
private struct LittleEndian {
  let bytes: [UInt8]

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  subscript<Number: FixedWidthInteger>(place: Int, as type: Number.Type) -> Number {
    bytes.withUnsafeBytes {
      Number(littleEndian: $0.loadUnaligned(fromByteOffset: place, as: Number.self))
    }
  }
}

extension RegularFile {
  /// As many bytes as there are, at most `count`.
  fileprivate func start(_ count: Int) throws(HubError) -> [UInt8] {
    try bytes(at: 0, min(size, count))
  }

  fileprivate func bytes(at place: Int, _ count: Int) throws(HubError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    try bytes.withUnsafeMutableBufferPointer { buffer throws(HubError) in
      try read(at: place, into: UnsafeMutableRawBufferPointer(buffer))
    }
    return bytes
  }

  /// The size of the samples that a chunk `ds64` holds.
  fileprivate func longSize(at place: Int, _ size: Int) throws(HubError) -> Int {
    guard size >= 24 else {
      throw HubError(
        file: path, key: "chunk \"ds64\"", expected: "at least 24 bytes", found: "\(size)")
    }
    return Int(clamping: LittleEndian(try bytes(at: place + 8, 8))[0, as: UInt64.self])
  }
}
