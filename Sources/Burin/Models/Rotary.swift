import BurinHub
import BurinIR
import Glibc

/// Rotary positions (Su et al., 2021) as a configuration describes them, and their extensions to
/// longer contexts, as transformers' `modeling_rope_utils`.
struct Rotary {
  /// Radians per position, for each pair that turns; in f32 throughout, as torch computes them: far
  /// from the start of a text it shows how they are rounded.
  let frequencies: [Float]
  /// What the turned part is multiplied by.
  let factor: Double
  /// The width of a head, of which twice the number of frequencies turn.
  private(set) var width: Int
  /// Whether a single element turns, with itself.
  private var isSingle: Bool
  /// What the frequencies are instead in sequences of more than `longAbove` positions.
  private var extended: [Float]?
  /// The longest sequence whose frequencies are those of short ones; `nil` if there are no others.
  private(set) var longAbove: Int?

  /// Reads the base and the turned part of heads, and `rope_scaling`; of transformers 5
  /// `rope_parameters`, which holds all of them, perhaps for each type of layer.
  ///
  /// - Parameters:
  ///   - thetaKey: where the base is, and `theta` what it is if absent.
  ///   - partialKey: where the turned part is, and `partial` what it is if absent.
  ///   - isCut: whether the turned part is cut off before it turns, and not as wide as its pairs.
  ///   - type: the layers that these are the positions of, in models with several kinds.
  ///   - isScaled: whether scaling that names no type of layer holds for these layers.
  ///   - originalPositions: the original context where none is named, in families that know no
  ///     scaling but LongRoPE.
  init(
    _ config: JSONField, width: Int, thetaKey: ByteString = "rope_theta", theta: Double = 10_000,
    partialKey: ByteString = "partial_rotary_factor", partial: Double = 1, isCut: Bool = false,
    type: LayerType = .full, isScaled: Bool = true, originalPositions: Int? = nil
  ) throws(HubError) {
    let parameters = config["rope_parameters"]
    let own = parameters[ByteString(type.rawValue)]
    let shared = parameters.exists ? parameters : config["rope_scaling"]
    let scaling = own.exists ? own : isScaled ? shared : nil
    func value(_ name: ByteString, _ key: ByteString) -> JSONField {
      let inner = scaling?[name]
      return inner.flatMap { $0.exists ? $0 : nil } ?? config[key]
    }
    let base = try value("rope_theta", thetaKey).double(above: 0, default: theta)
    let turned = value("partial_rotary_factor", partialKey)
    let part = Int(Double(width) * (try turned.double(in: 0...1, default: partial)))
    // An odd number of elements still turns in pairs, or not at all where it is cut off.
    isSingle = isCut && part == 1
    guard isSingle || (part + 1) / 2 * 2 <= width && !(isCut && part % 2 == 1) else {
      throw turned.error(
        expected: "a factor that turns pairs of the \(width) elements of a head")
    }
    self.width = width
    let periods = stride(from: 0, to: part, by: 2).map { index in
      Float(pow(Double(Float(base)), Double(Float(index) / Float(part))))
    }
    let plain = periods.map { 1 / $0 }
    guard let scaling, scaling.exists else {
      (frequencies, factor) = (plain, 1)
      return
    }
    switch try Rotary.kind(scaling, isLong: originalPositions != nil) {
    case .plain, .dynamic: (frequencies, factor) = (plain, 1)
    case .linear:
      let factor = Float(try scaling["factor"].double(above: 0))
      (frequencies, self.factor) = (plain.map { $0 / factor }, 1)
    case .llama3: (frequencies, factor) = (try Rotary.llama3(plain, scaling), 1)
    case .longrope, .su:
      let long = try Rotary.long(
        periods, scaling, config, readsContext: parameters.exists, original: originalPositions)
      (frequencies, factor) = (long.0, long.1)
      (extended, longAbove) = (long.2?.frequencies, long.2?.above)
    case .yarn:
      (frequencies, factor) = try Rotary.yarn(periods, scaling, base: base, part: part, config)
    }
  }

  /// How frequencies change for contexts longer than those of the training.
  private enum Kind: String, CaseIterable {
    case plain = "default"
    /// Changes them only beyond `max_position_embeddings`, which no library takes.
    case dynamic
    case linear, llama3, yarn, longrope
    /// What the first configurations of Phi-3 call `longrope`.
    case su
  }

  /// - Parameter isLong: whether `yarn` is what old configurations call `longrope`.
  private static func kind(_ scaling: JSONField, isLong: Bool) throws(HubError) -> Kind {
    let field = scaling["rope_type"].exists ? scaling["rope_type"] : scaling["type"]
    let name = try field.string(default: "default").utf8String
    guard let kind = Kind(rawValue: name) else {
      throw field.error(
        expected: "one of " + Kind.allCases.map(\.rawValue).joined(separator: ", "))
    }
    return isLong && kind == .yarn ? .longrope : kind
  }

  /// Slow turns are slowed further, fast ones stay, with a smooth step between.
  private static func llama3(
    _ plain: [Float], _ scaling: JSONField
  ) throws(HubError) -> [Float] {
    let factor = Float(try scaling["factor"].double(above: 0))
    let low = Float(try scaling["low_freq_factor"].double(above: 0))
    let high = Float(try scaling["high_freq_factor"].double(above: 0))
    let context = Float(try scaling["original_max_position_embeddings"].double(above: 0))
    return plain.map { frequency in
      let turns = context / (2 * Float.pi / frequency)
      if turns < low { return frequency / factor }
      if turns >= high { return frequency }
      let smooth = (turns - low) / (high - low)
      return (1 - smooth) * frequency / factor + smooth * frequency
    }
  }

