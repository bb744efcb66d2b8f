import BurinC
import BurinHub
import CBurin
import Glibc

extension LibraryFile {
  /// Refuses to let a library's companions, whose names nobody chose, take the place of files that
  /// Burin did not write: people write headers, and other programs weights.
  ///
  /// - Throws: `HubError` that names the file.
  static func keepOthers(besides library: String, placement: Placement) throws(HubError) {
    try keep(headerPath(of: library), unlessIs: "a header", marked: Module.headerMark)
    if placement == .separate {
      try keep(
        weightsPath(of: library), unlessIs: "weights", marked: Array(BURIN_TRAILER_MAGIC.utf8),
        fromEnd: MemoryLayout<burin_file_trailer>.size)
    }
  }

  /// - Parameter fromEnd: how many bytes before its end a file of ours has the mark; at its start if
  ///   left out.
  private static func keep(
    _ path: String, unlessIs kind: String, marked mark: [UInt8], fromEnd: Int? = nil
  ) throws(HubError) {
    _ = try AtomicFile(path: path)
    guard access(path, F_OK) == 0 else { return }
    let file = try RegularFile(path: path)
    let start = fromEnd.map { file.size - $0 } ?? 0
    if start >= 0, file.size - start >= mark.count {
      var found = mark.map { _ in 0 as UInt8 }
      try found.withUnsafeMutableBufferPointer { buffer throws(HubError) in
        try file.read(at: start, into: UnsafeMutableRawBufferPointer(buffer))
      }
      if found == mark { return }
    }
    throw HubError(
      .cannotWrite, file: path, expected: "nothing, or \(kind) that Burin wrote",
      found: "another file; move it or choose another name for the library")
  }
}
