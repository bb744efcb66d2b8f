import Glibc

/// A directory with a model in it, as the Hugging Face hub lays one out.
///
/// Files are looked up by name, checked to be regular and to lie inside the directory (or, in the
/// hub's own cache, among the blobs that its snapshots link to), and read when they are asked for.
public struct ModelDirectory: Sendable {
  /// The path as the caller spelled it.
  public let path: String

  /// The path without links, `.` or `..`.
  private let root: String
  /// The blobs of the hub's cache when this is one of its snapshots.
  private let blobs: String?

  /// A directory; nothing in it is read yet.
  public init(_ path: String) throws(HubError) {
    guard let root = try ModelDirectory.realPath(path, shownAs: path) else {
      throw HubError(.cannotRead, file: path, expected: "a model directory", found: "nothing")
    }
    var status = stat()
    guard stat(root, &status) == 0 else { throw RegularFile.failure(path) }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      throw HubError(file: path, expected: "a model directory", found: "a file")
    }
    self.init(path: path, root: root)
  }

  private init(path: String, root: String) {
    self.path = path
    self.root = root
    // models--owner--name/snapshots/REVISION/... links to models--owner--name/blobs/HASH
    let parts = root.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    let snapshots = parts.dropLast().lastIndex { $0.elementsEqual("snapshots".utf8) }
    self.blobs = snapshots.map {
      parts[..<$0].map { String($0)! }.joined(separator: "/") + "/blobs"
    }
  }

  // MARK: Files

  /// Whether there is a file of this name.
  public func contains(_ name: String) throws(HubError) -> Bool {
    try resolve(name) != nil
  }

  /// Opens a file; nil when there is none of this name.
  ///
  /// - Throws: `HubError` when the name or a link leads out of the directory, or to no regular file.
  public func file(_ name: String) throws(HubError) -> RegularFile? {
    guard let resolved = try resolve(name) else { return nil }
    return try RegularFile(path: resolved, shownAs: shown(name))
  }

  /// A file's bytes; nil when there is none of this name, refused beyond 256 MiB.
  public func bytes(_ name: String) throws(HubError) -> [UInt8]? {
    try file(name)?.contents(limit: 256 << 20)
  }

  /// A JSON file's root; nil when there is none of this name.
  public func json(
    _ name: String, options: JSON.Options = .python
  ) throws(HubError) -> JSONField? {
    guard let bytes = try bytes(name) else { return nil }
    do throws(JSONError) {
      return JSONField(try JSON.parse(bytes, options: options), file: shown(name))
    } catch {
      throw error.inFile(shown(name))
    }
  }

  /// The root of `config.json`, which has to be there and to hold an object.
  public func config() throws(HubError) -> JSONField {
    guard let config = try json("config.json") else {
      throw HubError(file: shown("config.json"), expected: "a file", found: "nothing")
    }
    guard config.value?.object != nil else { throw config.error(expected: "an object") }
    return config
  }

  /// A directory inside this one, under the same rules; the empty name is this one.
  public func subdirectory(_ name: String) throws(HubError) -> ModelDirectory {
    if name.isEmpty { return self }
    guard let resolved = try resolve(name) else {
      throw HubError(file: shown(name), expected: "a directory", found: "nothing")
    }
    var status = stat()
    guard stat(resolved, &status) == 0 else { throw RegularFile.failure(shown(name)) }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      throw HubError(file: shown(name), expected: "a directory", found: "a file")
    }
    return ModelDirectory(path: shown(name), root: resolved)
  }

  /// The path of a name in this directory, for messages.
  func shown(_ name: String) -> String {
    path.utf8.last == UInt8(ascii: "/") ? path + name : path + "/" + name
  }

  // MARK: Resolving

  /// The real path of a name, or nil when nothing is there.
  private func resolve(_ name: String) throws(HubError) -> String? {
    try requireInner(name)
    guard let real = try ModelDirectory.realPath(root + "/" + name, shownAs: shown(name)) else {
      return nil
    }
    let isInside = root == "/" || real.utf8.starts(with: (root + "/").utf8)
    guard isInside || isBlob(real) else {
      throw HubError(
        file: shown(name), expected: "a file inside the model directory",
        found: "a link to \(printable(real.utf8, limit: 400))")
    }
    return real
  }

  /// Whether a real path is a blob of the hub's cache.
  private func isBlob(_ real: String) -> Bool {
    guard let blobs, real.utf8.starts(with: (blobs + "/").utf8) else { return false }
    return !real.utf8.dropFirst(blobs.utf8.count + 1).contains(UInt8(ascii: "/"))
  }

  /// Refuses a name, often one that a file gave, that is no plain path downwards.
  private func requireInner(_ name: String) throws(HubError) {
    let parts = name.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    let isPlain = parts.allSatisfy { part in
      !part.isEmpty && !part.elementsEqual(".".utf8) && !part.elementsEqual("..".utf8)
        && !part.contains(0)
    }
    guard isPlain else {
      throw HubError(
        file: path, expected: "the name of a file inside the model directory",
        found: "\"\(printable(name.utf8))\"")
    }
  }

  /// A path without links, or nil when nothing is there.
  private static func realPath(
    _ path: String, shownAs shown: String
  ) throws(HubError) -> String? {
    guard !path.utf8.contains(0) else {
      throw HubError(file: shown, expected: "a path without NUL", found: "one")
    }
    if let real = realpath(path, nil) {
      defer { free(real) }
      return String(cString: real)
    }
    guard errno == ENOENT || errno == ENOTDIR else { throw RegularFile.failure(shown) }
    var status = stat()
    if lstat(path, &status) == 0 {
      throw HubError(file: shown, expected: "a file", found: "a link to nothing")
    }
    return nil
  }
}

