import ArgumentParser
import Burin
import BurinHub

/// `burin doctor`
struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say what this machine has, and what it lacks.")

  @Flag(help: "Forget all compiled code.")
  var clearCache = false
  @Flag(help: "Write one JSON value.")
  var json = false

  func run() throws {
    let cache = KernelCache.standard
    if clearCache {
      let size = cache.size
      cache.clear()
      Standard.note("cleared \(megabytes(size)) from the cache")
    }
    var missing: [(name: String, install: String, reason: String)] = []
    var toolchain: Toolchain?
    do { toolchain = try Toolchain.find() } catch {
      missing.append(("clang", "apt install clang libomp-dev", line(error.summary)))
    }
    let openMP = OpenMPLibrary.path
    if openMP == nil {
      missing.append(("libomp", "apt install libomp5", "no libomp.so.5 can be loaded"))
    }
    let pictures = PictureLibrary.all.map { ($0, $0.isInstalled) }
    if json {
      try Standard.output([
        "clang": JSON(
          toolchain.map {
            ["path": JSON($0.clang), "version": JSON($0.version), "openmp": JSON($0.openMP)]
          }),
        "libomp": JSON(openMP.map { JSON($0) }),
        "pictures": .object(
          JSONObject(pictures.map { JSONObject.Member(ByteString($0.name), JSON($1)) })),
        "cpu": .array(Target.machineFeatures.map { JSON($0) }),
        "cache": [
          "path": JSON(cache.directory.map { JSON($0) }), "bytes": JSON(cache.size),
          "trouble": JSON(cache.trouble.map { JSON($0) }),
        ],
        "missing": .array(
          missing.map {
            ["name": JSON($0.name), "install": JSON($0.install), "reason": JSON($0.reason)]
          }),
      ])
    } else {
      let clang = toolchain.map { "\($0.version) (\(line($0.clang)), OpenMP by \($0.openMP))" }
      // Only pictures need these: that one is not there is no failure.
      let readers = pictures.map { library, isInstalled in
        isInstalled ? library.name : "no \(library.name) (\(library.install))"
      }
      let place = cache.directory.map { "\(line($0)), \(megabytes(cache.size))" }
      try Standard.output(
        """
        clang   \(clang ?? "missing")
        libomp  \(openMP.map(line) ?? "missing")
        images  \(readers.joined(separator: ", "))
        cpu     \(Target.machineFeatures.joined(separator: " "))
        cache   \(place ?? "unusable: " + line(cache.trouble ?? ""))

        """)
      for item in missing {
        try Standard.output("missing \(item.name): \(item.install)\n")
      }
    }
    guard missing.isEmpty else {
      let names = missing.map { "\($0.name) (\($0.install)): \($0.reason)" }
      throw Failure(69, "missing " + names.joined(separator: "; "))
    }
  }
}
