import Glibc

/// What a measurement depends on besides the code: this machine.
public enum Machine {
  /// As many threads as OpenMP would take.
  public static var threads: Int {
    if let text = getenv("OMP_NUM_THREADS"), let count = Int(String(cString: text)), count > 0 {
      return count
    }
    return max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
  }

  /// What the system says of its first processor, without what changes from moment to moment.
  static let processor: String = {
    let wanted = [
      "vendor_id", "cpu family", "model", "model name", "stepping", "cache size", "CPU implementer",
      "CPU part", "CPU revision",
    ]
    var known: [String] = []
    for line in text(of: "/proc/cpuinfo").split(separator: "\n", omittingEmptySubsequences: false) {
      if line.isEmpty { break }
      let parts = line.split(separator: ":", maxSplits: 1)
      let key = parts[0].filter { $0 != "\t" }
      if parts.count == 2, wanted.contains(key) { known.append(key + ":" + parts[1]) }
    }
    return known.joined(separator: "\n")
  }()

  /// The beginning of a file whose size nobody knows before it is read.
  private static func text(of path: String) -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return "" }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 14)
    while bytes.count < 1 << 16 {
      let count = read(descriptor, &buffer, buffer.count)
      guard count > 0 else { break }
      bytes += buffer[..<count]
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
