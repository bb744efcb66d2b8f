// The bits of narrow floats, in which weights are stored.

extension Float {
  /// The nearest bf16, ties to even, as its bits; a NaN stays one.
  var bf16Bits: UInt16 {
    let bits = bitPattern
    if isNaN { return UInt16((bits | 0x40_0000) >> 16) }
    return UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16)
  }

  /// The bits of the f16 that this is exactly; a NaN stays one.
  ///
  /// Exponent and fraction move to their place after the exponents' difference has been taken off, which
  /// makes f16's subnormal numbers those of f32.
  var f16Bits: UInt16 {
    let sign = UInt16(truncatingIfNeeded: bitPattern >> 16) & 0x8000
    let magnitude =
      isFinite
      ? (self * 0x1p-112).bitPattern >> 13 : 0x7C00 | bitPattern >> 13 & 0x3FF
    return sign | UInt16(truncatingIfNeeded: magnitude) & 0x7FFF
  }

  /// The value of a bf16.
  init(bf16Bits bits: UInt16) { self.init(bitPattern: UInt32(bits) << 16) }
}
