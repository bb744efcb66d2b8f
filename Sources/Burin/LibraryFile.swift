import BurinHub
import CBurin
import Crypto
import Glibc

/// A compiled library as a file: an ELF image with the packed weights, the description of the model
/// and checksums behind it. `Runtime/library/format.h` has the layout.
///
/// Reading checks everything but the weights, before any code of the file can run; the weights are
/// checked by the library itself while it first touches them.
public struct LibraryFile: Sendable {
  /// Where the weights stand.
  public enum Placement: Sendable, Hashable {
    /// Behind the image of the same file.
    case embedded
    /// In a file of their own beside it, `NAME.weights`.
    case separate
  }

  /// The file's path.
  public let path: String
  /// The size of the ELF image, which the file begins with.
  public let imageSize: Int
  /// The CPU features that its code needs.
  public let features: [String]
  /// One JSON document.
  public let description: [UInt8]
  /// The bytes of the packed weights.
  public let weightsSize: Int
  /// Where they stand.
  public let placement: Placement
  /// What tells them from other weights, and the checksums of their pieces.
  private let weightsIdentity, checksums: [UInt8]

  /// The path of the weights that belong to a library if they do not stand in its own file.
  public static func weightsPath(of library: String) -> String {
    (library.hasSuffix(".so") ? String(library.dropLast(3)) : library) + ".weights"
  }

  /// What its code was compiled for.
  public var target: Target { Target(features: features) }

  // MARK: Reading

  /// Reads and checks a library.
  ///
  /// - Parameter machine: the features that it may need; `nil` where none of its code will run.
  public init(
    _ path: String, machine: [String]? = Target.machineFeatures
  ) throws(HubError) {
    let file = try RegularFile(path: path)
    let header = try readHeader(file, magic: BURIN_FILE_MAGIC)
    guard header.abi == BURIN_ABI else {
      throw HubError(
        file: path, expected: "interface version \(BURIN_ABI)", found: "\(header.abi)")
    }
    func part(_ offset: UInt64, _ size: UInt64) throws(HubError) -> [UInt8] {
      guard offset <= UInt64(file.size), size <= UInt64(file.size) - offset else {
        throw HubError(
          file: path, expected: "\(size) bytes at \(offset)", found: "a file of \(file.size) bytes")
      }
      var bytes = [UInt8](repeating: 0, count: Int(size))
      try bytes.withUnsafeMutableBufferPointer { buffer throws(HubError) in
        try file.read(at: Int(offset), into: UnsafeMutableRawBufferPointer(buffer))
      }
      return bytes
    }
    var digest = SHA256()
    try hashImage(of: file, size: header.elf_size, into: &digest)
    let features = try part(header.features_offset, header.features_size)
    let description = try part(header.description_offset, header.description_size)
    let checksums = try part(header.checksums_offset, header.checksums_size)
    update(&digest, header: header, with: [features, description, checksums])
    guard Array(digest.finalize()) == bytes(of: header.digest) else {
      throw HubError(
        file: path, expected: "the code and description that were written",
        found: "others: the file is damaged or was altered")
    }
    self.path = path
    imageSize = Int(header.elf_size)
    self.description = description
    weightsSize = Int(header.weights_size)
    placement = header.separate == 1 ? .separate : .embedded
    weightsIdentity = bytes(of: header.weights_identity)
    self.checksums = checksums
    self.features = String(decoding: features, as: UTF8.self).split(separator: ",").map(String.init)
    let missing = machine.map { Target.missing(self.features, on: $0) } ?? []
    guard missing.isEmpty else {
      throw HubError(
        file: path, expected: "a CPU with " + self.features.joined(separator: " "),
        found: "one without " + missing.joined(separator: " "))
    }
    if placement == .separate, weightsSize > 0 {
      // The loader follows links before it looks for the weights.
      let beside = LibraryFile.weightsPath(of: Files.resolved(path) ?? path)
      let weights = try readHeader(
        RegularFile(path: beside), magic: BURIN_WEIGHTS_MAGIC, or: BURIN_FILE_MAGIC)
      guard weights.weights_size == header.weights_size,
        bytes(of: weights.weights_identity) == bytes(of: header.weights_identity)
      else {
        throw HubError(file: beside, expected: "the weights of \(path)", found: "others")
      }
    }
  }