// MARK: - Weights

extension ModelDirectory {
  /// Opens the weights: `model.safetensors`, or the shards that `model.safetensors.index.json` lists.
  ///
  /// - Throws: `HubError` for anything wrong in them, and for a directory that has only pickles,
  ///   with the way to convert them.
  public func weights() throws(HubError) -> StoredWeights {
    if let file = try file("model.safetensors") {
      return try StoredWeights(path: path, files: [SafetensorsFile(file)], places: nil)
    }
    if let index = try json("model.safetensors.index.json", options: JSON.Options()) {
      return try shards(index)
    }
    for name in ["pytorch_model.bin", "pytorch_model.bin.index.json"] where try contains(name) {
      throw HubError(
        file: path, expected: "model.safetensors or model.safetensors.index.json",
        found: """
          only \(name), a pickle, which can run code when it is read; convert it with: python3 -c \
          'import glob, torch; from safetensors.torch import save_file; \
          save_file({k: v.clone().contiguous() for f in sorted(glob.glob("pytorch_model*.bin")) \
          for k, v in torch.load(f, map_location="cpu", weights_only=True).items()}, \
          "model.safetensors", {"format": "pt"})'
          """)
    }
    throw HubError(
      file: path, expected: "model.safetensors or model.safetensors.index.json", found: "neither")
  }

  /// The weights of an index, every one found in the shard that the index names.
  private func shards(_ index: JSONField) throws(HubError) -> StoredWeights {
    var files: [SafetensorsFile] = []
    var numbers: [ByteString: Int] = [:]
    var places: [(name: ByteString, file: Int)] = []
    for (name, field) in try index["weight_map"].members() {
      let shard = try field.string()
      let number: Int
      if let known = numbers[shard] {
        number = known
      } else {
        // A name that is not UTF-8 cannot come out of a JSON file.
        guard let file = try file(shard.utf8String) else {
          throw field.error(expected: "a shard that is in the directory")
        }
        number = files.count
        numbers[shard] = number
        files.append(try SafetensorsFile(file))
      }
      guard files[number].tensor(name) != nil else {
        throw field.error(expected: "the shard that holds this tensor")
      }
      places.append((name, number))
    }
    return try StoredWeights(path: path, files: files, places: places)
  }
}
