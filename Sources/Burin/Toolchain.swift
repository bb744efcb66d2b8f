import BurinHub
import CBurin
import Glibc

/// A clang that can compile OpenMP, and how to use it.
public struct Toolchain: Sendable {
  /// clang's absolute path.
  public let clang: String
  /// The first line of what it says about its version.
  public let version: String
  /// How it links OpenMP: a flag, or the path of libomp itself.
  public let openMP: String
  /// Whether code runs on several threads; our own tests turn that off to run without libomp.
  var usesThreads = true
  /// After so much processor time, or as much time of waiting, a compiler is taken to hang and is killed.
  public var timeLimit: Duration = .seconds(120)
  /// How many compilers may run side by side.
  public var jobs: Int = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
  /// Whether clang's warnings stop it; our own tests want that.
  public var warningsAreErrors = false

  private let identity: [UInt8]
  let cache: KernelCache

  // MARK: Finding

  /// Finds a clang that compiles, links and runs a small OpenMP program: `BURIN_CLANG` if it is
  /// set, else `clang` or `clang-NN` on the `PATH`, else the Swift toolchain's own.
  ///
  /// What was found is remembered in the cache by the compiler's path, size and time.
  public static func find(
    cache: KernelCache = .standard, timeLimit: Duration = .seconds(120)
  ) throws(ToolError) -> Toolchain {
    let chosen = getenv("BURIN_CLANG").map { String(cString: $0) } ?? ""
    let candidates = chosen.isEmpty ? candidates() : [chosen]
    var tried: [String] = []
    var words = ""
    for candidate in candidates {
      switch probe(candidate, cache: cache, timeLimit: timeLimit) {
      case .success(let toolchain): return toolchain
      // That is not the compiler's fault, and another one would fare no better.
      case .failure(let error) where error.kind == .cannotWrite: throw error
      case .failure(let error):
        tried.append("\(printable(candidate)): \(error.summary)")
        if !error.words.isEmpty { words += error.words }
      }
    }
    let advice = "install one (apt install clang libomp-dev)"
    guard chosen.isEmpty else {
      throw ToolError(.missing, "BURIN_CLANG is no clang with OpenMP: \(tried[0])", words: words)
    }
    let list = tried.isEmpty ? "" : "; tried " + tried.joined(separator: "; ")
    throw ToolError(
      .missing, "there is no clang with OpenMP on the PATH: \(advice)\(list)", words: words)
  }

  /// The programs that may be a clang, each file once.
  private static func candidates() -> [String] {
    let path = getenv("PATH").map { String(cString: $0) } ?? ""
    let directories = path.split(separator: ":").map(String.init).filter { $0.hasPrefix("/") }
    let names = ["clang"] + (14...40).reversed().map { "clang-\($0)" }
    var found = names.flatMap { name in directories.map { "\($0)/\(name)" } }
    for directory in directories {
      // `swift` may be a link into the toolchain.
      guard let swift = Files.resolved("\(directory)/swift") else { continue }
      if let end = swift.lastIndex(of: "/") { found.append(swift[..<end] + "/clang") }
    }
    var seen: Set<String> = []
    return found.filter { candidate in
      guard access(candidate, X_OK) == 0, let real = Files.resolved(candidate) else { return false }
      return seen.insert(real).inserted
    }
  }

  /// Asks a compiler for everything that emitted code needs of it.
  private static let probeText = """
    typedef float lanes __attribute__((vector_size(64)));
    extern int omp_get_num_threads(void);
    int main(void) {
      int threads = 0;
      lanes values = {1};
      values = __builtin_elementwise_max(values, -values);
    #pragma omp parallel
    #pragma omp single
      threads = omp_get_num_threads();
      return threads < 1 || values[0] != 1;
    }

    """

