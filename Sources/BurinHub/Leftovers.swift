import Glibc
import Synchronization

/// The temporary files and directories, and the processes, that would be left behind if this process
/// ended now.
public enum Leftovers {
  private struct State {
    var paths: Set<[UInt8]> = []
    var groups: Set<Int32> = []
  }

  private static let state = Mutex(State())

  /// Remembers a file, or a directory that holds only files, before it is made.
  public static func add(_ path: String) {
    state.withLock { _ = $0.paths.insert(Array(path.utf8)) }
  }

  /// Forgets a path that is gone, or that has become something to keep.
  public static func remove(_ path: String) {
    state.withLock { _ = $0.paths.remove(Array(path.utf8)) }
  }

  /// Starts a process in a group of its own, and remembers the group before this process can end.
  ///
  /// - Parameter start: gives the group; nil if nothing was started.
  public static func start(_ start: () -> Int32?) {
    state.withLock { state in
      if let group = start() { state.groups.insert(group) }
    }
  }

  /// Forgets a process group that has ended.
  public static func remove(processGroup group: Int32) {
    state.withLock { _ = $0.groups.remove(group) }
  }

  /// Does what this process must not end in the middle of; neither adds nor removes anything here.
  static func whole<Failure: Error>(_ body: () throws(Failure) -> Void) throws(Failure) {
    try state.withLock { _ throws(Failure) in try body() }
  }

  /// Removes a directory that holds nothing but files, and forgets it.
  public static func removeDirectory(_ path: String) {
    empty(path)
    remove(path)
  }

  /// Kills and removes everything and ends the process; nothing new is made meanwhile.
  public static func removeAllAndExit(_ status: Int32) -> Never {
    state.withLock { state in
      for group in state.groups { kill(-group, SIGKILL) }
      for bytes in state.paths {
        let path = String(decoding: bytes, as: UTF8.self)
        if unlink(path) != 0, errno == EISDIR || errno == EPERM { empty(path) }
      }
      // The lock is kept: whoever is about to make another file waits for ever.
      _exit(status)
    }
  }

  private static func empty(_ path: String) {
    guard let listing = opendir(path) else { return }
    while let item = readdir(listing) {
      let name = withUnsafePointer(to: &item.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { unlink("\(path)/\(name)") }
    }
    closedir(listing)
    rmdir(path)
  }
}
