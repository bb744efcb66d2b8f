import BurinHub
import BurinIR
import Glibc

/// Rotary positions (Su et al., 2021) as a configuration describes them, and their extensions to
/// longer contexts, as transformers' `modeling_rope_utils`.
struct Rotary {
  /// Radians per position, for each pair that turns.
  let frequencies: [Double]
  /// What the turned part is multiplied by.
  let factor: Double
  /// The width of a head, of which twice the number of frequencies turn.
  let width: Int
  var isInterleaved = false

  /// Reads `rope_theta`, `partial_rotary_factor` and `rope_scaling`, or `rope_parameters` of
  /// transformers 5, which holds all of them.
  ///
  /// - Parameters:
  ///   - theta: `rope_theta` where it is absent.
  ///   - partial: `partial_rotary_factor` where it is absent.
  init(
    _ config: JSONField, width: Int, theta: Double = 10_000, partial: Double = 1
  ) throws(HubError) {
    let key: ByteString = config["rope_parameters"].exists ? "rope_parameters" : "rope_scaling"
    let scaling = config[key]
    func value(_ name: ByteString, _ absent: Double) throws(HubError) -> Double {
      let inner = scaling.exists ? scaling[name] : config[name]
      return try (inner.exists ? inner : config[name]).double(above: 0, default: absent)
    }
    let base = try value("rope_theta", theta)
    let part = Int(Double(width) * (try value("partial_rotary_factor", partial)))
    guard part >= 2, part <= width else {
      throw config["partial_rotary_factor"].error(
        expected: "a factor that turns 2 to \(width) of the \(width) elements of a head")
    }
    self.width = width
    let plain = stride(from: 0, to: part, by: 2).map { 1 / pow(base, Double($0) / Double(part)) }
    guard part % 2 == 0 else {
      throw config["partial_rotary_factor"].error(expected: "an even number of turned elements")
    }
    let kind = try Rotary.kind(scaling)
    switch kind {
    case .plain, .dynamic: (frequencies, factor) = (plain, 1)
    case .linear:
      let factor = try scaling["factor"].double(above: 0)
      (frequencies, self.factor) = (plain.map { $0 / factor }, 1)
    case .llama3: (frequencies, factor) = (try Rotary.llama3(plain, scaling), 1)
    case .yarn:
      (frequencies, factor) = try Rotary.yarn(plain, scaling, base: base, config)
    }
  }

  /// How frequencies change for contexts longer than those of the training.
  private enum Kind: String, CaseIterable {
    case plain = "default"
    /// Changes them only beyond `max_position_embeddings`, which no library takes.
    case dynamic
    case linear, llama3, yarn
  }

  private static func kind(_ scaling: JSONField) throws(HubError) -> Kind {
    guard scaling.exists else { return .plain }
    let field = scaling["rope_type"].exists ? scaling["rope_type"] : scaling["type"]
    let name = try field.string(default: "default").utf8String
    guard let kind = Kind(rawValue: name) else {
      throw field.error(
        expected: "one of " + Kind.allCases.map(\.rawValue).joined(separator: ", "))
    }
    return kind
  }

  /// Slow turns are slowed further, fast ones stay, with a smooth step between.
  private static func llama3(
    _ plain: [Double], _ scaling: JSONField
  ) throws(HubError) -> [Double] {
    let factor = try scaling["factor"].double(above: 0)
    let low = try scaling["low_freq_factor"].double(above: 0)
    let high = try scaling["high_freq_factor"].double(above: low)
    let context = try scaling["original_max_position_embeddings"].double(above: 0)
    return plain.map { frequency in
      let turns = context * frequency / (2 * Double.pi)
      if turns < low { return frequency / factor }
      if turns > high { return frequency }
      let smooth = (turns - low) / (high - low)
      return (1 - smooth) * frequency / factor + smooth * frequency
    }
  }

  /// YaRN (Peng et al., 2023): between two numbers of turns over the original context, frequencies
  /// go over from unchanged to divided by the factor.
  private static func yarn(
    _ plain: [Double], _ scaling: JSONField, base: Double, _ config: JSONField
  ) throws(HubError) -> ([Double], Double) {
    let factor = try scaling["factor"].double(above: 0)
    let original = scaling["original_max_position_embeddings"]
    let context = try (original.exists ? original : config["max_position_embeddings"])
      .double(above: 0)
    let width = Double(2 * plain.count)
    func place(_ turns: Double) -> Double {
      width * log(context / (turns * 2 * Double.pi)) / (2 * log(base))
    }
    var low = place(try scaling["beta_fast"].double(above: 0, default: 32))
    var high = place(try scaling["beta_slow"].double(above: 0, default: 1))
    if try scaling["truncate"].bool(default: true) { (low, high) = (floor(low), ceil(high)) }
    low = max(low, 0)
    high = min(high, width - 1)
    // transformers' own step aside from a division by zero.
    if low == high { high += 0.001 }
    let frequencies = plain.enumerated().map { index, frequency in
      let ramp = min(max((Double(index) - low) / (high - low), 0), 1)
      return frequency / factor * ramp + frequency * (1 - ramp)
    }
    func magnitude(_ scale: Double) -> Double { factor <= 1 ? 1 : 0.1 * scale * log(factor) + 1 }
    let given = scaling["attention_factor"]
    if given.exists { return (frequencies, try given.double(above: 0)) }
    let scale = try scaling["mscale"].double(default: 0)
    let all = try scaling["mscale_all_dim"].double(default: 0)
    return (
      frequencies, scale != 0 && all != 0 ? magnitude(scale) / magnitude(all) : magnitude(1)
    )
  }

  /// Turns the heads `x[batch, seq, heads, width]` by their positions `[batch, seq]`.
  func callAsFunction(_ x: Tensor, _ positions: Tensor) -> Tensor {
    let rates = x.trace.constant(frequencies)
    let turned = x.rotated(by: positions, frequencies: rates, interleaved: isInterleaved)
    guard factor != 1 else { return turned }
    guard 2 * frequencies.count < width else { return turned * factor }
    let factors = (0..<width).map { $0 < 2 * frequencies.count ? factor : 1 }
    return turned * x.trace.constant(factors)
  }
}
