import Glibc

/// The logarithms of a sound's energy in mel bands, frame by frame, as transformers'
/// `WhisperFeatureExtractor` scales them: the input of Whisper.
public struct LogMelSpectrogram: Sendable {
  /// Bands.
  public let mels: Int
  /// Moments.
  public let frames: Int
  /// `[mels, frames]`.
  public let values: [Float]

  /// Below this energy everything is silence.
  private static let floor = 1e-10
  /// Powers of ten that are kept below the largest value.
  private static let range: Float = 8

  /// Analyses sound at the settings' rate, filled up to their length; the sound is mirrored at its
  /// ends, so that the first frame stands at the first sample.
  public init(of samples: [Float], _ settings: SpectrogramSettings = SpectrogramSettings()) {
    let length = max(samples.count, settings.seconds * settings.rate)
    let (window, hop) = (settings.window, settings.hop)
    let transform = FourierTransform(window)
    let bins = window / 2 + 1
    let filters = MelFilters(
      count: settings.mels, bins: bins, rate: settings.rate, highest: 8000)
    // A periodic Hann window.
    let weights = (0..<window).map {
      0.5 - 0.5 * cos(2 * .pi * Double($0) / Double(window))
    }
    func sample(_ place: Int) -> Double {
      var place = abs(place)
      if place >= length { place = max(0, 2 * (length - 1) - place) }
      return Double(place < samples.count ? samples[place] : settings.filling)
    }
    mels = settings.mels
    frames = (length - window % 2) / hop
    var values = [Float](repeating: 0, count: mels * frames)
    // Two real spectra fit into one transform: the sum of a real sound's and i times another's.
    for frame in stride(from: 0, to: frames, by: 2) {
      var pair = FourierTransform.Values(count: window)
      for index in 0..<window {
        let place = frame * hop + index - window / 2
        pair.real[index] = sample(place) * weights[index]
        pair.imaginary[index] = sample(place + hop) * weights[index]
      }
      let powers = transform(pair).powersOfTwoReal(bins)
      for (offset, power) in [powers.0, powers.1].enumerated() where frame + offset < frames {
        for (mel, energy) in filters(power).enumerated() {
          values[mel * frames + frame + offset] = Float(log10(max(energy, Self.floor)))
        }
      }
    }
    let least = (values.max() ?? 0) - Self.range
    self.values = values.map { (max($0, least) + 4) / 4 }
  }

  /// `count` frames from `start` on, `[mels, count]`, with zeros beyond the end.
  public func part(from start: Int, count: Int) -> [Float] {
    var part: [Float] = []
    part.reserveCapacity(mels * count)
    let kept = max(0, min(count, frames - start))
    for mel in 0..<mels {
      let row = mel * frames + start
      part += kept > 0 ? values[row..<row + kept] : []
      part += repeatElement(0, count: count - kept)
    }
    return part
  }
}

extension FourierTransform.Values {
  /// Of the transform of `x + i y` for real x and y: the powers of the first bins of both.
  fileprivate func powersOfTwoReal(_ bins: Int) -> ([Double], [Double]) {
    let count = real.count
    func power(_ bin: Int, _ sign: Double) -> Double {
      let mirror = (count - bin) % count
      let a = real[bin] + sign * real[mirror]
      let b = imaginary[bin] - sign * imaginary[mirror]
      return (a * a + b * b) / 4
    }
    return ((0..<bins).map { power($0, 1) }, (0..<bins).map { power($0, -1) })
  }
}
