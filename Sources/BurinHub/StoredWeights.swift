/// The tensors of a model, from one file or from many, found by the bytes of their names.
///
/// Reading is safe from any number of threads.
public final class StoredWeights: Sendable {
  /// The model directory's path, for messages.
  public let path: String
  /// The tensors: in the order of the data, or of the index when there is one.
  public let tensors: [StoredTensor]

  private let files: [SafetensorsFile]
  /// The file of each tensor.
  private let fileNumbers: [Int]
  private let index: KeyIndex

  /// The tensors of files: all of them, or those that an index places.
  init(
    path: String, files: [SafetensorsFile], places: [(name: ByteString, file: Int)]?
  ) throws(HubError) {
    var tensors: [StoredTensor] = []
    var numbers: [Int] = []
    if let places {
      for (name, number) in places {
        guard let tensor = files[number].tensor(name) else { continue }
        tensors.append(tensor)
        numbers.append(number)
      }
    } else {
      for (number, file) in files.enumerated() {
        tensors += file.tensors
        numbers += repeatElement(number, count: file.tensors.count)
      }
    }
    let (index, repeated) = KeyIndex.build(tensors.count) { tensors[$0].name }
    if let repeated {
      throw HubError(
        file: path, key: printable(tensors[repeated].name.bytes), expected: "each tensor once",
        found: "it again")
    }
    self.path = path
    self.tensors = tensors
    self.files = files
    self.fileNumbers = numbers
    self.index = index
  }

  /// How many bytes the tensors take in their files.
  public var byteCount: Int { tensors.reduce(0) { $0 + $1.byteCount } }

  /// The tensor of this name, or nil.
  public func tensor(_ name: ByteString) -> StoredTensor? {
    number(name).map { tensors[$0] }
  }

  /// The tensor of this name, which has to be there, of this shape and of a type that Burin reads.
  public func tensor(_ name: ByteString, shape: [Int]) throws(HubError) -> StoredTensor {
    guard let tensor = tensor(name) else {
      throw HubError(
        file: path, key: printable(name.bytes), expected: "a tensor of shape \(shortened(shape))",
        found: "nothing")
    }
    guard tensor.shape == shape else {
      throw HubError(
        file: path, key: printable(name.bytes), expected: "the shape \(shortened(shape))",
        found: shortened(tensor.shape))
    }
    guard tensor.type.isReadable else {
      throw HubError(
        file: path, key: printable(name.bytes) + ".dtype",
        expected: "one of " + StoredType.readable, found: tensor.type.rawValue)
    }
    return tensor
  }

  /// The names that are in the files though nobody asked for them, in order.
  public func unexpected(beyond used: Set<ByteString>) -> [ByteString] {
    tensors.map(\.name).filter { !used.contains($0) }
  }

  /// Fills a buffer with a tensor's stored bytes from byte `start` of the tensor on.
  ///
  /// - Requires: the range lies inside the tensor.
  /// - Throws: `HubError` when there is no such tensor or its file cannot be read.
  public func readBytes(
    of name: ByteString, from start: Int = 0, into buffer: UnsafeMutableRawBufferPointer
  ) throws(HubError) {
    let (tensor, file) = try place(name)
    try file.readBytes(of: tensor, from: start, into: buffer)
  }

  /// Fills a buffer with a tensor's elements from element `start` on, widened or rounded to float.
  ///
  /// - Requires: the range lies inside the tensor.
  /// - Throws: `HubError` when there is no such tensor, its type is one that Burin does not read or
  ///   its file cannot be read.
  public func readFloats(
    of name: ByteString, from start: Int = 0, into buffer: UnsafeMutableBufferPointer<Float>
  ) throws(HubError) {
    let (tensor, file) = try place(name)
    try file.readFloats(of: tensor, from: start, into: buffer)
  }

  /// A tensor's elements, widened or rounded to float.
  public func floats(of name: ByteString) throws(HubError) -> [Float] {
    let (tensor, file) = try place(name)
    return try file.floats(of: tensor)
  }

  private func number(_ name: ByteString) -> Int? {
    index.find(name, among: tensors.count) { tensors[$0].name }
  }

  private func place(_ name: ByteString) throws(HubError) -> (StoredTensor, SafetensorsFile) {
    guard let number = number(name) else {
      throw HubError(
        file: path, key: printable(name.bytes), expected: "a tensor", found: "nothing")
    }
    return (tensors[number], files[fileNumbers[number]])
  }
}