  // MARK: Writing

  /// The path of the header that stands beside a library.
  public static func headerPath(of library: String) -> String {
    (library.hasSuffix(".so") ? String(library.dropLast(3)) : library) + ".h"
  }

  /// Writes a library, and the file of its weights if they are to be separate. All files appear whole
  /// or not at all.
  ///
  /// - Parameters:
  ///   - description: asked for when the weights are written.
  ///   - companions: files that are written already and appear before the library does.
  ///   - weights: hands the packed weights piece by piece, in order, to the function that it is
  ///     given; nothing of them is kept.
  public static func write(
    to path: String, image: [UInt8], target: Target, description: @autoclosure () -> [UInt8],
    weightsSize: Int, placement: Placement = .embedded, companions: [AtomicFile] = [],
    weights: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void
  ) throws {
    let file = LibraryOutput(try AtomicFile(path: path, mode: 0o777))
    try file.write(image)
    let isSeparate = placement == .separate
    let weightsFile =
      isSeparate ? LibraryOutput(try AtomicFile(path: weightsPath(of: path))) : file
    if weightsSize > 0 { try weightsFile.pad(to: Int(BURIN_FILE_ALIGNMENT)) }
    let weightsOffset = weightsFile.size
    let checksums = try writeWeights(weights, size: weightsSize, to: weightsFile)
    let description = description()

    var header = burin_file_header()
    set(&header.magic, Array(BURIN_FILE_MAGIC.utf8))
    header.version = UInt32(BURIN_FILE_VERSION)
    header.abi = UInt32(BURIN_ABI)
    header.separate = isSeparate ? 1 : 0
    header.weights_offset = UInt64(weightsOffset)
    header.weights_size = UInt64(weightsSize)
    set(&header.weights_identity, Array(SHA256.hash(bytes: checksums[...])))
    if isSeparate {
      var header = header
      set(&header.magic, Array(BURIN_WEIGHTS_MAGIC.utf8))
      try weightsFile.finish(&header, parts: [])
    }
    try finish(
      file, &header, image: image, target: target, description: description, checksums: checksums)
    // Whoever sees the new library finds its weights there already.
    try AtomicFile.commit(
      (isSeparate ? [weightsFile.file] : []) + companions + [file.file])
  }

  /// Writes a library that has the weights of another one, to whose file `NAME.weights` is a link.
  static func write(
    to path: String, image: [UInt8], target: Target, description: [UInt8],
    sharing other: LibraryFile
  ) throws {
    let file = LibraryOutput(try AtomicFile(path: path, mode: 0o777))
    try file.write(image)
    var header = burin_file_header()
    set(&header.magic, Array(BURIN_FILE_MAGIC.utf8))
    header.version = UInt32(BURIN_FILE_VERSION)
    header.abi = UInt32(BURIN_ABI)
    header.separate = 1
    header.weights_size = UInt64(other.weightsSize)
    set(&header.weights_identity, other.weightsIdentity)
    try finish(
      file, &header, image: image, target: target, description: description,
      checksums: other.checksums)
    let origin = Files.resolved(other.path) ?? other.path
    let weights = other.placement == .separate ? weightsPath(of: origin) : origin
    guard other.weightsSize == 0 || symlink(weights, weightsPath(of: path)) == 0 else {
      throw HubError(
        .cannotWrite, file: path, expected: "a link to the weights", found: systemMessage())
    }
    try AtomicFile.commit([file.file])
  }

