/// The extents of a picture in pixels.
public struct PictureSize: Hashable, Sendable, CustomStringConvertible {
  public var height, width: Int

  public init(height: Int, width: Int) {
    self.height = height
    self.width = width
  }

  public var description: String { "\(width) x \(height)" }
}
