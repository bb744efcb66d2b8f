import Glibc
import Testing

/// `burin` on a terminal of its own, at which the test sits.
final class Terminal {
  /// Whether this machine has pseudo-terminals.
  static let isThere = access("/dev/ptmx", R_OK | W_OK) == 0

  /// The key that interrupts, and the one that ends the input.
  static let (interrupt, endOfInput) = ("\u{3}", "\u{4}")

  /// POSIX_SPAWN_SETSID: the process leads a session, whose terminal is the first that it opens.
  private static let leadsSession: Int16 = 0x80

  private let process: pid_t
  private let screen: Int32
  private var bytes: [UInt8] = []
  private var hasEnded = false

  /// What has been shown since something was typed last, without carriage returns; the terminal
  /// shows what is typed too.
  var shown: String { String(decoding: bytes, as: UTF8.self) }

  /// Starts `burin`.
  init(_ arguments: [String]) throws {
    var (near, far): (Int32, Int32) = (-1, -1)
    var name = [CChar](repeating: 0, count: 128)
    let failure = openpty(&near, &far, &name, nil, nil)
    try #require(failure == 0, "openpty: \(String(cString: strerror(errno)))")
    screen = near
    // The process opens its end itself, so that it becomes its terminal.
    for end in [near, far] { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    defer { close(far) }
    let path = name
    process = try Burin.spawn(arguments, flags: Terminal.leadsSession) { actions in
      posix_spawn_file_actions_addopen(&actions, 0, path, O_RDWR, 0)
      posix_spawn_file_actions_adddup2(&actions, 0, 1)
      posix_spawn_file_actions_adddup2(&actions, 0, 2)
    }
  }

  deinit {
    if !hasEnded {
      kill(process, SIGKILL)
      _ = Burin.wait(process)
    }
    close(screen)
  }

  /// Types a text.
  func type(_ text: String) throws {
    bytes = []
    let keys = Array(text.utf8)
    let count = write(screen, keys, keys.count)
    try #require(count == keys.count, "the terminal takes no \(keys)")
  }

  /// Waits until what is shown is as wanted.
  func wait(until isReached: (String) -> Bool) throws {
    let limit = Self.limit()
    while !isReached(shown) {
      try #require(ContinuousClock().now < limit, "the terminal shows \(shown.suffix(200))")
      look()
    }
  }

  /// Waits for the end of `burin`; gives its exit status.
  func end() throws -> Int32 {
    let limit = Self.limit()
    var status: Int32 = 0
    while waitpid(process, &status, WNOHANG) == 0 {
      try #require(ContinuousClock().now < limit, "the terminal shows \(shown.suffix(200))")
      look()
    }
    hasEnded = true
    while look(patience: 0) {}
    return Burin.exitStatus(status)
  }

  /// A minute from now: machines that test are slow, and do other things besides.
  private static func limit() -> ContinuousClock.Instant {
    ContinuousClock().now.advanced(by: .seconds(60))
  }

  /// Takes in what is shown within some milliseconds; whether that is anything.
  @discardableResult private func look(patience: Int32 = 50) -> Bool {
    var wanted = pollfd(fd: screen, events: Int16(POLLIN), revents: 0)
    guard poll(&wanted, 1, patience) > 0 else { return false }
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = read(screen, &buffer, buffer.count)
    guard count > 0 else {
      // The other end is closed, and the process about to end.
      usleep(1000)
      return false
    }
    bytes += buffer[..<count].filter { $0 != UInt8(ascii: "\r") }
    return true
  }
}
