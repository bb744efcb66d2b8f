import Glibc

/// How the pixels of a resized picture come from those of the original, as in Pillow 13: to the bit,
/// with its rounding to 8 bits between the two passes, and its order of them.
public enum Resampling: Int, Hashable, Sendable, CaseIterable {
  /// Pillow's filters, under its names and numbers.
  case nearest, lanczos, bilinear, bicubic, box, hamming

  /// How far from its centre a pixel has weight, where nothing shrinks.
  fileprivate var support: Double {
    switch self {
    case .nearest: 0
    case .box: 0.5
    case .bilinear, .hamming: 1
    case .bicubic: 2
    case .lanczos: 3
    }
  }

  /// The weight of a pixel at a distance.
  fileprivate func weight(_ distance: Double) -> Double {
    let x = abs(distance)
    switch self {
    case .nearest: return 0
    case .box: return distance > -0.5 && distance <= 0.5 ? 1 : 0
    case .bilinear: return x < 1 ? 1 - x : 0
    case .hamming:
      if x == 0 { return 1 }
      if x >= 1 { return 0 }
      let angle = x * .pi
      // These two numbers are floats there.
      return sin(angle) / angle * (Double(Float(0.54)) + Double(Float(0.46)) * cos(angle))
    case .bicubic:
      let a = -0.5
      if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0
    case .lanczos:
      return distance >= -3 && distance < 3 ? sinc(distance) * sinc(distance / 3) : 0
    }
  }
}

private func sinc(_ x: Double) -> Double {
  x == 0 ? 1 : sin(x * .pi) / (x * .pi)
}

extension Picture {
  /// The picture in another size.
  public func resized(to size: PictureSize, by resampling: Resampling) -> Picture {
    if size == self.size { return self }
    if resampling == .nearest { return nearest(size) }
    let (lost, narrowed) = (self.size.height - size.height, self.size.width - size.width)
    // Rows change first where the picture gets so much lower that the second pass has less to do.
    let isRowsFirst = lost > 0 && lost > 2 * narrowed
    return isRowsFirst
      ? height(size.height, resampling).width(size.width, resampling)
      : width(size.width, resampling).height(size.height, resampling)
  }

  private func width(_ width: Int, _ resampling: Resampling) -> Picture {
    if width == size.width { return self }
    return resampled(Taps(from: size.width, to: width, resampling), alongRows: true)
  }

  private func height(_ height: Int, _ resampling: Resampling) -> Picture {
    if height == size.height { return self }
    return resampled(Taps(from: size.height, to: height, resampling), alongRows: false)
  }

  /// Every pixel the one that its centre falls on.
  private func nearest(_ size: PictureSize) -> Picture {
    /// Steps are added up, as Pillow does, not multiplied.
    func places(_ old: Int, _ new: Int) -> [Int] {
      let step = Double(old) / Double(new)
      var place = step * 0.5
      return (0..<new).map { _ in
        defer { place += step }
        return min(Int(place), old - 1)
      }
    }
    let columns = places(self.size.width, size.width)
    var result = [UInt8]()
    result.reserveCapacity(size.height * size.width * 3)
    for row in places(self.size.height, size.height) {
      for column in columns {
        let place = (row * self.size.width + column) * 3
        result += pixels[place..<place + 3]
      }
    }
    return Picture(size: size, pixels: result)
  }

  /// The picture with one axis replaced by weighted sums along it.
  private func resampled(_ taps: Taps, alongRows: Bool) -> Picture {
    let size =
      alongRows
      ? PictureSize(height: size.height, width: taps.count)
      : PictureSize(height: taps.count, width: size.width)
    // A row of pixels is walked channel by channel; along columns, a whole row is one step.
    let rowStride = self.size.width * 3
    let result = [UInt8](unsafeUninitializedCapacity: size.height * size.width * 3) { out, count in
      pixels.withUnsafeBufferPointer { source in
        taps.weights.withUnsafeBufferPointer { weights in
          func sum(_ place: Int, from start: Int, stride: Int) -> UInt8 {
            var sum: Int32 = 1 << (Taps.bits - 1)
            let first = place * taps.room
            var pixel = start + taps.starts[place] * stride
            for tap in 0..<taps.counts[place] {
              sum &+= Int32(source[pixel]) &* weights[first + tap]
              pixel += stride
            }
            return UInt8(clamping: sum >> Taps.bits)
          }
          var place = 0
          for row in 0..<size.height {
            for column in 0..<size.width {
              for channel in 0..<3 {
                out[place] =
                  alongRows
                  ? sum(column, from: row * rowStride + channel, stride: 3)
                  : sum(row, from: column * 3 + channel, stride: rowStride)
                place += 1
              }
            }
          }
        }
      }
      count = size.height * size.width * 3
    }
    return Picture(size: size, pixels: result)
  }
}

/// Which pixels of an axis make each new one, and by what weights, in fixed point.
private struct Taps {
  /// Digits behind the point: what 32 bits leave beside a pixel's 8 and two for sums beyond 1.
  static let bits: Int32 = 22

  /// New places.
  let count: Int
  /// Weights of a place, at most.
  let room: Int
  /// The first pixel of each place, and how many there are.
  var starts: [Int] = []
  var counts: [Int] = []
  /// `room` weights for each place.
  var weights: [Int32]

  init(from old: Int, to new: Int, _ resampling: Resampling) {
    let step = Double(old) / Double(new)
    let scale = max(step, 1)
    let support = resampling.support * scale
    count = new
    room = Int(support.rounded(.up)) * 2 + 1
    weights = [Int32](repeating: 0, count: new * room)
    for place in 0..<new {
      let center = (Double(place) + 0.5) * step
      let start = max(Int(center - support + 0.5), 0)
      let taps = min(Int(center + support + 0.5), old) - start
      let inverse = 1 / scale
      let shares = (0..<taps).map {
        resampling.weight((Double($0 + start) - center + 0.5) * inverse)
      }
      let sum = shares.reduce(0, +)
      for (tap, share) in shares.enumerated() {
        let part = (sum == 0 ? share : share / sum) * Double(1 << Taps.bits)
        weights[place * room + tap] = Int32(part < 0 ? part - 0.5 : part + 0.5)
      }
      starts.append(start)
      counts.append(taps)
    }
  }
}
