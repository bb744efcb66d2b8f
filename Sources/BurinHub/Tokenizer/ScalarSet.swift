/// A set of Unicode scalars, closed under union, intersection and complement.
///
/// Code space is cut at the bounds of the ranges that a pattern names; within one cut, membership
/// depends only on the class that `UnicodeTables` gives a scalar.
struct ScalarSet: Sendable {
  /// One bit for each class of scalars.
  private typealias Mask = SIMD4<UInt64>

  /// The first scalar of each cut; the first is 0.
  private var bounds: [UInt32]
  private var masks: [Mask]
  private var asciiLow: UInt64 = 0
  private var asciiHigh: UInt64 = 0

  private init(bounds: [UInt32], masks: [Mask]) {
    self.bounds = bounds
    self.masks = masks
    let tables = UnicodeTables.shared
    for scalar in UInt32(0)..<64 {
      if slowContains(scalar, tables) { asciiLow |= 1 << UInt64(scalar) }
      if slowContains(scalar + 64, tables) { asciiHigh |= 1 << UInt64(scalar) }
    }
  }

  /// The scalars from `first` to `last`.
  init(_ first: UInt32, _ last: UInt32) {
    var bounds: [UInt32] = [0]
    var masks: [Mask] = [.zero]
    if first > 0 {
      bounds.append(first)
      masks.append(.zero)
    }
    masks[masks.count - 1] = Mask(repeating: .max)
    if last < 0x10FFFF {
      bounds.append(last + 1)
      masks.append(.zero)
    }
    self.init(bounds: bounds, masks: masks)
  }

  /// The scalars whose properties pass a test.
  init(where test: (ScalarProperties) -> Bool) {
    var mask = Mask.zero
    let tables = UnicodeTables.shared
    for number in 0..<tables.classCount where test(tables.properties(ofClass: number)) {
      mask[number >> 6] |= 1 << UInt64(number & 63)
    }
    self.init(bounds: [0], masks: [mask])
  }

  /// No scalar.
  static var empty: ScalarSet { ScalarSet(bounds: [0], masks: [.zero]) }

  /// Every other scalar.
  var inverted: ScalarSet {
    ScalarSet(bounds: bounds, masks: masks.map { ~$0 })
  }

  /// The scalars of either set.
  func union(_ other: ScalarSet) -> ScalarSet { combined(other) { $0 | $1 } }

  /// The scalars of both sets.
  func intersection(_ other: ScalarSet) -> ScalarSet { combined(other) { $0 & $1 } }

  private func combined(_ other: ScalarSet, _ operation: (Mask, Mask) -> Mask) -> ScalarSet {
    var newBounds: [UInt32] = []
    var newMasks: [Mask] = []
    var mine = 0
    var theirs = 0
    var start: UInt32? = 0
    while let bound = start {
      while mine + 1 < bounds.count, bounds[mine + 1] <= bound { mine += 1 }
      while theirs + 1 < other.bounds.count, other.bounds[theirs + 1] <= bound { theirs += 1 }
      let mask = operation(masks[mine], other.masks[theirs])
      if newMasks.last != mask {
        newBounds.append(bound)
        newMasks.append(mask)
      }
      let next = [
        mine + 1 < bounds.count ? bounds[mine + 1] : nil,
        theirs + 1 < other.bounds.count ? other.bounds[theirs + 1] : nil,
      ]
      start = next.compactMap { $0 }.min()
    }
    return ScalarSet(bounds: newBounds, masks: newMasks)
  }

  /// Whether a scalar below 0x110000 is in the set.
  @inline(__always)
  func contains(_ scalar: UInt32, _ tables: UnicodeTables) -> Bool {
    if scalar < 64 { return asciiLow >> UInt64(scalar) & 1 != 0 }
    if scalar < 128 { return asciiHigh >> UInt64(scalar - 64) & 1 != 0 }
    return slowContains(scalar, tables)
  }

  private func slowContains(_ scalar: UInt32, _ tables: UnicodeTables) -> Bool {
    var low = 0
    var high = bounds.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if bounds[middle] <= scalar { low = middle } else { high = middle }
    }
    let number = tables.classNumber(scalar)
    return masks[low][number >> 6] >> UInt64(number & 63) & 1 != 0
  }
}
