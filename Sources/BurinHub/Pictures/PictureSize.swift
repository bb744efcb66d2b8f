/// The extents of a picture in pixels.
public struct PictureSize: Hashable, Sendable, CustomStringConvertible {
  /// Rows and columns of pixels.
  public var height, width: Int

  /// A size in pixels.
  public init(height: Int, width: Int) {
    self.height = height
    self.width = width
  }

  /// The width before the height, as pictures are spoken of: `640 x 480`.
  public var description: String { "\(width) x \(height)" }
}