  private static func probe(
    _ path: String, cache: KernelCache, timeLimit: Duration
  ) -> Result<Toolchain, ToolError> {
    var status = stat()
    guard !path.utf8.contains(0), let real = Files.resolved(path) else {
      return .failure(ToolError(.missing, systemMessage()))
    }
    guard stat(real, &status) == 0, status.st_mode & S_IFMT == S_IFREG, access(real, X_OK) == 0
    else { return .failure(ToolError(.missing, "not a program")) }
    // A compiler looks at the name that it is called by, so that name is kept.
    let clang = path.hasPrefix("/") ? path : real
    let identity = Array(
      "\(clang) \(real) \(status.st_size) \(status.st_mtim.tv_sec) \(status.st_mtim.tv_nsec)".utf8)
    let key = KernelCache.Key([Array("probe".utf8), Array(probeText.utf8), identity])
    if let known = cache.find(key) {
      let lines = String(decoding: known, as: UTF8.self).split(
        separator: "\n", omittingEmptySubsequences: false)
      if lines.count == 2 {
        return .success(
          Toolchain(
            clang: clang, version: String(lines[1]), openMP: String(lines[0]),
            timeLimit: timeLimit, identity: identity + known, cache: cache))
      }
    }
    do throws(ToolError) {
      let (openMP, version) = try probeAfresh(clang, timeLimit: min(timeLimit, .seconds(20)))
      let known = Array("\(openMP)\n\(version)".utf8)
      cache.store(known, under: key)
      return .success(
        Toolchain(
          clang: clang, version: version, openMP: openMP, timeLimit: timeLimit,
          identity: identity + known, cache: cache))
    } catch {
      return .failure(error)
    }
  }

  /// What keeps this program from being our clang, if anything does.
  static func trouble(with path: String, timeLimit: Duration = .seconds(20)) -> ToolError? {
    switch probe(path, cache: KernelCache(directory: nil), timeLimit: timeLimit) {
    case .success: nil
    case .failure(let error): error
    }
  }

  private static func probeAfresh(
    _ clang: String, timeLimit: Duration
  ) throws(ToolError) -> (openMP: String, version: String) {
    let directory = try WorkDirectory()
    try directory.write(Array(probeText.utf8), to: "probe.c")
    func run(_ program: String, _ arguments: [String]) -> CommandResult {
      Command(
        path: program, arguments: arguments, directory: directory.path, timeLimit: timeLimit
      ).run()
    }
    let about = run(clang, ["--version"])
    guard about.succeeded, about.text.contains("clang") else {
      throw ToolError(
        .missing, about.succeeded ? "not a clang" : about.fate,
        words: about.succeeded ? "" : about.text)
    }
    let compiled = run(clang, ["-O1", "-fopenmp", "-Wno-psabi", "-c", "probe.c", "-o", "probe.o"])
    if let full = directory.lackOfRoom(in: compiled.text) { throw full }
    guard compiled.succeeded else {
      throw ToolError(.missing, "the compiler \(compiled.fate)", words: compiled.text)
    }
    var last = compiled
    for openMP in ["-fopenmp"] + libraries() {
      last = run(clang, ["probe.o", openMP, "-o", "probe"])
      if let full = directory.lackOfRoom(in: last.text) { throw full }
      if last.succeeded { last = run(directory.path + "/probe", []) }
      if last.succeeded {
        let line = about.text.split(separator: "\n").first.map(String.init) ?? ""
        return (openMP, printable(line))
      }
      if last.end == .timedOut { break }
    }
    throw ToolError(.missing, "linking with OpenMP \(last.fate)", words: last.text)
  }

  /// Where distributions put libomp, for a clang that does not look there itself. The system's
  /// loader finds it by its own name, whichever of these it was linked with.
  private static func libraries() -> [String] {
    let versions = (14...40).reversed().map { "/usr/lib/llvm-\($0)/lib/libomp.so.5" }
    return [
      "/usr/lib/x86_64-linux-gnu/libomp.so.5", "/usr/lib/aarch64-linux-gnu/libomp.so.5",
      "/usr/lib64/libomp.so.5", "/usr/lib64/libomp.so", "/usr/lib/libomp.so",
    ].filter { access($0, R_OK) == 0 } + versions.filter { access($0, R_OK) == 0 }
  }

  // MARK: Building

