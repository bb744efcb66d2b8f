import Burin
import BurinHub
import BurinIR
import BurinPasses
import BurinTestSupport
import Glibc
import Testing

/// A tiny model in `Tests/Fixtures/models` with what transformers computes with it.
struct Fixture: Sendable, CustomTestStringConvertible {
  let name: String
  var testDescription: String { name }

  static let root =
    #filePath.prefix(
      #filePath.count - "BurinTests/Models/Fixture.swift".count) + "Fixtures/"

  /// The fixtures in whose directory this file is, by name.
  static func all(with file: String) -> [Fixture] {
    guard let directory = opendir(root + "models") else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      if access("\(root)models/\(name)/\(file)", R_OK) == 0 { names.append(name) }
    }
    return names.sorted().map { Fixture(name: $0) }
  }

  var path: String { Fixture.root + "models/" + name }

  /// Reads a copy of the configuration and the weights.
  ///
  /// - Parameters:
  ///   - edits: members of the configuration that get another value; `nil` takes one out.
  ///   - generation: what `generation_config.json` says; without it there is no such file.
  func withCopy<Result>(
    _ edits: [(ByteString, JSON?)], generation: JSON? = nil,
    _ body: (ModelDirectory) throws -> Result
  ) throws -> Result {
    var template = Array("/tmp/burin-config-XXXXXX".utf8CString)
    let directory = try #require(mkdtemp(&template).map { String(cString: $0) })
    defer {
      for name in ["config.json", "generation_config.json", "model.safetensors"] {
        unlink(directory + "/" + name)
      }
      rmdir(directory)
    }
    let source = try ModelDirectory(path)
    var members = try #require(try source.config().value?.object).members
    for (key, value) in edits {
      members.removeAll { $0.key == key }
      if let value { members.append(JSONObject.Member(key, value)) }
    }
    func copy(_ bytes: [UInt8], _ name: String) throws {
      let file = try AtomicFile(path: directory + "/" + name)
      try bytes.withUnsafeBytes { try file.write($0) }
      try file.commit()
    }
    try copy(JSON.object(JSONObject(members)).utf8, "config.json")
    if let generation { try copy(generation.utf8, "generation_config.json") }
    try copy(try #require(try source.bytes("model.safetensors")), "model.safetensors")
    return try body(ModelDirectory(directory))
  }

  /// One library for each fixture, precision and process, compiled when it is first asked for.
  func library(
    _ precision: Precision = .f32, cache: CacheType = .f32
  ) throws -> CompiledModel {
    let key = "\(name)-\(precision)-\(cache)"
    return try Fixture.libraries(key) {
      let directory = try TestDirectory()
      let compiler = Compiler(options: .init(precision: precision, cacheType: cache))
      // What is loaded stays, whatever becomes of the file.
      return try withExtendedLifetime(directory) {
        let library = "\(directory.path)/\(key).so"
        try compiler.compile(ModelDirectory(path).spec(), to: library)
        return try CompiledModel(library)
      }
    }
  }

  private static let libraries = MadeOnce<CompiledModel>()

  /// The tensors of a file in the fixture.
  func tensors(_ file: String) throws -> [String: HostTensor] {
    let file = try SafetensorsFile(path: path + "/" + file)
    var tensors: [String: HostTensor] = [:]
    for tensor in file.tensors {
      let bytes = try file.bytes(of: tensor)
      let element: ElementType =
        switch tensor.type {
        case .i64: .i64
        case .bool: .bool
        default: .f32
        }
      tensors[tensor.name.utf8String] = HostTensor(element, shape: tensor.shape) {
        $0.copyBytes(from: bytes)
      }
    }
    return tensors
  }
}

extension Fixture {
  /// Runs `body` on a directory that holds the fixture's weights and its configuration, changed.
  func withCopy(
    changing change: (inout [JSONObject.Member]) -> Void, body: (String) throws -> Void
  ) throws {
    var template = Array("/tmp/burin-config-XXXXXX".utf8CString)
    let directory = try #require(mkdtemp(&template).map { String(cString: $0) })
    defer {
      unlink(directory + "/config.json")
      unlink(directory + "/model.safetensors")
      rmdir(directory)
    }
    let source = try ModelDirectory(path)
    var members = try #require(source.config().value?.object).members
    change(&members)
    func copy(_ bytes: [UInt8], _ name: String) throws {
      let file = try AtomicFile(path: directory + "/" + name)
      try bytes.withUnsafeBytes { try file.write($0) }
      try file.commit()
    }
    try copy(JSON.object(JSONObject(members)).utf8, "config.json")
    try copy(try #require(try source.bytes("model.safetensors")), "model.safetensors")
    try body(directory)
  }
}

extension HostTensor {
  /// The elements of a tensor of f32.
  var floats: [Float] { withUnsafeBytes { Array($0.bindMemory(to: Float.self)) } }
}
