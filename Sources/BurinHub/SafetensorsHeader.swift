/// The header of a safetensors file, read and checked.
///
/// It is read member by member, not into a `JSON`: a header may name a million tensors.
struct SafetensorsHeader {
  /// The longest header that the format allows, in bytes.
  static let limit = 100_000_000

  /// The tensors in the order of their data.
  private(set) var tensors: [StoredTensor] = []
  /// Finds a tensor by name.
  private(set) var index: KeyIndex
  /// The strings of `__metadata__`.
  private(set) var metadata: [ByteString: ByteString] = [:]

  /// One member as it stands in the file.
  private struct Entry {
    var name: ByteString
    var type: StoredType
    var shape: [Int]
    var begin: Int
    var end: Int
  }

  /// Reads and checks the header of a file against its size.
  init(_ file: RegularFile) throws(HubError) {
    let bytes = try SafetensorsHeader.bytes(of: file)
    var entries: [Entry] = []
    do throws(JSONError) {
      (entries, metadata) = try bytes.withUnsafeBufferPointer { buffer throws(JSONError) in
        var parser = JSONParser(UnsafeRawBufferPointer(buffer), options: JSON.Options())
        return try SafetensorsHeader.entries(&parser)
      }
    } catch {
      throw error.inFile(file.path, from: 8)
    }
    let (byName, repeated) = KeyIndex.build(entries.count) { entries[$0].name }
    if let repeated {
      throw HubError(
        file: file.path, key: printable(entries[repeated].name.bytes), expected: "each tensor once",
        found: "it again")
    }
    index = byName
    // Most writers sort by type, then name, and write the data in that order.
    if zip(entries, entries.dropFirst()).contains(where: { ($0.begin, $0.end) > ($1.begin, $1.end) }
    ) {
      entries.sort { ($0.begin, $0.end) < ($1.begin, $1.end) }
      index = KeyIndex.build(entries.count) { entries[$0].name }.index
    }
    tensors.reserveCapacity(entries.count)
    for entry in entries {
      tensors.append(try tensor(entry, in: file, dataStart: 8 + bytes.count))
    }
    let end = tensors.last.map { $0.offset + $0.byteCount } ?? 8 + bytes.count
    guard end == file.size else {
      throw HubError(
        file: file.path, expected: "\(end) bytes, where its last tensor ends",
        found: "\(file.size) bytes")
    }
  }

  /// The JSON text, whose length stands in the first eight bytes.
  private static func bytes(of file: RegularFile) throws(HubError) -> [UInt8] {
    guard file.size >= 8 else {
      throw HubError(
        file: file.path, expected: "a safetensors file, at least 8 bytes",
        found: file.size == 0 ? "an empty file" : "\(file.size) bytes")
    }
    var stored: UInt64 = 0
    try withUnsafeMutableBytes(of: &stored) { buffer throws(HubError) in
      try file.read(at: 0, into: buffer)
    }
    let length = UInt64(littleEndian: stored)
    guard length > 0, length <= limit else {
      throw HubError(
        file: file.path, key: "header length", expected: "1 to \(limit) bytes", found: "\(length)")
    }
    guard Int(length) <= file.size - 8 else {
      throw HubError(
        file: file.path, key: "header length",
        expected: "at most \(file.size - 8) bytes, the rest of the file", found: "\(length)")
    }
    var bytes = [UInt8](repeating: 0, count: Int(length))
    try bytes.withUnsafeMutableBufferPointer { buffer throws(HubError) in
      try file.read(at: 8, into: UnsafeMutableRawBufferPointer(buffer))
    }
    guard bytes[0] == UInt8(ascii: "{") else {
      throw HubError(
        file: file.path, key: "byte 8", expected: "'{', which begins a header",
        found: "\"\(printable(bytes.prefix(1)))\"")
    }
    return bytes
  }

  // MARK: The JSON

  private static func entries(
    _ parser: inout JSONParser
  ) throws(JSONError) -> ([Entry], [ByteString: ByteString]) {
    var entries: [Entry] = []
    var metadata: [ByteString: ByteString]?
    try parser.eachMember { (parser: inout JSONParser, name: ByteString) throws(JSONError) in
      if name == "__metadata__" {
        guard metadata == nil else { throw twice("__metadata__", parser) }
        metadata = try strings(&parser)
      } else {
        entries.append(try entry(name, &parser))
      }
    }
    try parser.end()
    return (entries, metadata ?? [:])
  }

  private static func twice(_ key: String, _ parser: JSONParser) -> JSONError {
    JSONError(expected: "this key once", found: "it again", offset: parser.position, key: key)
  }

