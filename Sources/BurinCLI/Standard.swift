import BurinHub
import Glibc

/// The three standard streams.
enum Standard {
  /// Writes to standard output. A reader that has gone is nothing to talk about.
  static func output(_ text: String) throws {
    try output(Array(text.utf8))
  }

  /// Writes bytes to standard output.
  static func output(_ bytes: [UInt8]) throws {
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes {
        write(STDOUT_FILENO, $0.baseAddress! + done, bytes.count - done)
      }
      if count >= 0 {
        done += count
      } else if errno == EPIPE {
        throw Failure(74, "")
      } else if errno != EINTR {
        throw Failure(74, "standard output: " + String(cString: strerror(errno)))
      }
    }
  }

  /// Writes one JSON value to standard output.
  static func output(_ json: JSON) throws {
    try output(json.utf8 + [UInt8(ascii: "\n")])
  }

  /// Writes a line to standard error; there is nobody to tell if that fails.
  static func error(_ text: String) { prompt(text.hasSuffix("\n") ? text : text + "\n") }

  /// Writes to standard error what does not end a line.
  static func prompt(_ text: String) {
    let bytes = Array(text.utf8)
    _ = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }

  /// Something worth knowing that stops nothing.
  static func note(_ text: String) { error("burin: " + line(text)) }

  /// Puts what can be neither read nor written in the place of each stream that is closed: else the
  /// next file that is opened would be taken for it.
  static func fillPlaces() {
    for (stream, mode) in [
      (STDIN_FILENO, O_WRONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_RDONLY),
    ] where fcntl(stream, F_GETFD) < 0 {
      // The lowest number that is free is the stream's.
      _ = open("/dev/null", mode)
    }
  }

  /// Everything on standard input.
  static func input() throws -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(STDIN_FILENO, &buffer, buffer.count)
      if count == 0 { return bytes }
      if count > 0 {
        bytes += buffer[..<count]
      } else if errno != EINTR {
        throw Failure(74, "standard input: " + String(cString: strerror(errno)))
      }
      guard bytes.count <= 1 << 30 else { throw Failure.input("standard input: more than 1 GiB") }
    }
  }
}

/// A line on standard error that is written over and over, only where a person watches.
struct ProgressLine {
  private let isShown = isatty(STDERR_FILENO) == 1
  private var last = ""

  /// Shows a new state.
  mutating func show(_ text: String) {
    guard isShown, text != last else { return }
    last = text
    put("\r\u{1B}[K" + text)
  }

  /// Shows how much of something is done, as a bar.
  mutating func show(_ text: String, _ done: Int, of all: Int) {
    let width = 24
    let filled = all > 0 ? done * width / all : width
    let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: width - filled)
    show("\(text) [\(bar)] \(done) of \(all)")
  }

  /// Takes the line away.
  mutating func clear() {
    guard isShown, !last.isEmpty else { return }
    last = ""
    put("\r\u{1B}[K")
  }

  private func put(_ text: String) {
    let bytes = Array(text.utf8)
    _ = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }
}
