import BurinTestSupport
import Glibc
import Testing

@testable import BurinHub

/// Sound at one rate against the same formula at another.
@Suite struct ResamplerTests {
  @Test(
    "gives what the formula gives at the other rate",
    arguments: [
      (44_100, 16_000), (48_000, 16_000), (8_000, 16_000), (22_050, 16_000), (11_025, 8_000),
    ])
  func rates(source: Int, target: Int) {
    let tones = [(220.0, 0.4), (1234.5, 0.3), (0.4 * Double(min(source, target)), 0.2)]
    let resampled = Resampler(from: source, to: target)(
      SyntheticSound.sines(source / 4, rate: source, tones))
    #expect(resampled.count == (source / 4 * target + source - 1) / source)
    let expected = SyntheticSound.sines(resampled.count, rate: target, tones)
    // The sound begins and ends at once, which no filter follows.
    let ends = 64 * max(source, target) / source + 64
    var worst: Float = 0
    for index in ends..<resampled.count - ends {
      worst = max(worst, abs(resampled[index] - expected[index]))
    }
    #expect(worst < 1e-5)
  }

  @Test func leavesNothingAboveTheHalfRate() {
    let high = SyntheticSound.sines(12_000, rate: 48_000, [(9_000, 1), (15_000, 1)])
    let resampled = Resampler(from: 48_000, to: 16_000)(high)
    #expect(resampled[200..<3800].allSatisfy { abs($0) < 1e-5 })
  }

  @Test func leavesTheSameRateAlone() {
    let samples = SyntheticSound.noise(100, level: 1)
    #expect(Resampler(from: 16_000, to: 16_000)(samples) == samples)
    #expect(Resampler(from: 44_100, to: 16_000)([]) == [])
  }

  @Test func keepsAConstant() {
    let resampled = Resampler(from: 44_099, to: 16_000)([Float](repeating: 0.5, count: 3_000))
    #expect(resampled[200..<800].allSatisfy { abs($0 - 0.5) < 1e-6 })
  }
}
