extension JSON {
  /// The value as compact JSON on one line; a number that is not finite becomes null.
  public var text: String {
    String(decoding: utf8, as: UTF8.self)
  }

  /// The bytes of `text`.
  public var utf8: [UInt8] {
    var bytes: [UInt8] = []
    write(into: &bytes)
    return bytes
  }

  /// Appends the value as compact JSON; a string's bytes that are not UTF-8 become U+FFFD.
  public func write(into bytes: inout [UInt8]) {
    switch self {
    case .null: bytes.append(contentsOf: "null".utf8)
    case .bool(let bool): bytes.append(contentsOf: (bool ? "true" : "false").utf8)
    case .number(.integer(let integer)): bytes.append(contentsOf: String(integer).utf8)
    case .number(.real(let real)):
      bytes.append(contentsOf: (real.isFinite ? "\(real)" : "null").utf8)
    case .string(let string): JSON.writeQuoted(string, into: &bytes)
    case .array(let elements):
      bytes.append(UInt8(ascii: "["))
      for (number, element) in elements.enumerated() {
        if number > 0 { bytes.append(UInt8(ascii: ",")) }
        element.write(into: &bytes)
      }
      bytes.append(UInt8(ascii: "]"))
    case .object(let object):
      bytes.append(UInt8(ascii: "{"))
      for (number, member) in object.enumerated() {
        if number > 0 { bytes.append(UInt8(ascii: ",")) }
        JSON.writeQuoted(member.key, into: &bytes)
        bytes.append(UInt8(ascii: ":"))
        member.value.write(into: &bytes)
      }
      bytes.append(UInt8(ascii: "}"))
    }
  }

  /// Appends a string in quotes, escaping what RFC 8259 wants escaped and DEL.
  static func writeQuoted(_ string: ByteString, into bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "\""))
    string.bytes.withUnsafeBytes { source in
      var index = 0
      while index < source.count {
        let byte = source[index]
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"):
          bytes.append(UInt8(ascii: "\\"))
          bytes.append(byte)
        case 0x0A: bytes.append(contentsOf: "\\n".utf8)
        case 0x0D: bytes.append(contentsOf: "\\r".utf8)
        case 0x09: bytes.append(contentsOf: "\\t".utf8)
        case 0x00..<0x20, 0x7F:
          bytes.append(contentsOf: "\\u00".utf8)
          for digit in [byte >> 4, byte & 15] {
            bytes.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
          }
        case 0x20..<0x7F: bytes.append(byte)
        default:
          let length = utf8Length(source, at: index)
          if length == 0 {
            appendUTF8(0xFFFD, to: &bytes)
          } else {
            bytes.append(contentsOf: source[index..<(index + length)])
            index += length - 1
          }
        }
        index += 1
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }
}
