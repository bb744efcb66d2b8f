extension [UInt8] {
  /// The bytes that Base64 stands for (RFC 4648, with padding); nil when it is something else.
  init?(base64 text: [UInt8]) {
    guard text.count % 4 == 0 else { return nil }
    self = []
    reserveCapacity(text.count / 4 * 3)
    let padding = text.suffix(2).count { $0 == UInt8(ascii: "=") }
    if padding == 2, text.last != UInt8(ascii: "=") { return nil }
    var bits: UInt32 = 0
    for (index, letter) in text.enumerated() {
      let digit: UInt8
      switch letter {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"): digit = letter - UInt8(ascii: "A")
      case UInt8(ascii: "a")...UInt8(ascii: "z"): digit = letter - UInt8(ascii: "a") + 26
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = letter - UInt8(ascii: "0") + 52
      case UInt8(ascii: "+"): digit = 62
      case UInt8(ascii: "/"): digit = 63
      case UInt8(ascii: "=") where index >= text.count - padding: digit = 0
      default: return nil
      }
      bits = bits << 6 | UInt32(digit)
      if index % 4 == 3 {
        for shift in [16, 8, 0] as [UInt32] { append(UInt8(truncatingIfNeeded: bits >> shift)) }
      }
    }
    removeLast(padding)
    // The bits beyond the last byte are zeros.
    if padding > 0, bits & (padding == 1 ? 0xFF : 0xFFFF) != 0 { return nil }
  }

  /// The Base64 of these bytes, with padding.
  var base64: [UInt8] {
    let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var result: [UInt8] = []
    result.reserveCapacity((count + 2) / 3 * 4)
    for start in stride(from: 0, to: count, by: 3) {
      let bits = (0..<3).reduce(UInt32(0)) {
        $0 << 8 | (start + $1 < count ? UInt32(self[start + $1]) : 0)
      }
      for (place, shift) in ([18, 12, 6, 0] as [UInt32]).enumerated() {
        result.append(
          start + place > count ? UInt8(ascii: "=") : digits[Int(bits >> shift & 63)])
      }
    }
    return result
  }
}
