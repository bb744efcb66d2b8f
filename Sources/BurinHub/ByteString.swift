import Glibc

/// A string held as the bytes that a file has, equal only to the same bytes.
///
/// Swift's `String` compares by canonical equivalence, which would merge two tokens or two tensors
/// whose names are equal only after Unicode normalisation; a key read from a file is never one.
public struct ByteString: Hashable, Comparable, Sendable {
  /// The bytes, UTF-8 when they come from a JSON file.
  public var bytes: [UInt8]

  /// Wraps bytes as they stand.
  public init(_ bytes: [UInt8]) {
    self.bytes = bytes
  }

  /// The UTF-8 bytes of a Swift string.
  public init(_ string: String) {
    self.bytes = Array(string.utf8)
  }

  /// The bytes as a Swift string; what is not UTF-8 becomes U+FFFD.
  public var utf8String: String {
    String(decoding: bytes, as: UTF8.self)
  }

  /// How many bytes there are.
  public var count: Int { bytes.count }

  /// Whether there are none.
  public var isEmpty: Bool { bytes.isEmpty }

  /// Whether both are the same bytes.
  public static func == (left: ByteString, right: ByteString) -> Bool {
    left.bytes.withUnsafeBytes { a in
      right.bytes.withUnsafeBytes { b in equalBytes(a, b) }
    }
  }

  /// The order of the bytes as numbers, a prefix first.
  public static func < (left: ByteString, right: ByteString) -> Bool {
    left.bytes.lexicographicallyPrecedes(right.bytes)
  }

  /// Feeds the bytes to a hasher, all at once.
  public func hash(into hasher: inout Hasher) {
    // `Array` would feed the hasher one byte at a time.
    bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
    hasher.combine(UInt8(0xFF))
  }
}

extension ByteString: ExpressibleByStringLiteral {
  /// The UTF-8 bytes of a literal.
  public init(stringLiteral value: StaticString) {
    self.bytes = value.withUTF8Buffer { Array($0) }
  }
}

extension ByteString: CustomStringConvertible {
  /// The string in quotes on one line, control characters escaped and shortened to 80 bytes.
  public var description: String {
    "\"" + printable(bytes) + "\""
  }
}

/// Bytes from a file made fit for a message: one line, nothing invisible, at most `limit` bytes.
///
/// - Parameter bytes: anything, usually UTF-8.
/// - Parameter limit: how many bytes to show before an ellipsis.
public func printable(_ bytes: some Collection<UInt8>, limit: Int = 80) -> String {
  var text = ""
  for scalar in String(decoding: bytes.prefix(limit), as: UTF8.self).unicodeScalars {
    switch scalar {
    case "\n": text += "\\n"
    case "\r": text += "\\r"
    case "\t": text += "\\t"
    case "\\": text += "\\\\"
    case "\"": text += "\\\""
    default:
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned:
        text += "\\u{" + String(scalar.value, radix: 16) + "}"
      default:
        text.unicodeScalars.append(scalar)
      }
    }
  }
  return bytes.count > limit ? text + "…" : text
}

/// Whether two runs of bytes are the same.
func equalBytes(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
  guard a.count == b.count else { return false }
  guard let left = a.baseAddress, let right = b.baseAddress else { return true }
  return left == right || memcmp(left, right, a.count) == 0
}
