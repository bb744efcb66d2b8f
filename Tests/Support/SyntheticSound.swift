import Glibc

/// Sounds by formula, as `Tests/Fixtures/sound/record.py` makes them.
public enum SyntheticSound {
  /// Pairs of a frequency in Hz and an amplitude.
  public static let tones = [(220.0, 0.4), (441.7, 0.2), (3000.0, 0.05), (7100.0, 0.01)]

  /// Sums of sines.
  public static func sines(_ count: Int, rate: Int, _ tones: [(Double, Double)] = tones) -> [Float]
  {
    (0..<count).map { index in
      Float(
        tones.reduce(0) {
          $0 + $1.1 * sin(2 * .pi * $1.0 * Double(index) / Double(rate))
        })
    }
  }

  /// A sine whose frequency rises evenly.
  public static func chirp(_ count: Int, rate: Int, from first: Double, to last: Double) -> [Float]
  {
    let length = Double(count) / Double(rate)
    return (0..<count).map { index in
      let time = Double(index) / Double(rate)
      return Float(
        0.5 * sin(2 * .pi * (first * time + (last - first) / (2 * length) * time * time)))
    }
  }

  /// Numerical Recipes' linear congruential generator.
  public static func noise(_ count: Int, level: Double) -> [Float] {
    var state: UInt32 = 1
    return (0..<count).map { _ in
      state = state &* 1_664_525 &+ 1_013_904_223
      return Float(level * (Double(state) / 2_147_483_648 - 1))
    }
  }

  /// The sound of a recorded spectrum or transcript.
  public static func named(_ name: String) -> [Float] {
    switch name {
    case "sines": sines(20_800, rate: 16_000)
    case "long": chirp(44_321, rate: 16_000, from: 80, to: 7000)
    case "short": sines(12_800, rate: 16_000)
    case "noise": noise(9_000, level: 0.3)
    case "gap":
      chirp(18_000, rate: 16_000, from: 80, to: 5000) + Array(repeating: 0, count: 38_000)
        + noise(15_000, level: 0.3)
    case "silence": Array(repeating: 0, count: 8_000)
    case "chirp-128": chirp(16_000, rate: 16_000, from: 60, to: 7900)
    case "noise-longer": noise(17_777, level: 0.3)
    case "quiet": noise(9_000, level: 1e-5)
    case "odd": chirp(8_000, rate: 8_000, from: 100, to: 3900)
    default: noise(40_000, level: 0.2) + sines(200_000, rate: 16_000)
    }
  }
}
