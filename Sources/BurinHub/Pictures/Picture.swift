import CPictures

/// A picture in memory: red, green and blue of 8 bits each, row by row.
///
/// Files are read as transformers' `load_image` reads them with Pillow: turned upright as their EXIF
/// orientation says, and converted to RGB, for which transparency is dropped, grey is repeated and
/// 16 bits are cut to their upper 8.
public struct Picture: Hashable, Sendable {
  /// Its extents in pixels.
  public var size: PictureSize
  /// `height * width * 3` bytes.
  public var pixels: [UInt8]

  /// - Requires: three bytes for each pixel.
  public init(size: PictureSize, pixels: [UInt8]) {
    precondition(pixels.count == size.height * size.width * 3)
    self.size = size
    self.pixels = pixels
  }

  /// Pixels of a picture, at most; as many as cameras of telephones make, and 400 MB.
  static let maximumPixels = 1 << 27

  /// Reads a PNG or JPEG file.
  ///
  /// - Throws: `HubError` for a file that is neither, is damaged, or has too many pixels, and for a
  ///   machine without the library that decodes it.
  public init(path: String) throws(HubError) {
    let bytes = try RegularFile(path: path).contents(limit: 256 << 20)
    try self.init(bytes, file: path)
  }

  /// Reads the bytes of a PNG or JPEG file.
  public init(_ bytes: [UInt8], file: String) throws(HubError) {
    guard let format = PictureFormat(bytes) else {
      throw HubError(
        file: file, expected: "a PNG or JPEG picture",
        found: bytes.isEmpty ? "an empty file" : "another kind of file")
    }
    let header = try format.decode(bytes, file: file, into: nil)
    let (width, height) = (Int(header.width), Int(header.height))
    guard width * height <= Picture.maximumPixels else {
      throw HubError(
        file: file, expected: "a picture of at most \(Picture.maximumPixels) pixels",
        found: "one of \(width) x \(height)")
    }
    let channels = Int(header.channels)
    let decoded = try [UInt8](unsafeUninitializedCapacity: width * height * channels) {
      buffer, count throws(HubError) in
      _ = try format.decode(bytes, file: file, into: buffer.baseAddress)
      count = width * height * channels
    }
    let size = PictureSize(height: height, width: width)
    self.init(size: size, pixels: Picture.rgb(decoded, channels: channels))
    let orientation = format.orientation(bytes)
    if orientation != .upright { self = turned(orientation) }
  }

  /// Pixels of other kinds as red, green and blue.
  private static func rgb(_ pixels: [UInt8], channels: Int) -> [UInt8] {
    if channels == 3 { return pixels }
    let count = pixels.count / channels
    return [UInt8](unsafeUninitializedCapacity: count * 3) { rgb, initialized in
      for pixel in 0..<count {
        for channel in 0..<3 {
          rgb[pixel * 3 + channel] =
            switch channels {
            case 1: pixels[pixel]
            // Pillow does not scale grey of 16 bits: what is above 255 is white.
            case 2: pixels[pixel * 2] > 0 ? 255 : pixels[pixel * 2 + 1]
            default:
              printed(ink: pixels[pixel * 4 + channel], black: pixels[pixel * 4 + 3])
            }
        }
      }
      initialized = count * 3
    }
  }

  /// How much light of one colour comes back; JPEG files hold inks inverted, 255 for none.
  private static func printed(ink: UInt8, black: UInt8) -> UInt8 {
    let product = (255 - Int(ink)) * Int(black) + 128
    return UInt8(clamping: Int(black) - (product >> 8 + product) >> 8)
  }
}
