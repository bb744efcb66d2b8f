import BurinHub
import Glibc
import Testing

/// `compile --tune`.
@Suite struct TuneTests {
  @Test("measures once, says what it gained, and changes no number")
  func tunes() throws {
    let model = Burin.fixtures + "distilbert"
    let library = Burin.directory + "/tuned.so"
    let inputs = model + "/inputs.safetensors"
    var reports: [String] = []
    // A cache that knows nothing yet.
    let cache = Burin.directory + "/tune-cache"
    for _ in 0..<2 {
      let outcome = try Burin.run(
        ["compile", "--tune", model, "-o", library], environment: ["BURIN_CACHE": cache])
      #expect(outcome.status == 0 && outcome.output.isEmpty, "\(outcome.errors)")
      reports.append(
        String(outcome.errors.split(separator: "\n").first { $0.contains("measured ") } ?? ""))
    }
    #expect(reports[0].contains("knew 0;") && reports[0].contains("gain over the cost model"))
    #expect(reports[1].contains("measured 0 kernels"))
    var results: [[UInt8]] = []
    for path in [library, try Burin.library("distilbert")] {
      let output = path + ".safetensors"
      let outcome = try Burin.run(["run", path, "--inputs", inputs, "--outputs", output])
      #expect(outcome.status == 0, "\(outcome.errors)")
      results.append(try Burin.read(output))
    }
    #expect(results[0] == results[1])
  }

  @Test("is refused where this machine cannot run the code", arguments: ["aarch64", "portable"])
  func foreign(target: String) throws {
    let outcome = try Burin.run([
      "compile", Burin.fixtures + "bert", "--tune", "--target", target, "-o",
      Burin.directory + "/no.so",
    ])
    #expect(outcome.status == 64, "\(outcome.errors)")
    #expect(outcome.errors.contains("tuning measures on this machine"), "\(outcome.errors)")
    #expect(outcome.errors.filter { $0 == "\n" }.count == 1)
  }
}
