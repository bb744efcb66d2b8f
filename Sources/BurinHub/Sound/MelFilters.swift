import Glibc

/// Triangular filters over the bins of a spectrum, evenly spaced on Slaney's mel scale (Auditory
/// Toolbox, 1998: linear up to 1 kHz, logarithmic above), each of the same area.
struct MelFilters {
  /// The bins from `first` on that a filter weighs.
  struct Filter {
    var first: Int
    var weights: [Double]
  }

  let filters: [Filter]

  /// - Parameters:
  ///   - count: how many filters there are.
  ///   - bins: frequencies from 0 to the half of `rate`.
  ///   - highest: where the last filter ends, in Hz.
  init(count: Int, bins: Int, rate: Int, highest: Double) {
    let top = MelFilters.mels(highest)
    let edges = (0..<count + 2).map {
      MelFilters.hertz(top * Double($0) / Double(count + 1))
    }
    let width = Double(rate / 2) / Double(bins - 1)
    filters = (0..<count).map { index in
      let (low, middle, high) = (edges[index], edges[index + 1], edges[index + 2])
      let inside = (0..<bins).filter {
        let frequency = Double($0) * width
        return frequency > low && frequency < high
      }
      return Filter(
        first: inside.first ?? 0,
        weights: inside.map { bin in
          let frequency = Double(bin) * width
          let height = min(
            (frequency - low) / (middle - low), (high - frequency) / (high - middle))
          return height * 2 / (high - low)
        })
    }
  }

  /// The energy of each band.
  func callAsFunction(_ power: [Double]) -> [Double] {
    filters.map { filter in
      var sum = 0.0
      for (index, weight) in filter.weights.enumerated() {
        sum += weight * power[filter.first + index]
      }
      return sum
    }
  }

  private static let step = log(6.4) / 27

  private static func mels(_ hertz: Double) -> Double {
    hertz < 1000 ? hertz * 3 / 200 : 15 + log(hertz / 1000) / step
  }

  private static func hertz(_ mels: Double) -> Double {
    mels < 15 ? mels * 200 / 3 : 1000 * exp((mels - 15) * step)
  }
}
