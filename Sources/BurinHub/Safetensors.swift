/// A tensor in a file: what it is called, what it holds and where its bytes are.
public struct StoredTensor: Sendable, Hashable {
  /// Its name; two names are the same only byte for byte.
  public let name: ByteString
  /// The type of an element.
  public let type: StoredType
  /// The extents, outermost first; empty for a scalar.
  public let shape: [Int]
  /// How many elements it has.
  public let count: Int
  /// How many bytes they take.
  public let byteCount: Int
  /// Where the first byte stands in the file.
  let offset: Int
}

/// A safetensors file, checked whole when it is opened and read in strips.
///
/// Follows https://huggingface.co/docs/safetensors: 8 bytes of header length, a JSON object that
/// starts at once, then the data, which the tensors cover without hole or overlap. Data need not be
/// aligned. Reading is safe from any number of threads.
public final class SafetensorsFile: Sendable {
  /// The path for messages, as the caller spelled it.
  public var path: String { file.path }
  /// The tensors in the order of their data.
  public let tensors: [StoredTensor]
  /// The strings of `__metadata__`.
  public let metadata: [ByteString: ByteString]

  private let file: RegularFile
  private let index: KeyIndex

  /// Opens a file and checks everything that its header says.
  ///
  /// - Throws: `HubError` that names the tensor and what is wrong with it.
  public convenience init(path: String) throws(HubError) {
    try self.init(RegularFile(path: path))
  }

  /// Checks everything that the header of an open file says.
  init(_ file: RegularFile) throws(HubError) {
    let header = try SafetensorsHeader(file)
    self.file = file
    self.tensors = header.tensors
    self.metadata = header.metadata
    self.index = header.index
  }

  /// The tensor of this name, or nil.
  public func tensor(_ name: ByteString) -> StoredTensor? {
    index.find(name, among: tensors.count) { tensors[$0].name }.map { tensors[$0] }
  }

  /// Fills a buffer with a tensor's stored bytes from byte `start` of the tensor on.
  ///
  /// - Requires: the tensor is of this file and the range lies inside it.
  public func readBytes(
    of tensor: StoredTensor, from start: Int = 0, into buffer: UnsafeMutableRawBufferPointer
  ) throws(HubError) {
    precondition(
      start >= 0 && buffer.count <= tensor.byteCount - start,
      "bytes \(start)..<\(start + buffer.count) of a tensor of \(tensor.byteCount) bytes")
    try file.read(at: tensor.offset + start, into: buffer)
  }

  /// A tensor's stored bytes.
  public func bytes(of tensor: StoredTensor) throws(HubError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: tensor.byteCount)
    try bytes.withUnsafeMutableBufferPointer { buffer throws(HubError) in
      try readBytes(of: tensor, into: UnsafeMutableRawBufferPointer(buffer))
    }
    return bytes
  }

  /// Fills a buffer with a tensor's elements from element `start` on, widened or rounded to float.
  ///
  /// - Requires: the tensor is of this file and the range lies inside it.
  /// - Throws: `HubError` when the file ends early or the type is one that Burin does not read.
  public func readFloats(
    of tensor: StoredTensor, from start: Int = 0, into buffer: UnsafeMutableBufferPointer<Float>
  ) throws(HubError) {
    precondition(
      start >= 0 && buffer.count <= tensor.count - start,
      "elements \(start)..<\(start + buffer.count) of a tensor of \(tensor.count)")
    guard tensor.type.isReadable else {
      throw HubError(
        file: path, key: printable(tensor.name.bytes) + ".dtype",
        expected: "one of " + StoredType.readable, found: tensor.type.rawValue)
    }
    guard !buffer.isEmpty else { return }
    let size = tensor.type.bits / 8
    let offset = tensor.offset + start * size
    if tensor.type == .f32 {
      return try file.read(at: offset, into: UnsafeMutableRawBufferPointer(buffer))
    }
    // A strip that stays in the second-level cache between reading and widening.
    let strip = min(buffer.count, 32_768)
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: strip * size, alignment: 64)
    defer { scratch.deallocate() }
    var done = 0
    while done < buffer.count {
      let count = min(strip, buffer.count - done)
      try file.read(
        at: offset + done * size,
        into: UnsafeMutableRawBufferPointer(rebasing: scratch[..<(count * size)]))
      tensor.type.widen(scratch.baseAddress!, count: count, into: buffer.baseAddress! + done)
      done += count
    }
  }

  /// A tensor's elements, widened or rounded to float.
  public func floats(of tensor: StoredTensor) throws(HubError) -> [Float] {
    var floats = [Float](repeating: 0, count: tensor.count)
    try floats.withUnsafeMutableBufferPointer { buffer throws(HubError) in
      try readFloats(of: tensor, into: buffer)
    }
    return floats
  }
}
