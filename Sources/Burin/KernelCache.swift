import BurinHub
import Crypto
import Glibc

/// Compiled code on disk, found again by a hash of everything that it was made from.
///
/// The cache is private to the user and bounded; entries appear whole or not at all, and a damaged
/// one counts as absent. A cache that cannot be used is a slow one, never an error.
public struct KernelCache: Sendable {
  /// Where it is; `nil` if it cannot be used.
  public let directory: String?
  /// Why it cannot be used.
  public let trouble: String?
  /// The bytes that it may take before the entries that were not used for longest go.
  public var limit: Int

  /// The user's cache: `BURIN_CACHE`, else `burin` in `XDG_CACHE_HOME`, else `~/.cache/burin`.
  public static var standard: KernelCache {
    func variable(_ name: String) -> String? {
      getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }
    if let path = variable("BURIN_CACHE") { return KernelCache(directory: path) }
    // The XDG specification has relative paths ignored.
    if let path = variable("XDG_CACHE_HOME"), path.hasPrefix("/") {
      return KernelCache(directory: path + "/burin")
    }
    return KernelCache(directory: variable("HOME").map { $0 + "/.cache/burin" })
  }

  /// A cache in this directory, which is made if necessary.
  public init(directory: String?, limit: Int = 512 << 20) {
    self.limit = limit
    self.trouble = directory.map(KernelCache.prepare) ?? "no home directory is known"
    self.directory = trouble == nil ? directory : nil
  }

  /// Makes the directory; what is wrong with it, if anything.
  private static func prepare(_ path: String) -> String? {
    guard !path.isEmpty, !path.utf8.contains(0) else { return "its path is empty or holds a NUL" }
    let bytes = Array(path.utf8)
    for end in 1...bytes.count where end == bytes.count || bytes[end] == UInt8(ascii: "/") {
      // Levels that are there already are not ours to judge; the last one is checked below.
      _ = mkdir(String(decoding: bytes[..<end], as: UTF8.self), 0o700)
    }
    var status = stat()
    guard stat(path, &status) == 0 else { return systemMessage() }
    // Whoever can write here can have code run as this user.
    guard status.st_uid == geteuid(), status.st_mode & 0o022 == 0 else {
      return "others may write to it"
    }
    return access(path, W_OK) == 0 ? nil : systemMessage()
  }

  // MARK: Entries

  private static let magic = Array("BURINOBJ".utf8)

  /// The bytes that were stored under a key, unless they are gone or damaged.
  func find(_ key: Key) -> [UInt8]? {
    guard let path = path(of: key), let file = try? RegularFile(path: path),
      let entry = try? file.contents(limit: 1 << 30)
    else { return nil }
    let start = KernelCache.magic.count + SHA256.byteCount
    guard entry.count >= start, entry.starts(with: KernelCache.magic),
      Array(SHA256.hash(bytes: entry[start...])) == Array(entry[KernelCache.magic.count..<start])
    else {
      unlink(path)
      return nil
    }
    // The time of the last use decides what goes first.
    utimensat(AT_FDCWD, path, nil, 0)
    return Array(entry[start...])
  }

  /// Stores bytes under a key.
  func store(_ bytes: [UInt8], under key: Key) {
    guard let path = path(of: key), let file = try? AtomicFile(path: path, mode: 0o600) else {
      return
    }
    let entry = KernelCache.magic + Array(SHA256.hash(bytes: bytes[...])) + bytes
    guard (try? file.write(entry)) != nil, (try? file.commit()) != nil else { return }
    shrink(to: limit)
  }

  /// Forgets one entry.
  func remove(_ key: Key) {
    if let path = path(of: key) { unlink(path) }
  }

  private func path(of key: Key) -> String? { directory.map { "\($0)/\(key.name)" } }

  // MARK: Size

  /// The bytes that it takes.
  public var size: Int { entries().reduce(0) { $0 + $1.size } }

  /// Removes every entry.
  public func clear() { shrink(to: -1) }

  private struct Entry {
    var path: String
    var size: Int
    var used: timespec
  }

  /// Our own files in the directory; anything else there is left alone.
  private func entries() -> [Entry] {
    guard let directory else { return [] }
    var found: [Entry] = []
    for name in Files.names(in: directory)
    where name.hasPrefix(Key.prefix) || name.hasPrefix(".burin-") {
      var status = stat()
      let path = "\(directory)/\(name)"
      guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
      // Temporary files are another process's, unless they are old.
      if name.hasPrefix("."), time(nil) - status.st_mtim.tv_sec < 3600 { continue }
      found.append(Entry(path: path, size: Int(status.st_size), used: status.st_mtim))
    }
    return found
  }

  private func shrink(to limit: Int) {
    let found = entries()
    var total = found.reduce(0) { $0 + $1.size }
    guard total > limit else { return }
    // A tenth more than necessary, so that not every store has to look for room.
    let goal = limit - limit / 10
    let oldest = found.sorted {
      ($0.used.tv_sec, $0.used.tv_nsec) < ($1.used.tv_sec, $1.used.tv_nsec)
    }
    for entry in oldest where total > goal || limit < 0 {
      unlink(entry.path)
      total -= entry.size
    }
  }

  /// The name of an entry: a hash over everything that its contents depend on.
  struct Key: Hashable, Sendable {
    static let prefix = "entry-"
    let name: String

    /// A key over a list of parts; no two lists give the same one.
    init(_ parts: [[UInt8]]) {
      var hash = SHA256()
      for part in parts {
        withUnsafeBytes(of: UInt64(part.count).littleEndian) { hash.update(bufferPointer: $0) }
        part.withUnsafeBytes { hash.update(bufferPointer: $0) }
      }
      name = Key.prefix + hexadecimal(Array(hash.finalize()))
    }
  }
}

/// Two digits a byte.
func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
  let digits = Array("0123456789abcdef".utf8)
  return String(
    decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}

extension SHA256 {
  /// The hash of some bytes.
  static func hash(bytes: ArraySlice<UInt8>) -> SHA256.Digest {
    var hash = SHA256()
    bytes.withUnsafeBytes { hash.update(bufferPointer: $0) }
    return hash.finalize()
  }
}
