import ArgumentParser
import Burin
import BurinHub
import BurinIR
import BurinPasses

/// What is compiled, and for how much of it.
struct ModelOptions: ParsableArguments {
  @Argument(
    help: ArgumentHelp("A model directory or a .burin file.", valueName: "MODEL"))
  var model: String
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Positions of a sequence, at most.", valueName: "N"))
  var maxSeq: Int?
  @Option(
    parsing: .unconditional, help: ArgumentHelp("Sequences in a call, at most.", valueName: "N"))
  var maxBatch = 32
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "native, x86-64-v3 or x86-64-v4, with features added by +; aarch64; or, for compile, portable: "
        + "v3, v4 and native in one file, chosen when it is loaded.", valueName: "TARGET"))
  var target = "native"

  func validate() throws { try checkLimits(sequence: maxSeq, batch: maxBatch) }

  /// Reads the model; says what it warns of.
  func spec() throws -> ModelSpec {
    let spec: ModelSpec
    if isDirectory(model) {
      spec = try ModelDirectory(model).spec(Limits(batch: maxBatch, sequence: maxSeq))
    } else {
      spec = try ModelSpec(programFile: model)
    }
    for warning in spec.warnings { Standard.note("warning: " + warning) }
    return spec
  }
}

/// The precision that `--dtype` names.
func precision(named name: String) throws -> Precision {
  if let precision = Precision(rawValue: name) { return precision }
  throw Failure.usage("--dtype: expected f32, bf16, int8 or int4, found \"\(line(name))\"")
}

/// The type of caches that `--cache-dtype` names.
func cacheType(named name: String) throws -> CacheType {
  if let type = CacheType(rawValue: name) { return type }
  throw Failure.usage("--cache-dtype: expected f32, bf16 or int8, found \"\(line(name))\"")
}

/// Refuses impossible extents.
func checkLimits(sequence: Int?, batch: Int) throws {
  if let sequence, !(1...1 << 24).contains(sequence) {
    throw Failure.usage("--max-seq: expected an integer from 1 to \(1 << 24), found \(sequence)")
  }
  guard (1...1 << 16).contains(batch) else {
    throw Failure.usage("--max-batch: expected an integer from 1 to \(1 << 16), found \(batch)")
  }
}
