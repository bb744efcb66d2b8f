/// What happens to a picture before a model sees it, as `preprocessor_config.json` says: resized,
/// cropped, scaled and normalised by the arithmetic of transformers' image processors (the ones of
/// Pillow and NumPy, which `AutoImageProcessor` takes where nothing asks for others; their names with
/// `Fast` behind them mean the same here).
public struct PicturePreparation: Hashable, Sendable {
  /// What a picture is resized to.
  public enum Resize: Hashable, Sendable {
    /// Both sides get these lengths.
    case exactly(PictureSize)
    /// The shorter side gets this length, the longer one follows.
    case shortestEdge(Int)
  }

  /// What it is resized to, if at all.
  public var resize: Resize?
  /// How it is resized.
  public var resampling: Resampling
  /// The middle that is kept; what lies outside the picture is black.
  public var crop: PictureSize?
  /// What bytes are multiplied by, if anything.
  public var scale: Double?
  /// What is subtracted from each colour, and what the rest is divided by.
  public var normalization: Normalization?

  /// `(value - mean) / deviation`, for each colour.
  public struct Normalization: Hashable, Sendable {
    /// Of red, green and blue, in units of the scaled values.
    public var mean, deviation: [Float]
  }

  /// The size of what it makes of any picture; `nil` where that depends on the picture.
  public var size: PictureSize? {
    if let crop { return crop }
    if case .exactly(let size) = resize { return size }
    return nil
  }

  /// The pixels as the model takes them: `[3, height, width]`.
  public func callAsFunction(
    _ picture: Picture, file: String
  ) throws(HubError) -> (size: PictureSize, values: [Float]) {
    var picture = picture
    if let target = try target(of: picture.size, file: file) {
      picture = picture.resized(to: target, by: resampling)
    }
    if let crop { picture = picture.cropped(to: crop) }
    // All that can happen to a byte, for each colour.
    let tables = (0..<3).map { channel in
      (0..<256).map { byte in
        var value = Float(scale.map { Double(byte) * $0 } ?? Double(byte))
        if let normalization {
          value = (value - normalization.mean[channel]) / normalization.deviation[channel]
        }
        return value
      }
    }
    let plane = picture.size.height * picture.size.width
    let values = [Float](unsafeUninitializedCapacity: plane * 3) { out, count in
      for (channel, table) in tables.enumerated() {
        for pixel in 0..<plane {
          out[channel * plane + pixel] = table[Int(picture.pixels[pixel * 3 + channel])]
        }
      }
      count = plane * 3
    }
    return (picture.size, values)
  }

  /// The size that a picture is resized to.
  private func target(of size: PictureSize, file: String) throws(HubError) -> PictureSize? {
    switch resize {
    case nil: return nil
    case .exactly(let size): return size
    case .shortestEdge(let edge):
      let (short, long) = (min(size.height, size.width), max(size.height, size.width))
      let length = Int(Double(edge * long) / Double(short))
      guard edge * length <= Picture.maximumPixels else {
        throw HubError(
          file: file, expected: "a picture that is not so long and narrow",
          found: "one of \(size), resized to \(edge) x \(length)")
      }
      return size.width <= size.height
        ? PictureSize(height: length, width: edge) : PictureSize(height: edge, width: length)
    }
  }
}

extension Picture {
  /// The middle of the picture; what it lacks at the borders is black.
  func cropped(to crop: PictureSize) -> Picture {
    // Both are negative where the picture is too short; halves round down.
    let top = (size.height - crop.height) >> 1
    let left = (size.width - crop.width) >> 1
    var result = [UInt8](repeating: 0, count: crop.height * crop.width * 3)
    let first = max(0, left)
    let count = min(size.width, left + crop.width) - first
    for row in max(0, -top)..<min(crop.height, size.height - top) where count > 0 {
      let source = ((row + top) * size.width + first) * 3
      let target = (row * crop.width + first - left) * 3
      result.replaceSubrange(target..<target + count * 3, with: pixels[source..<source + count * 3])
    }
    return Picture(size: crop, pixels: result)
  }
}
