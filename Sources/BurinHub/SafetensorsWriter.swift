/// Writes a safetensors file tensor by tensor; it appears whole under its name or not at all.
public final class SafetensorsWriter {
  /// A tensor that is going to be written.
  public struct Declaration: Sendable, Hashable {
    /// Its name.
    public var name: ByteString
    /// The type of an element.
    public var type: StoredType
    /// The extents, outermost first.
    public var shape: [Int]

    /// A tensor of this name, type and shape.
    public init(_ name: ByteString, _ type: StoredType, _ shape: [Int]) {
      self.name = name
      self.type = type
      self.shape = shape
    }

    /// How many bytes its elements take.
    public var byteCount: Int { shape.reduce(1, *) * type.bits / 8 }
  }

  private let file: AtomicFile
  private var missing: Int

  /// Begins a file of these tensors; their data follows by `write`, in this order.
  ///
  /// Declare wider types first and every tensor is aligned to its element.
  ///
  /// - Requires: distinct names that are UTF-8 and not `__metadata__`.
  public init(
    path: String, tensors: [Declaration], metadata: [(key: ByteString, value: ByteString)] = []
  ) throws(HubError) {
    var members: [JSONObject.Member] = []
    if !metadata.isEmpty {
      let strings = metadata.map { JSONObject.Member($0.key, .string($0.value)) }
      members.append(JSONObject.Member("__metadata__", .object(JSONObject(strings))))
    }
    var offset = 0
    for tensor in tensors {
      precondition(tensor.name != "__metadata__", "a tensor may not be called __metadata__")
      let end = offset + tensor.byteCount
      members.append(
        JSONObject.Member(
          tensor.name,
          [
            "dtype": JSON(tensor.type.rawValue), "shape": .array(tensor.shape.map { JSON($0) }),
            "data_offsets": [JSON(offset), JSON(end)],
          ]))
      offset = end
    }
    let object = JSONObject(members)
    precondition(object.count == members.count, "two tensors of one name")
    var header = JSON.object(object).utf8
    header.append(
      contentsOf: repeatElement(UInt8(ascii: " "), count: (8 - header.count % 8) % 8))
    let length = UInt64(header.count)
    file = try AtomicFile(path: path)
    missing = offset
    try file.write((0..<8).map { UInt8(truncatingIfNeeded: length >> ($0 * 8)) })
    try file.write(header)
  }

  /// Appends the next bytes of the declared tensors' data, little-endian, in pieces of any size.
  public func write(_ bytes: UnsafeRawBufferPointer) throws(HubError) {
    precondition(bytes.count <= missing, "\(bytes.count) bytes where \(missing) are missing")
    try file.write(bytes)
    missing -= bytes.count
  }

  /// Appends elements; their type is for the caller to get right.
  public func write<Element: BitwiseCopyable>(_ elements: [Element]) throws(HubError) {
    try elements.withUnsafeBufferPointer { buffer throws(HubError) in
      try write(UnsafeRawBufferPointer(buffer))
    }
  }

  /// Lets the file appear under its name.
  ///
  /// - Requires: all declared data has been written.
  public func finish() throws(HubError) {
    precondition(missing == 0, "\(missing) bytes of the declared tensors were not written")
    try file.commit()
  }
}