  /// Writes what stands behind image and weights.
  private static func finish(
    _ file: LibraryOutput, _ header: inout burin_file_header, image: [UInt8], target: Target,
    description: [UInt8], checksums: [UInt8]
  ) throws(HubError) {
    header.elf_size = UInt64(image.count)
    let features = Array(target.features.joined(separator: ",").utf8)
    let start = file.headerOffset + MemoryLayout<burin_file_header>.size
    header.features_offset = UInt64(start)
    header.features_size = UInt64(features.count)
    header.description_offset = UInt64(start + features.count)
    header.description_size = UInt64(description.count)
    header.checksums_offset = UInt64(start + features.count + description.count)
    header.checksums_size = UInt64(checksums.count)
    var digest = SHA256()
    image.withUnsafeBytes { digest.update(bufferPointer: $0) }
    try file.finish(&header, parts: [features, description, checksums], digest: digest)
  }

  private static func writeWeights(
    _ produce: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void, size: Int,
    to file: LibraryOutput
  ) throws -> [UInt8] {
    let pieces = ChecksummedPieces()
    var written = 0
    if size > 0 {
      try produce { strip in
        written += strip.count
        guard written <= size else { return }
        pieces.add(strip)
        try file.write(strip)
      }
    }
    guard written == size else {
      throw CompilerError("\(written) bytes of packed weights were produced, expected \(size)")
    }
    return pieces.finish()
  }
}

// MARK: Details of the format

/// A file that is written from front to back.
private final class LibraryOutput {
  let file: AtomicFile
  private(set) var size = 0

  init(_ file: AtomicFile) { self.file = file }

  func write(_ bytes: UnsafeRawBufferPointer) throws(HubError) {
    try file.write(bytes)
    size += bytes.count
  }

  func write(_ bytes: [UInt8]) throws(HubError) {
    try bytes.withUnsafeBufferPointer { buffer throws(HubError) in
      try write(UnsafeRawBufferPointer(buffer))
    }
  }

  func pad(to unit: Int) throws(HubError) {
    try write([UInt8](repeating: 0, count: (unit - size % unit) % unit))
  }

  /// Where the header will stand.
  var headerOffset: Int { (size + 63) / 64 * 64 }

  /// Writes the header, what belongs to it, and the trailer.
  func finish(
    _ header: inout burin_file_header, parts: [[UInt8]], digest: SHA256? = nil
  ) throws(HubError) {
    try pad(to: 64)
    let place = size
    let trailerSize = MemoryLayout<burin_file_trailer>.size
    header.file_size = UInt64(
      place + MemoryLayout<burin_file_header>.size + parts.reduce(0) { $0 + $1.count }
        + trailerSize)
    if var digest {
      update(&digest, header: header, with: parts)
      set(&header.digest, Array(digest.finalize()))
    }
    try write(bytes(of: header))
    for part in parts { try write(part) }
    var trailer = burin_file_trailer()
    set(&trailer.magic, Array(BURIN_TRAILER_MAGIC.utf8))
    trailer.header_offset = UInt64(place)
    try write(bytes(of: trailer))
  }
}

/// Cuts a stream into pieces of the size that is checked and adds up the checksum of each.
private final class ChecksummedPieces {
  private static let pieceSize = 1 << 20
  private var rest: [UInt8] = []
  private var sums: [UInt8] = []

  func add(_ bytes: UnsafeRawBufferPointer) {
    var bytes = bytes[...]
    if !rest.isEmpty {
      let count = min(ChecksummedPieces.pieceSize - rest.count, bytes.count)
      rest += bytes.prefix(count)
      bytes = bytes.dropFirst(count)
      if rest.count == ChecksummedPieces.pieceSize { flush() }
    }
    while bytes.count >= ChecksummedPieces.pieceSize {
      note(UnsafeRawBufferPointer(rebasing: bytes.prefix(ChecksummedPieces.pieceSize)))
      bytes = bytes.dropFirst(ChecksummedPieces.pieceSize)
    }
    rest += bytes
  }

  func finish() -> [UInt8] {
    if !rest.isEmpty { flush() }
    return sums
  }

  private func flush() {
    rest.withUnsafeBytes(note)
    rest.removeAll(keepingCapacity: true)
  }

  private func note(_ piece: UnsafeRawBufferPointer) {
    sums += bytes(of: burin_fast_checksum(piece.baseAddress, piece.count).littleEndian)
  }
}

