/// The type of a stored element, spelled as safetensors headers spell it.
public enum StoredType: String, Sendable, Hashable, CaseIterable {
  /// IEEE binary64.
  case f64 = "F64"
  /// IEEE binary32.
  case f32 = "F32"
  /// IEEE binary16.
  case f16 = "F16"
  /// The upper half of a binary32.
  case bf16 = "BF16"
  /// Signed, 64 bits.
  case i64 = "I64"
  /// Signed, 32 bits.
  case i32 = "I32"
  /// Signed, 16 bits.
  case i16 = "I16"
  /// Signed, 8 bits.
  case i8 = "I8"
  /// Unsigned, 64 bits; known, not read.
  case u64 = "U64"
  /// Unsigned, 32 bits; known, not read.
  case u32 = "U32"
  /// Unsigned, 16 bits; known, not read.
  case u16 = "U16"
  /// Unsigned, 8 bits.
  case u8 = "U8"
  /// A byte that is 0 or not.
  case bool = "BOOL"
  /// Two binary32; known, not read.
  case c64 = "C64"
  /// Known, not read.
  case f8e5m2 = "F8_E5M2"
  /// Known, not read.
  case f8e4m3 = "F8_E4M3"
  /// Known, not read.
  case f8e8m0 = "F8_E8M0"
  /// Known, not read.
  case f6e2m3 = "F6_E2M3"
  /// Known, not read.
  case f6e3m2 = "F6_E3M2"
  /// Known, not read.
  case f4 = "F4"

  /// How many bits an element takes.
  public var bits: Int {
    switch self {
    case .f64, .i64, .u64, .c64: 64
    case .f32, .i32, .u32: 32
    case .f16, .bf16, .i16, .u16: 16
    case .i8, .u8, .bool, .f8e5m2, .f8e4m3, .f8e8m0: 8
    case .f6e2m3, .f6e3m2: 6
    case .f4: 4
    }
  }

  /// Whether Burin reads its values; the others are known only so that a file can be taken apart.
  public var isReadable: Bool {
    switch self {
    case .f64, .f32, .f16, .bf16, .i64, .i32, .i16, .i8, .u8, .bool: true
    case .u64, .u32, .u16, .c64, .f8e5m2, .f8e4m3, .f8e8m0, .f6e2m3, .f6e3m2, .f4: false
    }
  }

  /// The type that a header spells so.
  init?(_ name: ByteString) {
    guard let type = StoredType.byName.first(where: { $0.name == name })?.type else { return nil }
    self = type
  }

  /// The spellings as bytes: a `String` is compared much more slowly.
  private static let byName = allCases.map { (name: ByteString($0.rawValue), type: $0) }

  /// The types that Burin reads, for messages.
  static var readable: String {
    allCases.filter(\.isReadable).map(\.rawValue).joined(separator: ", ")
  }

  /// Turns stored elements into floats: exactly from F32, F16, BF16 and integers of up to 16 bits,
  /// to nearest from the others; a BOOL is 0 or 1.
  ///
  /// - Parameter source: `count` elements, little-endian, at any alignment.
  /// - Requires: `isReadable`.
  public func widen(
    _ source: UnsafeRawPointer, count: Int, into target: UnsafeMutablePointer<Float>
  ) {
    switch self {
    case .f32: UnsafeMutableRawPointer(target).copyMemory(from: source, byteCount: count * 4)
    case .bf16:
      convert(source, count, target) { stored in
        unsafeBitCast(SIMD8<UInt32>(truncatingIfNeeded: stored) &<< 16, to: SIMD8<Float>.self)
      }
    case .f16:
      convert(source, count, target) { stored in
        halfToFloat(stored)
      }
    case .f64: each(source, count, target) { (value: UInt64) in Float(Double(bitPattern: value)) }
    case .i64: each(source, count, target) { (value: Int64) in Float(value) }
    case .i32: each(source, count, target) { (value: Int32) in Float(value) }
    case .i16: each(source, count, target) { (value: Int16) in Float(value) }
    case .i8: each(source, count, target) { (value: Int8) in Float(value) }
    case .u8: each(source, count, target) { (value: UInt8) in Float(value) }
    case .bool: each(source, count, target) { (value: UInt8) in value == 0 ? 0 : 1 }
    case .u64, .u32, .u16, .c64, .f8e5m2, .f8e4m3, .f8e8m0, .f6e2m3, .f6e3m2, .f4:
      preconditionFailure("\(rawValue) cannot be read as Float")
    }
  }
}

/// The floats that equal binary16 values, given as their bits.
///
/// The exponent and fraction move to the place that they have in a float, which is then 2^-112 of
/// the value; the product mends that exactly, subnormals included. Infinities and NaNs get the
/// exponent that they would have kept. (`Float(Float16)` calls a function for each element where
/// the F16C instructions may not be used.)
@inline(__always)
private func halfToFloat(_ half: SIMD8<UInt16>) -> SIMD8<Float> {
  let bits = SIMD8<Int32>(truncatingIfNeeded: half)
  let magnitude = (bits & 0x7FFF) &<< 13
  let scaled = unsafeBitCast(magnitude, to: SIMD8<Float>.self) * 0x1p112
  // All ones where the exponent is the largest; comparing into a mask is not made into vectors.
  let isSpecial = (0x0F7F_FFFF &- magnitude) &>> 31
  let sign = (bits & 0x8000) &<< 16
  let result = unsafeBitCast(scaled, to: SIMD8<Int32>.self) | isSpecial & 0x7F80_0000 | sign
  return unsafeBitCast(result, to: SIMD8<Float>.self)
}

@inline(__always)
private func convert(
  _ source: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<Float>,
  eight: (SIMD8<UInt16>) -> SIMD8<Float>
) {
  let result = UnsafeMutableRawPointer(target)
  var index = 0
  while index + 8 <= count {
    let stored = source.loadUnaligned(fromByteOffset: index * 2, as: SIMD8<UInt16>.self)
    result.storeBytes(of: eight(stored), toByteOffset: index * 4, as: SIMD8<Float>.self)
    index += 8
  }
  guard index < count else { return }
  var rest = SIMD8<UInt16>(repeating: 0)
  for lane in 0..<(count - index) {
    rest[lane] = source.loadUnaligned(fromByteOffset: (index + lane) * 2, as: UInt16.self)
  }
  let floats = eight(rest)
  for lane in 0..<(count - index) { target[index + lane] = floats[lane] }
}

@inline(__always)
private func each<Stored: BitwiseCopyable>(
  _ source: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<Float>,
  _ widen: (Stored) -> Float
) {
  for index in 0..<count {
    target[index] = widen(
      source.loadUnaligned(fromByteOffset: index * MemoryLayout<Stored>.size, as: Stored.self))
  }
}
