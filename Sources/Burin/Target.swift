import CBurin

/// The instructions that compiled code may use, resolved to a list, so that the same target gives
/// the same code on every machine.
public struct Target: Hashable, Sendable {
  /// A family of processors.
  public enum Architecture: String, Sendable {
    /// 64 bits of Intel and AMD.
    case x86 = "x86-64"
    /// 64 bits of Arm.
    case arm = "aarch64"

    /// That of the machine on which this runs.
    #if arch(arm64)
      public static let native = Architecture.arm
    #else
      public static let native = Architecture.x86
    #endif

    /// Debian's packages that clang needs to build for it on another machine.
    var crossPackages: String {
      switch self {
      case .x86: "gcc-x86-64-linux-gnu libc6-dev-amd64-cross"
      case .arm: "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
      }
    }
  }

  /// The processors that run the code.
  public let architecture: Architecture
  /// The instruction sets that the code may use, in a fixed order: `avx2`, `avx512f`, ...
  public let features: [String]
  /// The nearest level that clang has a name for; that of `aarch64` has none beside its own.
  private let level: String

  /// Every feature that a target may name; nothing else ever becomes a flag.
  static let knownFeatures = [
    "sse3", "ssse3", "sse4.1", "sse4.2", "popcnt", "avx", "f16c", "fma", "avx2", "bmi", "bmi2",
    "lzcnt", "movbe", "avxvnni", "avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl",
    "avx512ifma", "avx512vbmi", "avx512vbmi2", "avx512vnni", "avx512bitalg", "avx512vpopcntdq",
    "avx512bf16", "avx512fp16",
  ]
  /// What every processor of aarch64 has, by which a machine of another kind is told apart.
  private static let arm = ["neon"]
  private static let v3 = [
    "sse3", "ssse3", "sse4.1", "sse4.2", "popcnt", "avx", "f16c", "fma", "avx2", "bmi", "bmi2",
    "lzcnt", "movbe",
  ]
  private static let v4 = v3 + ["avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"]

  private init(_ architecture: Architecture, features: Set<String>) {
    self.architecture = architecture
    switch architecture {
    case .x86:
      self.features = Target.knownFeatures.filter(features.contains)
      self.level =
        features.isSuperset(of: Target.v4)
        ? "x86-64-v4" : features.isSuperset(of: Target.v3) ? "x86-64-v3" : "x86-64"
    case .arm:
      self.features = Target.arm
      self.level = "aarch64"
    }
  }

  /// The target whose code may use these features.
  init(features: [String]) {
    self.init(features == Target.arm ? .arm : .x86, features: Set(features))
  }

  /// What this machine has, and does well.
  public static var native: Target { Target(.native, features: Set(usefulFeatures)) }

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
  /// `x86-64-v4+avx512vnni`; or `aarch64`, to which nothing can be added.
  public init(_ name: String) throws(ToolError) {
    let parts = name.split(separator: "+", omittingEmptySubsequences: false).map(String.init)
    let additions = parts.dropFirst()
    let base: (architecture: Architecture, features: [String])
    switch parts[0] {
    case "native": base = (.native, Target.usefulFeatures)
    case "x86-64": base = (.x86, [])
    case "x86-64-v3": base = (.x86, Target.v3)
    case "x86-64-v4": base = (.x86, Target.v4)
    case "aarch64": base = (.arm, Target.arm)
    default:
      throw ToolError(
        .badTarget,
        "target \(printable(name)): expected native, x86-64-v3, x86-64-v4 or aarch64, with "
          + "features added by +")
    }
    let known = base.architecture == .x86 ? Target.knownFeatures : []
    for feature in additions where !known.contains(feature) {
      throw ToolError(
        .badTarget,
        "target \(printable(name)): unknown feature \(printable(feature)), expected "
          + (known.isEmpty ? "none" : "one of " + known.joined(separator: ", ")))
    }
    self.init(base.architecture, features: Set(base.features + additions))
  }

  /// Resolves what `--target` takes: the name of one target, or `portable`, which is x86-64-v3,
  /// x86-64-v4 and what this machine has, from the least to the most.
  public static func levels(_ name: String) throws(ToolError) -> [Target] {
    guard name == "portable" else { return [try Target(name)] }
    guard Architecture.native == .x86 else {
      throw ToolError(.badTarget, "target portable: this machine is no x86-64")
    }
    let known = [try Target("x86-64-v3"), try Target("x86-64-v4")]
    // Two that clang 14 cannot ask a machine for, and that no kernel needs.
    let askable = Set(native.features).subtracting(["avxvnni", "avx512fp16"])
    guard askable.isStrictSuperset(of: known[1].features) else { return known }
    return known + [Target(.x86, features: askable)]
  }

  /// Whether the code is for another kind of machine than this one.
  var isForeign: Bool { architecture != .native }

  /// The features beyond the level.
  private var additions: [String] {
    let implied =
      switch level {
      case "x86-64-v4": Target.v4
      case "x86-64-v3": Target.v3
      case "aarch64": Target.arm
      default: [String]()
      }
    return features.filter { !implied.contains($0) }
  }

  /// The target as `--target` takes it: `x86-64-v4+avx512bf16`.
  public var name: String { ([level] + additions).joined(separator: "+") }

  /// clang's flags for it: a level and the features beyond that level, never `native`; for another
  /// kind of machine its name before them.
  public var flags: [String] {
    let machine = isForeign ? ["--target=\(triple)"] : []
    switch architecture {
    case .x86: return machine + ["-march=" + level] + additions.map { "-m" + $0 }
    case .arm: return machine + ["-march=armv8-a"]
    }
  }

  /// The machine as clang and Debian's cross compilers name it.
  var triple: String {
    switch architecture {
    case .x86: "x86_64-linux-gnu"
    case .arm: "aarch64-linux-gnu"
    }
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