  /// YaRN (Peng et al., 2023): between two numbers of turns over the original context, frequencies
  /// go over from unchanged to divided by the factor.
  private static func yarn(
    _ periods: [Float], _ scaling: JSONField, base: Double, part: Int, _ config: JSONField
  ) throws(HubError) -> ([Float], Double) {
    let factor = try scaling["factor"].double(above: 0)
    let original = scaling["original_max_position_embeddings"]
    let context = try (original.exists ? original : config["max_position_embeddings"])
      .double(above: 0)
    func place(_ turns: Double) -> Double {
      Double(part) * log(context / (turns * 2 * Double.pi)) / (2 * log(base))
    }
    var low = place(try scaling["beta_fast"].double(above: 0, default: 32))
    var high = place(try scaling["beta_slow"].double(above: 0, default: 1))
    if try scaling["truncate"].flag(default: true) { (low, high) = (floor(low), ceil(high)) }
    low = max(low, 0)
    high = min(high, Double(part) - 1)
    // transformers' own step aside from a division by zero.
    if low == high { high += 0.001 }
    // transformers has a step for each whole pair; a single one serves the half pair beside it too.
    let steps = part / 2
    guard steps == periods.count || steps == 1 else {
      throw scaling.error(
        expected: "another scaling than yarn where an odd number of elements turns (\(part))")
    }
    let (start, width) = (Float(low), Float(high - low))
    let frequencies = periods.enumerated().map { index, period in
      let ramp = min(max((Float(min(index, steps - 1)) - start) / width, 0), 1)
      return 1 / (Float(factor) * period) * ramp + 1 / period * (1 - ramp)
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

  /// LongRoPE (Ding et al., 2024): each frequency has a divisor of its own, and another one beyond
  /// the original context.
  ///
  /// - Parameters:
  ///   - readsContext: whether the original context may stand in `scaling`; transformers 4 looks for
  ///     it beside `rope_scaling` alone.
  ///   - absent: the original context where none is named; that of the configuration if `nil`.
  private static func long(
    _ periods: [Float], _ scaling: JSONField, _ config: JSONField, readsContext: Bool,
    original absent: Int?
  ) throws(HubError) -> ([Float], Double, (frequencies: [Float], above: Int)?) {
    func divided(_ key: ByteString) throws(HubError) -> [Float] {
      let divisors = try scaling[key].array()
      guard divisors.count == periods.count || divisors.count == 1 else {
        throw scaling[key].error(expected: "\(periods.count) numbers")
      }
      var frequencies: [Float] = []
      for (index, period) in periods.enumerated() {
        let divisor = try divisors[divisors.count == 1 ? 0 : index].double(above: 0)
        frequencies.append(1 / (Float(divisor) * period))
      }
      return frequencies
    }
    let positions = try config["max_position_embeddings"].int(in: 1...1 << 24)
    let inner = scaling["original_max_position_embeddings"]
    let given =
      readsContext && inner.exists ? inner : config["original_max_position_embeddings"]
    let original = try given.int(in: 1...1 << 24, default: absent ?? positions)
    let isNamed = given.exists || absent != nil
    let factor =
      isNamed
      ? Double(positions) / Double(original)
      : try scaling["factor"].double(above: 0, default: 1)
    let attention = scaling["attention_factor"]
    let byLength = factor <= 1 ? 1 : (1 + log(factor) / log(Double(original))).squareRoot()
    return (
      try divided("short_factor"),
      attention.exists ? try attention.double(above: 0) : byLength,
      positions > original ? (try divided("long_factor"), original) : nil
    )
  }

  /// Turns the heads `x[batch, seq, heads, width]` by their positions.
  func callAsFunction(_ x: Tensor, _ context: DecoderContext) -> Tensor {
    self(x, positions: context.positions, lengths: context.lengths)
  }

  /// Turns the heads `x[batch, seq, heads, width]` by `positions[batch, seq]`.
  ///
  /// - Parameter lengths: how many positions each sequence has, `i32[batch, 1]`.
  func callAsFunction(_ x: Tensor, positions: Tensor, lengths: Tensor? = nil) -> Tensor {
    if frequencies.isEmpty { return x }
    if isSingle { return single(x, positions: positions, lengths: lengths) }
    func turn(_ frequencies: [Float]) -> Tensor {
      x.rotated(
        by: positions, frequencies: x.trace.constant(frequencies.map(Double.init)))
    }
    var turned = turn(frequencies)
    if let extended, let longAbove, let lengths {
      let limit = x.trace.constant(Double(longAbove), .i32)
      let isLong = limit.binary(.less, lengths).reshaped([x.shape[0], 1, 1, 1])
      turned = isLong.select(turn(extended), turned)
    }
    guard factor != 1 else { return turned }
    guard 2 * frequencies.count < width else { return turned * factor }
    let factors = (0..<width).map { $0 < 2 * frequencies.count ? factor : 1 }
    return turned * x.trace.constant(factors)
  }

  /// Turns the first element alone, as transformers does where that is all that is cut off: the sines
  /// and cosines of a pair make two equal elements `x (cos - sin)` of it. In a product of query and
  /// key one of them times the root of two weighs as much.
  private func single(_ x: Tensor, positions: Tensor, lengths: Tensor?) -> Tensor {
    var pairs = self
    (pairs.isSingle, pairs.width) = (false, 2)
    let element = x.slice(axis: 3, count: 1)
    let pair = pairs(
      x.trace.concat([element, element], axis: 3), positions: positions, lengths: lengths)
    let turned = pair.slice(axis: 3, count: 1) * 2.0.squareRoot()
    guard width > 1 else { return turned }
    let rest = x.slice(axis: 3, from: 1, count: Dim(width - 1))
    return x.trace.concat([turned, rest], axis: 3)
  }
}