  /// A C file: a unit to compile if its name ends in `.c`, else something that units include.
  public struct Source: Hashable, Sendable {
    /// The file's name, without a directory.
    public var name: String
    /// Its contents.
    public var text: [UInt8]
    /// What the unit is compiled with besides the flags of all.
    public var flags: [String]

    /// A file of this name.
    public init(_ name: String, _ text: [UInt8], flags: [String] = []) {
      self.name = name
      self.text = text
      self.flags = flags
    }
  }

  /// Every file of the runtime: what emitted code includes and what is linked with it.
  public static let runtime: [Source] = (0..<burin_source_count()).map { index in
    let source = burin_source(index).pointee
    return Source(
      String(cString: source.name),
      Array(UnsafeBufferPointer(start: source.bytes, count: source.size)))
  }

  /// What every unit is compiled with.
  static let compileFlags = [
    "-std=gnu17", "-O2", "-ffp-contract=on", "-fno-math-errno", "-fPIC", "-fvisibility=hidden",
    "-Wall", "-Wextra",
  ]

  /// What the library is linked with. The identity lets it recognise its own file.
  private static let linkFlags = [
    "-shared", "-Wl,--version-script=burin.map", "-Wl,--build-id=sha1", "-Wl,--as-needed",
    "-Wl,-z,now",
  ]

  /// The one line that builds the emitted directory by hand.
  public static func buildLine(target: Target, output: String) -> String {
    (["clang"] + compileFlags + ["-fopenmp"] + target.flags + linkFlags
      + ["*.c", "-lm", "-o", output]).joined(separator: " ")
  }

  /// Compiles units, side by side and each only if the cache does not have it, and links them with
  /// the runtime: the ELF image of a library.
  ///
  /// - Parameter flags: what every unit is compiled with besides the flags of the target.
  public func build(
    _ sources: [Source], target: Target, flags: [String] = []
  ) throws(ToolError) -> [UInt8] {
    let all = sources + Toolchain.runtime
    let flags =
      Toolchain.compileFlags + (usesThreads ? ["-fopenmp"] : []) + target.flags + flags
      + (warningsAreErrors ? ["-Werror"] : [])
    let headers = all.filter { !$0.name.hasSuffix(".c") }.sorted { $0.name < $1.name }
    let common =
      [identity] + flags.map { Array($0.utf8) }
      + headers.flatMap { [Array($0.name.utf8), $0.text] }
    let units = all.filter { $0.name.hasSuffix(".c") }
    let keys = units.map { unit in
      KernelCache.Key(
        [Array("unit".utf8), Array(unit.name.utf8), unit.text]
          + unit.flags.map { Array($0.utf8) } + common)
    }
    let link = Toolchain.linkFlags + machineFlags(target)
    let libraries = threadLibrary(target) + ["-lm"]
    let imageKey = KernelCache.Key(
      [Array("image".utf8)] + (link + libraries).map { Array($0.utf8) }
        + keys.map { Array($0.name.utf8) })
    if let image = cache.find(imageKey) { return image }

    let directory = try WorkDirectory()
    if target.isForeign { try prepare(directory, toLinkFor: target) }
    for source in all { try directory.write(source.text, to: source.name) }
    var missing: [Int] = []
    for (index, key) in keys.enumerated() {
      if let object = cache.find(key) {
        try directory.write(object, to: units[index].name + ".o")
      } else {
        missing.append(index)
      }
    }
    try run(
      missing.map {
        flags + units[$0].flags + ["-c", units[$0].name, "-o", units[$0].name + ".o"]
      },
      in: directory, doing: "compiling")
    for index in missing {
      cache.store(try directory.read(units[index].name + ".o"), under: keys[index])
    }
    let objects = units.map { $0.name + ".o" }
    try run([link + objects + libraries + ["-o", "image.so"]], in: directory, doing: "linking")
    let image = try directory.read("image.so")
    cache.store(image, under: imageKey)
    return image
  }

  /// What clang has to be told of a machine that is not this one.
  private func machineFlags(_ target: Target) -> [String] {
    target.isForeign ? ["--target=\(target.triple)"] : []
  }

