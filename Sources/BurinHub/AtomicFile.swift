import Glibc

/// A file that appears under its name whole or not at all.
///
/// It is written under a temporary name in the same directory; `commit` renames it. One that is
/// dropped without `commit` leaves nothing behind.
public final class AtomicFile {
  /// Where the file will appear.
  public let path: String

  private let directory: String
  private let temporary: String
  private var descriptor: Int32
  private var isCommitted = false

  /// Makes the temporary file; what stands at `path` may only be a regular file.
  ///
  /// - Parameter mode: permissions before the process's mask, such as `0o755` for a library.
  public init(path: String, mode: UInt32 = 0o666) throws(HubError) {
    guard !path.utf8.contains(0), !path.isEmpty else {
      throw HubError(
        .cannotWrite, file: path, expected: "a path", found: path.isEmpty ? "none" : "a NUL")
    }
    // Renaming over a device or a pipe would replace it.
    var status = stat()
    if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
      throw HubError(
        .cannotWrite, file: path, expected: "a regular file or nothing",
        found: status.st_mode & S_IFMT == S_IFDIR ? "a directory" : "a device or a pipe")
    }
    let parent = path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[...$0]) } ?? ""
    var random = SystemRandomNumberGenerator()
    var candidate = ""
    var opened: Int32 = -1
    for _ in 0..<8 where opened < 0 {
      candidate = "\(parent).burin-" + String(random.next() as UInt64, radix: 36)
      Leftovers.add(candidate)
      opened = open(candidate, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
      let code = errno
      if opened < 0 { Leftovers.remove(candidate) }
      errno = code
      if opened < 0, code != EEXIST { break }
    }
    guard opened >= 0 else { throw RegularFile.failure(path, kind: .cannotWrite) }
    self.path = path
    self.directory = parent.isEmpty ? "." : parent
    self.temporary = candidate
    self.descriptor = opened
  }

  deinit {
    defer { Leftovers.remove(temporary) }
    if descriptor >= 0 { close(descriptor) }
    if !isCommitted { unlink(temporary) }
  }

  /// Appends bytes.
  public func write(_ bytes: UnsafeRawBufferPointer) throws(HubError) {
    precondition(descriptor >= 0, "write after commit")
    var done = 0
    while done < bytes.count {
      let count = Glibc.write(descriptor, bytes.baseAddress! + done, bytes.count - done)
      if count < 0 {
        if errno == EINTR { continue }
        throw RegularFile.failure(path, kind: .cannotWrite)
      }
      done += count
    }
  }

  /// Appends bytes.
  public func write(_ bytes: [UInt8]) throws(HubError) {
    try bytes.withUnsafeBufferPointer { buffer throws(HubError) in
      try write(UnsafeRawBufferPointer(buffer))
    }
  }

  /// Lets the file appear under its name, in place of what stood there.
  public func commit() throws(HubError) { try AtomicFile.commit([self]) }

  /// Lets files that belong together appear, in order, when all of them are written whole; of two
  /// processes that do so in one directory at once, one after the other.
  public static func commit(_ files: [AtomicFile]) throws(HubError) {
    for file in files { try file.finish() }
    // Some file systems have no locks; then only each file by itself is whole.
    let lock = files.count > 1 ? open(files[0].directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1
    defer { if lock >= 0 { close(lock) } }
    if lock >= 0 { while flock(lock, LOCK_EX) != 0, errno == EINTR {} }
    try Leftovers.whole { () throws(HubError) in
      for file in files {
        guard rename(file.temporary, file.path) == 0 else {
          throw RegularFile.failure(file.path, kind: .cannotWrite)
        }
        file.isCommitted = true
      }
    }
  }

  private func finish() throws(HubError) {
    precondition(descriptor >= 0, "commit twice")
    let closed = close(descriptor)
    descriptor = -1
    // Some file systems report a full disk only here.
    guard closed == 0 else { throw RegularFile.failure(path, kind: .cannotWrite) }
  }
}
