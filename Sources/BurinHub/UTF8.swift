/// How many bytes the scalar at an index takes, or 0 when it is not UTF-8 (RFC 3629, section 4).
func utf8Length(_ bytes: UnsafeRawBufferPointer, at index: Int) -> Int {
  func tail(_ offset: Int, _ low: UInt8 = 0x80, _ high: UInt8 = 0xBF) -> Bool {
    index + offset < bytes.count && bytes[index + offset] >= low && bytes[index + offset] <= high
  }
  switch bytes[index] {
  case 0x00...0x7F: return 1
  case 0xC2...0xDF: return tail(1) ? 2 : 0
  case 0xE0: return tail(1, 0xA0) && tail(2) ? 3 : 0
  case 0xED: return tail(1, 0x80, 0x9F) && tail(2) ? 3 : 0
  case 0xE1...0xEF: return tail(1) && tail(2) ? 3 : 0
  case 0xF0: return tail(1, 0x90) && tail(2) && tail(3) ? 4 : 0
  case 0xF1...0xF3: return tail(1) && tail(2) && tail(3) ? 4 : 0
  case 0xF4: return tail(1, 0x80, 0x8F) && tail(2) && tail(3) ? 4 : 0
  default: return 0
  }
}

/// Appends a scalar below 0x110000 that is no surrogate.
func appendUTF8(_ code: UInt32, to bytes: inout [UInt8]) {
  func tail(_ shift: UInt32) -> UInt8 { UInt8(0x80 | (code >> shift) & 0x3F) }
  switch code {
  case 0..<0x80: bytes.append(UInt8(code))
  case 0x80..<0x800: bytes.append(contentsOf: [UInt8(0xC0 | code >> 6), tail(0)])
  case 0x800..<0x10000: bytes.append(contentsOf: [UInt8(0xE0 | code >> 12), tail(6), tail(0)])
  default: bytes.append(contentsOf: [UInt8(0xF0 | code >> 18), tail(12), tail(6), tail(0)])
  }
}
