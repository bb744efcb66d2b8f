import BurinHub
import Glibc
import Testing

extension Burin {
  /// A copy of a fixture in a directory of its own.
  ///
  /// - Parameters:
  ///   - root: where the fixture is.
  ///   - edits: members of `config.json` that get another value; `nil` takes one out.
  ///   - files: files that are written over or added.
  ///   - without: files that are left out.
  static func altered(
    _ fixture: String, in root: String = fixtures, _ edits: [(ByteString, JSON?)] = [],
    files: [String: JSON] = [:], without: Set<String> = []
  ) throws -> String {
    // A model is called after its directory, and what is called alike may be the same C.
    let place = "\(directory)/\(String(UInt32.random(in: 0...UInt32.max), radix: 36))"
    let target = "\(place)/\(fixture)"
    mkdir(place, 0o700)
    mkdir(target, 0o700)
    func copy(_ folder: String) throws {
      for name in names(in: root + fixture + folder) where !without.contains(name) {
        let path = folder + "/" + name
        guard let file = try? RegularFile(path: root + fixture + path) else {
          mkdir(target + path, 0o700)
          try copy(path)
          continue
        }
        try write(file.contents(limit: 1 << 26), to: target + path)
      }
    }
    try copy("")
    if !edits.isEmpty {
      let config = try ModelDirectory(target).config()
      var members = try #require(config.value?.object).members
      for (key, value) in edits {
        members.removeAll { $0.key == key }
        if let value { members.append(.init(key, value)) }
      }
      try write(JSON.object(JSONObject(members)).utf8, to: target + "/config.json")
    }
    for (name, value) in files { try write(value.utf8, to: target + "/" + name) }
    return target
  }

  /// Writes a file.
  static func write(_ bytes: [UInt8], to path: String, mode: UInt32 = 0o644) throws {
    let file = try AtomicFile(path: path, mode: mode)
    try file.write(bytes)
    try file.commit()
  }

  /// A file's bytes.
  static func read(_ path: String) throws -> [UInt8] {
    try RegularFile(path: path).contents(limit: 1 << 28)
  }

  /// A safetensors file of tensors of i64 or f32.
  static func tensors(
    _ name: String, ids: [(ByteString, [Int64], [Int])] = [],
    features: [(ByteString, [Float], [Int])] = []
  ) throws -> String {
    let path = "\(directory)/\(name)"
    let writer = try SafetensorsWriter(
      path: path,
      tensors: ids.map { .init($0.0, .i64, $0.2) } + features.map { .init($0.0, .f32, $0.2) })
    for (_, values, _) in ids { try values.withUnsafeBytes { try writer.write($0) } }
    for (_, values, _) in features { try writer.write(values) }
    try writer.finish()
    return path
  }

  /// Compiles a directory; gives the library's path and what was said.
  static func compiled(
    _ model: String, _ options: [String] = []
  ) throws -> (library: String, errors: String) {
    let library = model + ".so"
    let outcome = try run(["compile", model, "-o", library] + options)
    try #require(outcome.status == 0, "\(outcome.errors)")
    return (library, outcome.errors)
  }

  /// Runs raw tensors and gives one output.
  static func output(_ name: ByteString, of library: String, inputs: String) throws -> [Float] {
    let path = directory + "/" + String(UInt64.random(in: 0...UInt64.max), radix: 36)
    defer { unlink(path) }
    let outcome = try run(["run", library, "--inputs", inputs, "--outputs", path])
    try #require(outcome.status == 0, "\(outcome.errors)")
    let file = try SafetensorsFile(path: path)
    return try file.floats(of: #require(file.tensor(name)))
  }
}
