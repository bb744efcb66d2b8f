import CPictures

/// The kinds of picture files.
enum PictureFormat {
  case png, jpeg

  /// The kind that the first bytes of a file say; nil for any other.
  init?(_ bytes: [UInt8]) {
    if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
      self = .png
    } else if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
      self = .jpeg
    } else {
      return nil
    }
  }

  /// Reads what a file says of its size, and its pixels if there is a place for them.
  func decode(
    _ bytes: [UInt8], file: String, into pixels: UnsafeMutablePointer<UInt8>?
  ) throws(HubError) -> picture {
    var picture = picture()
    let status = bytes.withUnsafeBufferPointer {
      switch self {
      case .png: picture_png($0.baseAddress, $0.count, &picture, pixels)
      case .jpeg: picture_jpeg($0.baseAddress, $0.count, &picture, pixels)
      }
    }
    switch status {
    case PICTURE_OK: return picture
    case PICTURE_NO_LIBRARY:
      throw HubError(
        .missing, file: file,
        expected: "\(library.name) to read it, which \(library.install) brings",
        found: "none on this machine")
    case PICTURE_NO_MEMORY:
      throw HubError(
        .cannotRead, file: file, expected: "memory for its pixels", found: "too little")
    default:
      let reason = withUnsafeBytes(of: &picture.message) { $0.prefix { $0 != 0 } }
      throw HubError(
        file: file, expected: self == .png ? "a whole PNG picture" : "a whole JPEG picture",
        found: "a damaged one: \(printable(reason))")
    }
  }

  /// The library that decodes such files.
  var library: PictureLibrary { self == .png ? .png : .jpeg }
}

/// A library of the system that decodes pictures.
public struct PictureLibrary: Sendable {
  /// What it is called.
  public let name: String
  /// The command that installs it on Debian.
  public let install: String
  private let isThere: @Sendable () -> Bool

  /// Whether this machine has it.
  public var isInstalled: Bool { isThere() }

  /// What reads PNG.
  public static let png = PictureLibrary(name: "libpng", install: "apt install libpng16-16") {
    picture_has_png() != 0
  }

  /// What reads JPEG.
  public static let jpeg = PictureLibrary(
    name: "libturbojpeg", install: "apt install libturbojpeg0"
  ) { picture_has_jpeg() != 0 }

  /// All that are used.
  public static let all = [png, jpeg]
}