  /// How a library for this target is linked with OpenMP.
  private func threadLibrary(_ target: Target) -> [String] {
    guard usesThreads else { return [] }
    return target.isForeign ? ["-Wl,--no-as-needed", "./libomp.so", "-Wl,--as-needed"] : [openMP]
  }

  /// Makes sure that clang can build for a machine of another kind, and makes a libomp to link
  /// against: a library without functions, of which only the name goes into what is built. So no
  /// libomp of that machine has to be here.
  private func prepare(_ directory: WorkDirectory, toLinkFor target: Target) throws(ToolError) {
    try directory.write(
      Array("#include <pthread.h>\nint nothing(void) { return 0; }\n".utf8), to: "nothing.c")
    let result = Command(
      path: clang,
      arguments: machineFlags(target) + [
        "-shared", "-fPIC", "-Wl,-soname,libomp.so.5", "nothing.c", "-o", "libomp.so",
      ], directory: directory.path, timeLimit: timeLimit
    ).run()
    guard result.succeeded else {
      let architecture = target.architecture
      throw ToolError(
        .missing,
        "\(printable(clang)) cannot build for \(architecture.rawValue): install what it links with "
          + "(apt install \(architecture.crossPackages))", words: result.text)
    }
  }

  /// The assembly that units become, one after the other; nothing is linked or remembered.
  public func assembly(_ units: [Source], target: Target) throws(ToolError) -> String {
    let directory = try WorkDirectory()
    for source in units + Toolchain.runtime { try directory.write(source.text, to: source.name) }
    let flags = Toolchain.compileFlags + ["-fopenmp"] + target.flags + ["-S"]
    try run(
      units.map { flags + [$0.name, "-o", $0.name + ".s"] }, in: directory, doing: "compiling")
    var text = ""
    for unit in units {
      text += String(decoding: try directory.read(unit.name + ".s"), as: UTF8.self)
    }
    return text
  }

  /// Runs clang once for each list of arguments; keeps the directory if one of them fails.
  private func run(
    _ argumentLists: [[String]], in directory: WorkDirectory, doing what: String
  ) throws(ToolError) {
    let results = Command.run(
      argumentLists.map {
        Command(path: clang, arguments: $0, directory: directory.path, timeLimit: timeLimit)
      }, atMost: jobs)
    guard let failure = results.first(where: { !$0.succeeded }) else { return }
    if let full = directory.lackOfRoom(in: failure.text) { throw full }
    directory.isKept = true
    let kind: ToolError.Kind =
      if case .exited = failure.end { .failed } else { .missing }
    throw ToolError(
      kind, "\(what): \(printable(clang)) \(failure.fate)", words: failure.text,
      kept: directory.path)
  }
}

/// A directory for one build, removed with everything in it unless it is to be kept.
private final class WorkDirectory {
  let path: String
  var isKept = false

  init() throws(ToolError) { path = try Files.makeTemporaryDirectory() }

  deinit { isKept ? Leftovers.remove(path) : Leftovers.removeDirectory(path) }

  /// The error that a compiler or a linker hints at with the system's own words, if they do: there is
  /// no room for what it writes.
  func lackOfRoom(in words: String) -> ToolError? {
    let reasons = [ENOSPC, EFBIG, EDQUOT].map { String(cString: strerror($0)) }
    return reasons.first(where: words.contains).map {
      ToolError(.cannotWrite, "\(printable(path)): \($0)")
    }
  }

  func write(_ bytes: [UInt8], to name: String) throws(ToolError) {
    do {
      let file = try AtomicFile(path: "\(path)/\(name)")
      try file.write(bytes)
      try file.commit()
    } catch { throw ToolError(.cannotWrite, error.description) }
  }

  func read(_ name: String) throws(ToolError) -> [UInt8] {
    do { return try RegularFile(path: "\(path)/\(name)").contents(limit: 1 << 30) } catch {
      throw ToolError(.cannotWrite, error.description)
    }
  }
}
