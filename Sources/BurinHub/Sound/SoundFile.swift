/// The samples of a WAV file, its channels averaged.
///
/// Reads RIFF and its 64-bit form RF64 (EBU Tech 3306) with PCM of 8, 16, 24 or 32 bits and floating
/// point of 32 or 64 bits, also under `WAVE_FORMAT_EXTENSIBLE`. The file is read in strips; what it
/// takes beside them is one `Float` for each sample.
public struct SoundFile: Sendable {
  /// Samples in a second.
  public let rate: Int
  /// The channels that the file has.
  public let channels: Int
  /// Sound between -1 and 1, one value for each moment.
  public let samples: [Float]

  /// Reads a file.
  ///
  /// - Throws: `HubError` for a file that is no WAV file, is cut off, holds numbers that are none, or
  ///   is of a format that is not read.
  public init(_ path: String) throws(HubError) { try self.init(RegularFile(path: path)) }

  /// Reads a file that is open.
  public init(_ file: RegularFile) throws(HubError) {
    let layout = try SoundLayout(file)
    rate = layout.rate
    channels = layout.channels
    samples = try layout.samples(of: file)
  }

  /// Sound that comes from elsewhere, one value for each moment.
  ///
  /// - Requires: a rate from 1,000 to 768,000.
  public init(_ samples: [Float], rate: Int) {
    precondition(Resampler.rates.contains(rate), "rate \(rate), expected \(Resampler.rates)")
    self.rate = rate
    self.samples = samples
    channels = 1
  }

  /// The sound's length.
  public var seconds: Double { Double(samples.count) / Double(rate) }
}

/// Where in a file the samples are, and what they are made of.
struct SoundLayout {
  /// How a sample is stored.
  enum Encoding: Hashable {
    /// 8 bits without a sign.
    case u8
    case i16, i24, i32, f32, f64

    /// The bytes of one sample.
    var bytes: Int {
      switch self {
      case .u8: 1
      case .i16: 2
      case .i24: 3
      case .i32, .f32: 4
      case .f64: 8
      }
    }
  }

  let encoding: Encoding
  let channels: Int
  let rate: Int
  /// Where the first sample is, and how many moments there are.
  let start, count: Int

  private var frameBytes: Int { channels * encoding.bytes }

  /// Averages the channels of every moment.
  func samples(of file: RegularFile) throws(HubError) -> [Float] {
    var samples: [Float] = []
    samples.reserveCapacity(count)
    let strip = max(1, (1 << 20) / frameBytes)
    var bytes = [UInt8](repeating: 0, count: min(count, strip) * frameBytes)
    while samples.count < count {
      let frames = min(strip, count - samples.count)
      let place = start + samples.count * frameBytes
      try bytes.withUnsafeMutableBufferPointer { bytes throws(HubError) in
        let part = UnsafeMutableBufferPointer(rebasing: bytes[..<(frames * frameBytes)])
        try file.read(at: place, into: UnsafeMutableRawBufferPointer(part))
      }
      let first = samples.count
      bytes.withUnsafeBytes { append(frames, of: $0, to: &samples) }
      if let bad = samples[first...].firstIndex(where: { !$0.isFinite }) {
        throw HubError(
          file: file.path, key: "sample \(bad)", expected: "a finite number", found: "none")
      }
    }
    return samples
  }

  private func append(
    _ frames: Int, of bytes: UnsafeRawBufferPointer, to samples: inout [Float]
  ) {
    let width = encoding.bytes
    let share = 1 / Double(channels)
    for frame in 0..<frames {
      var sum = 0.0
      for channel in 0..<channels {
        sum += value(bytes, at: (frame * channels + channel) * width)
      }
      samples.append(Float(channels == 1 ? sum : sum * share))
    }
  }

  private func value(_ bytes: UnsafeRawBufferPointer, at place: Int) -> Double {
    func integer<Stored: FixedWidthInteger>(_ type: Stored.Type) -> Stored {
      Stored(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: Stored.self))
    }
    switch encoding {
    case .u8: return (Double(bytes[place]) - 128) / 128
    case .i16: return Double(integer(Int16.self)) / 32_768
    case .i24:
      let low = Int(bytes[place]) | Int(bytes[place + 1]) << 8
      return Double(low | Int(Int8(bitPattern: bytes[place + 2])) << 16) / 8_388_608
    case .i32: return Double(integer(Int32.self)) / 2_147_483_648
    case .f32: return Double(Float(bitPattern: integer(UInt32.self)))
    case .f64: return Double(bitPattern: integer(UInt64.self))
    }
  }
}
