import Glibc

/// Sound at one rate as sound at another, by a polyphase filter.
///
/// An output at time t is the sum of the inputs around it, weighted by a sinc that cuts off at 0.94
/// of the lower of the two half rates, over 64 of its zero crossings on either side, under a Kaiser
/// window of parameter 12 (Kaiser and Schafer, 1980): what lies above the half rate is 118 dB down,
/// what lies below 0.88 of it is kept. The weights of an output sum up to one; beyond its ends sound
/// is silent.
public struct Resampler {
  /// The rates that sound may have.
  static let rates = 1_000...768_000

  private static let cutoff = 0.94
  private static let crossings = 64.0
  private static let beta = 12.0

  /// The ratio of the rates in lowest terms: `outputs` samples for every `inputs`.
  private let inputs, outputs: Int
  /// The sinc's cut-off in cycles per input, doubled; 1 is the input's half rate.
  private let band: Double
  /// Inputs to either side of an output that count.
  private let reach: Int

  /// - Requires: rates from 1,000 to 768,000.
  public init(from source: Int, to target: Int) {
    precondition(
      Resampler.rates.contains(source) && Resampler.rates.contains(target),
      "rates \(source) and \(target), expected \(Resampler.rates)")
    var (a, b) = (source, target)
    while b != 0 { (a, b) = (b, a % b) }
    inputs = source / a
    outputs = target / a
    band = min(1, Double(target) / Double(source)) * Resampler.cutoff
    reach = Int((Resampler.crossings / band).rounded(.up))
  }

  /// Resamples a sound; `count` samples become `count * target / source`, rounded up.
  public func callAsFunction(_ samples: [Float]) -> [Float] {
    if inputs == outputs { return samples }
    let count = (samples.count * outputs + inputs - 1) / inputs
    // Outputs whose places between two inputs agree share their weights.
    var phases = [[Float]?](repeating: nil, count: outputs)
    return samples.withUnsafeBufferPointer { samples in
      (0..<count).map { index in
        let (whole, rest) = (index * inputs).quotientAndRemainder(dividingBy: outputs)
        let weights = phases[rest] ?? self.weights(Double(rest) / Double(outputs))
        phases[rest] = weights
        let first = whole - reach + 1
        let (start, end) = (max(0, first), min(samples.count, first + weights.count))
        return weights.withUnsafeBufferPointer { weights in
          var sum = 0.0
          for place in start..<max(start, end) {
            sum += Double(samples[place]) * Double(weights[place - first])
          }
          return Float(sum)
        }
      }
    }
  }

  /// The weights of the inputs from `reach - 1` before the one at or before an output to `reach`
  /// behind it, for an output `offset` of the way to the next input.
  private func weights(_ offset: Double) -> [Float] {
    let weights = (0..<2 * reach).map { index in
      let time = Double(index - reach + 1) - offset
      return sinc(time * band) * window(time / Double(reach))
    }
    let sum = weights.reduce(0, +)
    return weights.map { Float($0 / sum) }
  }

  private func sinc(_ x: Double) -> Double { x == 0 ? 1 : sin(.pi * x) / (.pi * x) }

  /// The Kaiser window at `x` between -1 and 1.
  private func window(_ x: Double) -> Double {
    guard abs(x) < 1 else { return 0 }
    return bessel(Resampler.beta * (1 - x * x).squareRoot()) / bessel(Resampler.beta)
  }

  /// The modified Bessel function of order zero, by its power series.
  private func bessel(_ x: Double) -> Double {
    var (sum, term, index) = (1.0, 1.0, 1.0)
    while term > sum * 1e-17 {
      term *= (x / 2 / index) * (x / 2 / index)
      sum += term
      index += 1
    }
    return sum
  }
}
