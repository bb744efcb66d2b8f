import BurinHub
import FoundationEssentials
import Glibc

/// A directory that goes away with the test that made it.
final class TemporaryDirectory {
  let path: String

  init() {
    var template = Array("/tmp/burin-tests-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { fatalError("no temporary directory: errno \(errno)") }
    path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
  }

  deinit {
    try? FileManager.default.removeItem(atPath: path)
  }

  /// The path of something inside.
  func callAsFunction(_ name: String) -> String { path + "/" + name }

  /// Writes a file, and the directories on the way to it.
  @discardableResult
  func write(_ bytes: [UInt8], to name: String) -> String {
    let path = self(name)
    for end in path.indices where path[end] == "/" { mkdir(String(path[..<end]), 0o755) }
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    guard descriptor >= 0, Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
      fatalError("cannot write \(path)")
    }
    close(descriptor)
    return path
  }

  /// Writes a text file.
  @discardableResult
  func write(_ text: String, to name: String) -> String { write(Array(text.utf8), to: name) }

  /// The names inside, sorted.
  var names: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
  }
}

/// The bytes of a safetensors file with this header text and data.
func safetensors(_ header: String, data: [UInt8] = []) -> [UInt8] {
  safetensors(Array(header.utf8), data: data)
}

/// The bytes of a safetensors file with this header and data.
func safetensors(_ header: [UInt8], data: [UInt8] = []) -> [UInt8] {
  let length = UInt64(header.count)
  return (0..<8).map { UInt8(truncatingIfNeeded: length >> ($0 * 8)) } + header + data
}

/// The message of the error that a body throws.
func message(_ body: () throws -> Void) -> String {
  do {
    try body()
    return "nothing was thrown"
  } catch {
    return "\(error)"
  }
}
