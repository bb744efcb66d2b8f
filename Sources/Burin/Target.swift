import CBurin

/// The instructions that compiled code may use, resolved to a list, so that the same target gives
/// the same code on every machine.
public struct Target: Hashable, Sendable {
  /// The instruction sets that the code may use, in a fixed order: `avx2`, `avx512f`, ...
  public let features: [String]
  /// The nearest level that clang has a name for; `nil` on machines other than x86-64.
  let level: String?

  /// Every feature that a target may name; nothing else ever becomes a flag.
  static let knownFeatures = [
    "sse3", "ssse3", "sse4.1", "sse4.2", "popcnt", "avx", "f16c", "fma", "avx2", "bmi", "bmi2",
    "lzcnt", "movbe", "avxvnni", "avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl",
    "avx512ifma", "avx512vbmi", "avx512vbmi2", "avx512vnni", "avx512bitalg", "avx512vpopcntdq",
    "avx512bf16", "avx512fp16",
  ]
  private static let v3 = [
    "sse3", "ssse3", "sse4.1", "sse4.2", "popcnt", "avx", "f16c", "fma", "avx2", "bmi", "bmi2",
    "lzcnt", "movbe",
  ]
  private static let v4 = v3 + ["avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"]

  private init(features: Set<String>) {
    self.features = Target.knownFeatures.filter(features.contains)
    #if arch(x86_64)
      self.level =
        features.isSuperset(of: Target.v4)
        ? "x86-64-v4" : features.isSuperset(of: Target.v3) ? "x86-64-v3" : "x86-64"
    #else
      self.level = nil
    #endif
  }

  /// What this machine has, and does well.
  public static var native: Target { Target(features: Set(usefulFeatures)) }

  /// The machine's features without those that slow it down: some processors multiply pairs of bf16
  /// at half the rate of f32, and are faster without the instruction.
  private static let usefulFeatures: [String] = {
    func best(_ factors: burin_factors) -> Double {
      (0..<3).map { _ in burin_probe_arithmetic(1, factors) }.max() ?? 0
    }
    guard machineFeatures.contains("avx512bf16"), best(BURIN_FACTORS_BF16) < best(BURIN_FACTORS_F32)
    else { return machineFeatures }
    return machineFeatures.filter { $0 != "avx512bf16" }
  }()

  /// Resolves `native`, `x86-64-v3`, `x86-64-v4`, or one of them with features added, such as
  /// `x86-64-v4+avx512vnni`.
  public init(_ name: String) throws(ToolError) {
    let parts = name.split(separator: "+", omittingEmptySubsequences: false).map(String.init)
    let base: [String]
    switch parts[0] {
    case "native": base = Target.usefulFeatures
    #if arch(x86_64)
      case "x86-64": base = []
      case "x86-64-v3": base = Target.v3
      case "x86-64-v4": base = Target.v4
    #endif
    default:
      throw ToolError(
        .badTarget,
        "target \(printable(name)): expected native, x86-64-v3 or x86-64-v4, with features added "
          + "by +")
    }
    for feature in parts.dropFirst() where !Target.knownFeatures.contains(feature) {
      throw ToolError(
        .badTarget,
        "target \(printable(name)): unknown feature \(printable(feature)), expected one of "
          + Target.knownFeatures.joined(separator: ", "))
    }
    self.init(features: Set(base + parts.dropFirst()))
  }

  /// The features beyond the level.
  private var additions: [String] {
    let implied = level == "x86-64-v4" ? Target.v4 : level == "x86-64-v3" ? Target.v3 : []
    return features.filter { !implied.contains($0) }
  }

  /// The target as `--target` takes it: `x86-64-v4+avx512bf16`.
  public var name: String { ([level ?? "native"] + additions).joined(separator: "+") }

  /// clang's flags for it: a level and the features beyond that level, never `native`.
  public var flags: [String] {
    guard let level else { return [] }
    return ["-march=" + level] + additions.map { "-m" + $0 }
  }

  /// The features that a machine lacks, of those that code for this target may use.
  static func missing(_ required: [String], on machine: [String] = machineFeatures) -> [String] {
    required.filter { !machine.contains($0) }
  }

  /// The features of the machine that this runs on.
  public static let machineFeatures: [String] = {
    let size = burin_cpu_features(nil, 0)
    let names = String(unsafeUninitializedCapacity: size + 1) { buffer in
      buffer.withMemoryRebound(to: CChar.self) { burin_cpu_features($0.baseAddress, size + 1) }
    }
    return names.split(separator: ",").map(String.init)
  }()
}