  private static func strings(_ parser: inout JSONParser) throws(JSONError) -> [ByteString:
    ByteString]
  {
    var strings: [ByteString: ByteString] = [:]
    let start = parser.position
    let value = try parser.value()
    guard let object = value.object else {
      throw JSONError(
        expected: "an object of strings", found: value.summary, offset: start, key: "__metadata__")
    }
    for member in object {
      guard let string = member.value.string else {
        throw JSONError(
          expected: "a string", found: member.value.summary, offset: start,
          key: "__metadata__." + printable(member.key.bytes))
      }
      strings[member.key] = string
    }
    return strings
  }

  private static func entry(
    _ name: ByteString, _ parser: inout JSONParser
  ) throws(JSONError) -> Entry {
    var type: StoredType?
    var shape: [Int]?
    var offsets: [Int]?
    let start = parser.position
    func wrong(_ key: String, _ expected: String, _ found: String) -> JSONError {
      let name = printable(name.bytes)
      return JSONError(
        expected: expected, found: found, offset: start, key: key.isEmpty ? name : name + "." + key)
    }
    /// An array of numbers that an index can be made of.
    func naturals(_ key: String, _ parser: inout JSONParser) throws(JSONError) -> [Int] {
      var numbers: [Int] = []
      do throws(JSONError) {
        try parser.eachElement { (parser: inout JSONParser) throws(JSONError) in
          let value = try parser.value()
          guard let number = value.int, number >= 0 else {
            throw wrong(key, "integers from 0 to \(Int.max)", value.summary)
          }
          numbers.append(number)
        }
      } catch {
        throw error.key.isEmpty ? wrong(key, error.expected, error.found) : error
      }
      return numbers
    }
    try parser.eachMember { (parser: inout JSONParser, key: ByteString) throws(JSONError) in
      switch key {
      case "dtype":
        guard type == nil else { throw twice(printable(name.bytes) + ".dtype", parser) }
        let value = try parser.value()
        type = value.string.flatMap { StoredType($0) }
        guard type != nil else {
          throw wrong("dtype", "one of " + StoredType.readable, value.summary)
        }
      case "shape":
        guard shape == nil else { throw twice(printable(name.bytes) + ".shape", parser) }
        shape = try naturals("shape", &parser)
      case "data_offsets":
        guard offsets == nil else { throw twice(printable(name.bytes) + ".data_offsets", parser) }
        offsets = try naturals("data_offsets", &parser)
      default:
        // The reference reader passes over keys that it does not know.
        _ = try parser.value()
      }
    }
    guard let type else { throw wrong("dtype", "a string", "nothing") }
    guard let shape else { throw wrong("shape", "an array", "nothing") }
    guard let offsets, offsets.count == 2 else {
      throw wrong(
        "data_offsets", "two integers", offsets.map { "\($0.count)" } ?? "nothing")
    }
    guard offsets[0] <= offsets[1] else {
      throw wrong("data_offsets", "a begin before its end", "\(offsets)")
    }
    return Entry(name: name, type: type, shape: shape, begin: offsets[0], end: offsets[1])
  }

  // MARK: The data

  /// An entry that begins where the one before it ended and is as long as its shape says.
  private func tensor(
    _ entry: Entry, in file: RegularFile, dataStart: Int
  ) throws(HubError) -> StoredTensor {
    func wrong(_ key: String, _ expected: String, _ found: String) -> HubError {
      HubError(
        file: file.path, key: printable(entry.name.bytes) + "." + key, expected: expected,
        found: found)
    }
    let shape = shortened(entry.shape)
    var count = 1
    var bits = 0
    for extent in entry.shape + [1] {
      let (product, overflow) = count.multipliedReportingOverflow(by: extent)
      let (total, tooLong) = product.multipliedReportingOverflow(by: entry.type.bits)
      guard !overflow, !tooLong else {
        throw wrong("shape", "a product that fits 63 bits", shape)
      }
      count = product
      bits = total
    }
    guard bits % 8 == 0, entry.end - entry.begin == bits / 8 else {
      throw wrong(
        "data_offsets", "\(bits / 8) bytes of \(entry.type.rawValue)\(shape)",
        "\(entry.end - entry.begin)")
    }
    let last = tensors.last
    let begin = last.map { $0.offset + $0.byteCount - dataStart } ?? 0
    guard entry.begin == begin else {
      let before = last.map { ", where \($0.name) ends" } ?? ""
      throw wrong(
        "data_offsets", "data from byte \(begin)\(before)",
        "\(entry.begin), which leaves \(entry.begin > begin ? "a hole" : "an overlap")")
    }
    guard entry.end <= file.size - dataStart else {
      throw wrong(
        "data_offsets", "an end within the \(file.size - dataStart) bytes of data", "\(entry.end)")
    }
    return StoredTensor(
      name: entry.name, type: entry.type, shape: entry.shape, count: count,
      byteCount: bits / 8, offset: dataStart + entry.begin)
  }
}

/// A shape for a message, at most eight extents of it.
func shortened(_ shape: [Int]) -> String {
  shape.count <= 8 ? "\(shape)" : "[\(shape.prefix(8).map(String.init).joined(separator: ", ")), …]"
}