/// Reads the trailer and the header that it points to, which begins with `magic`, or with `other`.
private func readHeader(
  _ file: RegularFile, magic: String, or other: String? = nil
) throws(HubError) -> burin_file_header {
  let path = file.path
  var trailer = burin_file_trailer()
  var header = burin_file_header()
  let room = MemoryLayout<burin_file_header>.size
  let trailerSize = MemoryLayout<burin_file_trailer>.size
  if file.size >= trailerSize {
    try withUnsafeMutableBytes(of: &trailer) { buffer throws(HubError) in
      try file.read(at: file.size - trailerSize, into: buffer)
    }
  }
  guard bytes(of: trailer.magic) == Array(BURIN_TRAILER_MAGIC.utf8) else {
    var start = [UInt8](repeating: 0, count: min(4, file.size))
    try start.withUnsafeMutableBufferPointer { buffer throws(HubError) in
      try file.read(at: 0, into: UnsafeMutableRawBufferPointer(buffer))
    }
    let isImage = start == [0x7f] + Array("ELF".utf8)
    throw HubError(
      file: path, expected: "a library that Burin compiled",
      found: isImage
        ? "no model behind its code: it is truncated or another's, or was it stripped?"
        : "a file of another kind, or a truncated one")
  }
  let place = trailer.header_offset
  guard place <= UInt64(file.size), UInt64(file.size) - place >= UInt64(room + trailerSize) else {
    throw HubError(
      file: path, expected: "a header inside the file", found: "one at byte \(place)")
  }
  try withUnsafeMutableBytes(of: &header) { buffer throws(HubError) in
    try file.read(at: Int(place), into: buffer)
  }
  let found = bytes(of: header.magic)
  guard found == Array(magic.utf8) || found == other.map({ Array($0.utf8) }) else {
    throw HubError(file: path, expected: "a header that begins with \(magic)", found: "another")
  }
  guard header.version == UInt32(BURIN_FILE_VERSION) else {
    throw HubError(
      file: path, expected: "format version \(BURIN_FILE_VERSION)", found: "\(header.version)")
  }
  guard header.file_size == UInt64(file.size) else {
    throw HubError(
      file: path, expected: "\(header.file_size) bytes", found: "\(file.size)")
  }
  let weightsFit =
    header.separate == 1 && found == Array(BURIN_FILE_MAGIC.utf8)
    || header.weights_offset <= place && header.weights_size <= place - header.weights_offset
  guard header.separate <= 1, header.elf_size <= place, weightsFit else {
    throw HubError(
      file: path, expected: "code and weights before byte \(place)", found: "others")
  }
  return header
}

private func hashImage(
  of file: RegularFile, size: UInt64, into digest: inout SHA256
) throws(HubError) {
  var buffer = [UInt8](repeating: 0, count: 1 << 20)
  var position = 0
  while position < Int(size) {
    let count = min(buffer.count, Int(size) - position)
    try buffer.withUnsafeMutableBufferPointer { buffer throws(HubError) in
      let part = UnsafeMutableRawBufferPointer(
        rebasing: UnsafeMutableRawBufferPointer(buffer)[..<count])
      try file.read(at: position, into: part)
      digest.update(bufferPointer: UnsafeRawBufferPointer(part))
    }
    position += count
  }
}

/// Adds everything behind the image to the digest, the header without the digest itself.
private func update(_ digest: inout SHA256, header: burin_file_header, with parts: [[UInt8]]) {
  var header = header
  set(&header.digest, [UInt8](repeating: 0, count: 32))
  for part in [bytes(of: header)] + parts {
    part.withUnsafeBytes { digest.update(bufferPointer: $0) }
  }
}

private func bytes<Value>(of value: Value) -> [UInt8] {
  withUnsafeBytes(of: value) { Array($0) }
}

private func set<Value>(_ value: inout Value, _ bytes: [UInt8]) {
  withUnsafeMutableBytes(of: &value) { $0.copyBytes(from: bytes.prefix($0.count)) }
}
