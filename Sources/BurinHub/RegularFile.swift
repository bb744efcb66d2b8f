import Glibc

/// A regular file that is held open and read by position, from any number of threads.
public final class RegularFile: Sendable {
  /// The path for messages, as the caller spelled it.
  public let path: String
  /// Its size in bytes when it was opened.
  public let size: Int

  private let descriptor: Int32

  /// Opens a file; a directory, a pipe or a device is refused before anything is read.
  ///
  /// - Parameter shown: the path for messages when `path` is a resolved one.
  public init(path: String, shownAs shown: String? = nil) throws(HubError) {
    let name = shown ?? path
    guard !path.utf8.contains(0) else {
      throw HubError(file: name, expected: "a path without NUL", found: "one")
    }
    // Looked at before it is opened: opening a device can already act on it.
    var status = stat()
    guard stat(path, &status) == 0 else { throw RegularFile.failure(name) }
    try RegularFile.requireRegular(status, name)
    // The file may have been exchanged since; a pipe must not block.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
    guard descriptor >= 0 else { throw RegularFile.failure(name) }
    do throws(HubError) {
      guard fstat(descriptor, &status) == 0 else { throw RegularFile.failure(name) }
      try RegularFile.requireRegular(status, name)
    } catch {
      close(descriptor)
      throw error
    }
    self.path = name
    self.size = Int(status.st_size)
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  /// Fills a buffer with the bytes from `offset` on; a file that ends earlier is an error.
  public func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(HubError) {
    var done = 0
    while done < buffer.count {
      let count = pread(
        descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(offset + done))
      if count < 0 {
        if errno == EINTR { continue }
        throw RegularFile.failure(path)
      }
      guard count > 0 else {
        throw HubError(
          file: path, expected: "\(size) bytes, its size when it was opened",
          found: "its end at byte \(offset + done)")
      }
      done += count
    }
  }

  /// All its bytes; refused when they are more than `limit`.
  public func contents(limit: Int) throws(HubError) -> [UInt8] {
    guard size <= limit else {
      throw HubError(file: path, expected: "at most \(limit) bytes", found: "\(size)")
    }
    var bytes = [UInt8](repeating: 0, count: size)
    try bytes.withUnsafeMutableBufferPointer { buffer throws(HubError) in
      try read(at: 0, into: UnsafeMutableRawBufferPointer(buffer))
    }
    return bytes
  }

  // MARK: Errors

  private static func requireRegular(_ status: stat, _ path: String) throws(HubError) {
    let found =
      switch status.st_mode & S_IFMT {
      case S_IFREG: ""
      case S_IFDIR: "a directory"
      case S_IFIFO: "a pipe"
      case S_IFSOCK: "a socket"
      default: "a device"
      }
    guard found.isEmpty else {
      throw HubError(file: path, expected: "a regular file", found: found)
    }
  }

  /// What the system just said about a path.
  static func failure(_ path: String, kind: HubError.Kind = .cannotRead) -> HubError {
    let code = errno
    return HubError(
      kind, file: path,
      expected: kind == .cannotRead ? "a file that can be read" : "a file that can be written",
      found: "\"\(String(cString: strerror(code)))\"")
  }
}
