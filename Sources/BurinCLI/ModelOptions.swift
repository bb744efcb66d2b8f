import ArgumentParser
import Burin
import BurinHub
import BurinIR
import BurinPasses

/// How much of a model is compiled.
struct LimitOptions: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Positions of a sequence, at most (the model's own maximum, or 2048).", valueName: "N"))
  var maxSeq: Int?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Sequences in a call, at most (32).", valueName: "N"))
  var maxBatch: Int?

  func validate() throws {
    if let maxSeq, !(1...1 << 24).contains(maxSeq) {
      throw Failure.usage("--max-seq: expected an integer from 1 to \(1 << 24), found \(maxSeq)")
    }
    if let maxBatch, !(1...1 << 16).contains(maxBatch) {
      throw Failure.usage(
        "--max-batch: expected an integer from 1 to \(1 << 16), found \(maxBatch)")
    }
  }

  /// Says that limits change nothing in a program, which says itself how large its symbols become.
  func warn(of program: String) {
    guard maxSeq != nil || maxBatch != nil else { return }
    Standard.note(
      "--max-seq and --max-batch are for model directories; \(line(program)) has bounds of its own")
  }

  /// Reads the model in a directory; says what it warns of.
  func spec(of directory: String) throws -> ModelSpec {
    let limits = Limits(batch: maxBatch ?? 32, sequence: maxSeq)
    let spec = try ModelDirectory(directory).spec(limits)
    for warning in spec.warnings { Standard.note("warning: " + warning) }
    return spec
  }
}

/// What is compiled, and for how much of it.
struct ModelOptions: ParsableArguments {
  @Argument(
    help: ArgumentHelp("A model directory or a .burin file.", valueName: "MODEL"))
  var model: String
  @OptionGroup var limits: LimitOptions
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "native, x86-64-v3 or x86-64-v4, with features added by +; aarch64; or, for compile, portable: "
        + "v3, v4 and native in one file, chosen when it is loaded.", valueName: "TARGET"))
  var target = "native"

  /// Reads the model; says what it warns of.
  func spec() throws -> ModelSpec {
    if isDirectory(model) { return try limits.spec(of: model) }
    limits.warn(of: model)
    return try ModelSpec(programFile: model)
  }
}

/// The precision that `--dtype` names.
func precision(named name: String) throws -> Precision {
  if let precision = Precision(rawValue: name) { return precision }
  throw Failure.usage("--dtype: expected f32, bf16, int8 or int4, found \(quoted(name))")
}

/// The type of caches that `--cache-dtype` names.
func cacheType(named name: String) throws -> CacheType {
  if let type = CacheType(rawValue: name) { return type }
  throw Failure.usage("--cache-dtype: expected f32, bf16 or int8, found \(quoted(name))")
}
