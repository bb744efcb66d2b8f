/// How a picture has to be turned to stand upright, by EXIF's numbers.
enum Orientation: UInt16 {
  case upright = 1
  case mirrored, upsideDown, flipped, transposed, right, transversed, left

  /// Whether rows become columns.
  var swapsAxes: Bool { rawValue >= 5 }
}

extension Picture {
  /// The picture as it looks upright.
  func turned(_ orientation: Orientation) -> Picture {
    let (height, width) = (size.height, size.width)
    let upright =
      orientation.swapsAxes
      ? PictureSize(height: width, width: height) : PictureSize(height: height, width: width)
    let turned = [UInt8](unsafeUninitializedCapacity: pixels.count) { target, count in
      var place = 0
      for row in 0..<upright.height {
        for column in 0..<upright.width {
          let (y, x) =
            switch orientation {
            case .upright: (row, column)
            case .mirrored: (row, width - 1 - column)
            case .upsideDown: (height - 1 - row, width - 1 - column)
            case .flipped: (height - 1 - row, column)
            case .transposed: (column, row)
            case .right: (height - 1 - column, row)
            case .transversed: (height - 1 - column, width - 1 - row)
            case .left: (column, width - 1 - row)
            }
          let source = (y * width + x) * 3
          for channel in 0..<3 { target[place + channel] = pixels[source + channel] }
          place += 3
        }
      }
      count = place
    }
    return Picture(size: upright, pixels: turned)
  }
}

extension PictureFormat {
  /// What a file's EXIF data say of its orientation; upright where they say nothing or nonsense.
  func orientation(_ bytes: [UInt8]) -> Orientation {
    guard let exif = self == .png ? chunk(of: bytes) : segment(of: bytes) else { return .upright }
    return TIFF(bytes: exif).orientation ?? .upright
  }

  /// The contents of a PNG's `eXIf` chunk.
  private func chunk(of bytes: [UInt8]) -> ArraySlice<UInt8>? {
    var place = 8
    while place + 12 <= bytes.count {
      let length = bytes[place..<place + 4].reduce(0) { $0 << 8 | Int($1) }
      let end = place + 8 + length
      guard end <= bytes.count else { return nil }
      if bytes[place + 4..<place + 8].elementsEqual("eXIf".utf8) { return bytes[place + 8..<end] }
      place = end + 4
    }
    return nil
  }

  /// The contents of a JPEG's first EXIF segment, among those before the pixels.
  private func segment(of bytes: [UInt8]) -> ArraySlice<UInt8>? {
    var place = 2
    while place + 4 <= bytes.count, bytes[place] == 0xFF {
      let marker = bytes[place + 1]
      if marker == 0xFF {
        place += 1
        continue
      }
      if marker == 0xDA || marker == 0xD9 { return nil }
      let length = Int(bytes[place + 2]) << 8 | Int(bytes[place + 3])
      let end = place + 2 + length
      guard length >= 2, end <= bytes.count else { return nil }
      let contents = bytes[place + 4..<end]
      if marker == 0xE1, contents.starts(with: Array("Exif\0\0".utf8)) {
        return contents.dropFirst(6)
      }
      place = end
    }
    return nil
  }
}

/// The directory of numbers that EXIF data are.
private struct TIFF {
  let bytes: ArraySlice<UInt8>

  /// The entry of the orientation.
  var orientation: Orientation? {
    guard bytes.count >= 8, let first = bytes.first, first == 0x49 || first == 0x4D else {
      return nil
    }
    let isLittle = first == 0x49
    func number(at offset: Int, bytes count: Int) -> Int? {
      guard offset >= 0, offset + count <= bytes.count else { return nil }
      let part = bytes.dropFirst(offset).prefix(count)
      return (isLittle ? part.reversed() : Array(part)).reduce(0) { $0 << 8 | Int($1) }
    }
    guard number(at: 2, bytes: 2) == 42, let directory = number(at: 4, bytes: 4),
      let entries = number(at: directory, bytes: 2)
    else { return nil }
    for entry in 0..<entries {
      let place = directory + 2 + entry * 12
      guard let tag = number(at: place, bytes: 2) else { return nil }
      if tag == 0x0112, number(at: place + 2, bytes: 2) == 3,
        let value = number(at: place + 8, bytes: 2)
      {
        return UInt16(exactly: value).flatMap(Orientation.init(rawValue:))
      }
    }
    return nil
  }
}
