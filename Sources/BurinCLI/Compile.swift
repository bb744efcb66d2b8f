import ArgumentParser
import Burin
import BurinHub
import BurinIR
import BurinPasses
import Glibc

/// `burin compile`
struct Compile: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compile a model into a shared library.")

  @OptionGroup var options: ModelOptions
  @Option(
    name: .shortAndLong, parsing: .unconditional,
    help: ArgumentHelp(
      "The library to write; X.h, for programs in C, appears beside it.", valueName: "X.so"))
  var output: String
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "In what products multiply: f32, bf16, int8 or int4. With f32, weights that the model stores in "
        + "bf16 or f16 stay so and are widened, exactly, as they are multiplied.", valueName: "TYPE"
    ))
  var dtype = "f32"
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "In what a decoder's cache keeps keys and values: f32, bf16 or int8.", valueName: "TYPE"))
  var cacheDtype = "f32"
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "A directory for the IR after every pass, the C, and its build line.",
      valueName: "DIR"))
  var emit: String?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Where the weights go: embedded in the library, or separate, beside it in X.weights.",
      valueName: "PLACE"))
  var weights = "embedded"
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Compilers side by side (one for each core).", valueName: "N"))
  var threadsToBuild: Int?
  @Flag(
    help: ArgumentHelp(
      "Measure the schedules of the kernels on this machine and choose the fastest; what was chosen "
        + "is remembered in the cache."))
  var tune = false

  func validate() throws {
    _ = try precision(named: dtype)
    _ = try cacheType(named: cacheDtype)
    guard weights == "embedded" || weights == "separate" else {
      throw Failure.usage("--weights: expected embedded or separate, found \(quoted(weights))")
    }
    if let threadsToBuild, !(1...1024).contains(threadsToBuild) {
      throw Failure.usage(
        "--threads-to-build: expected an integer from 1 to 1024, found \(threadsToBuild)")
    }
  }

  func run() throws {
    let clock = ContinuousClock()
    let start = clock.now
    let levels = try Target.levels(options.target)
    guard let target = levels.last, levels.count == 1 || emit == nil else {
      throw Failure.usage("--emit: wants one target, not \(quoted(options.target))")
    }
    let spec = try options.spec()
    let compiler = Compiler(
      options: Compiler.Options(
        target: target, lowerLevels: levels.dropLast(), precision: try precision(named: dtype),
        cacheType: try cacheType(named: cacheDtype),
        weights: weights == "separate" ? .separate : .embedded, emit: emit,
        jobs: threadsToBuild, tunes: tune))
    var progress = ProgressLine()
    var lost: Double?
    var tuning: Tuning?
    defer { progress.clear() }
    try compiler.compile(spec, to: output) { step in
      switch step {
      case .passes: progress.show("rewriting the program")
      case .tuning(let done, let all): progress.show("measuring kernels", done, of: all)
      case .tuned(let result): tuning = result
      case .code: progress.show("writing C")
      case .clang: progress.show("compiling C")
      case .weights(let done, let all):
        progress.show("packing weights: \(done * 100 / max(all, 1)) %")
      case .rounded(let error): lost = error
      }
    }
    progress.clear()
    let seconds = decimal((clock.now - start).seconds, 1)
    var size = fileSize(output)
    if weights == "separate" { size += fileSize(LibraryFile.weightsPath(of: output)) }
    Standard.note("\(output): \(megabytes(size)) in \(seconds) s")
    for line in tuning?.report ?? [] { Standard.note(line) }
    if let lost {
      Standard.note(
        "\(dtype) took \(decimal(lost * 100, 3)) % off the weights (root mean square)")
    } else {
      let stored = Set(spec.program.weights.map(\.type.element.rawValue)).subtracting(["f32"])
      if !stored.isEmpty {
        Standard.note(
          "the model stores weights in \(stored.sorted().joined(separator: " and ")): nothing was taken "
            + "off them")
      }
    }
  }
}

extension Tuning {
  /// A line for each kernel whose schedule changed, and what all of that gains.
  fileprivate var report: [String] {
    var lines = kernels.filter { $0.after != $0.before }.map { kernel in
      "\(kernel.line): tile \(kernel.before) became \(kernel.after), "
        + "\(decimal(kernel.gain * 100, 1)) % less time"
    }
    let remembered = kernels.count { $0.isRemembered }
    let measured = kernels.count - remembered
    let gains = tokenCounts.map { "\(decimal(gain(tokens: $0) * 100, 1)) % at \($0)" }
    lines.append(
      "measured \(measured) kernel\(measured == 1 ? "" : "s") in \(decimal(seconds, 1)) s, "
        + "knew \(remembered)"
        + (skipped > 0 ? ", left \(skipped) that cannot run alone" : "")
        + "; schedules changed: \(lines.count); gain over the cost model by tokens: "
        + (gains.isEmpty ? "none" : gains.joined(separator: ", ")))
    return lines
  }
}

/// The size of a file in bytes; 0 if there is none.
func fileSize(_ path: String) -> Int {
  var status = stat()
  return stat(path, &status) == 0 ? Int(status.st_size) : 0
}

/// A number with a fixed count of decimals.
func decimal(_ value: Double, _ places: Int) -> String {
  guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
  var scale = 1.0
  for _ in 0..<places { scale *= 10 }
  let rounded = (abs(value) * scale).rounded()
  let whole = (rounded / scale).rounded(.down)
  let sign = value < 0 && rounded > 0 ? "-" : ""
  guard places > 0 else { return sign + String(Int(whole)) }
  let digits = String(Int(rounded - whole * scale))
  let zeros = String(repeating: "0", count: max(0, places - digits.count))
  return "\(sign)\(Int(whole)).\(zeros)\(digits)"
}

/// Bytes for people.
func megabytes(_ bytes: Int) -> String {
  bytes < 1 << 20
    ? "\(decimal(Double(bytes) / 1024, 1)) KiB" : "\(decimal(Double(bytes) / 1_048_576, 1)) MiB"
}
