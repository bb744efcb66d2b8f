/// The normalisation forms of Unicode Standard Annex 15, aligned with the text they came from.
enum NormalizationForm: Sendable {
  case nfc, nfd, nfkc, nfkd

  private var isCompatible: Bool { self == .nfkc || self == .nfkd }
  private var isComposed: Bool { self == .nfc || self == .nfkc }
}

extension NormalizationForm {
  /// Brings text into this form.
  func apply(_ text: inout AlignedText) {
    let tables = UnicodeTables.shared
    if isUnchanged(text.bytes, tables) { return }
    var changes = decompose(text.bytes, tables)
    if isComposed { changes = recompose(changes, tables) }
    text.transform(changes)
  }

  /// Whether a quick look proves that the form changes nothing.
  private func isUnchanged(_ bytes: [UInt8], _ tables: UnicodeTables) -> Bool {
    var index = 0
    while index < bytes.count {
      let (scalar, length) = UTF8Text.decode(bytes, at: index)
      index += length
      if scalar < 0x80 { continue }
      let properties = tables[scalar]
      switch self {
      case .nfd:
        if properties.contains(.decomposesOrCombines) { return false }
      case .nfkd, .nfkc:
        if properties.contains(.decomposesCompatibly) || properties.contains(.composes) {
          return false
        }
      case .nfc:
        if properties.contains(.composes) || tables.combiningClass(scalar) != 0 { return false }
      }
    }
    return true
  }

  private func decompose(_ bytes: [UInt8], _ tables: UnicodeTables) -> [ScalarChange] {
    var result: [ScalarChange] = []
    result.reserveCapacity(bytes.count)
    // A starter and the marks after it, before they are put in order.
    var pending: [(order: UInt64, change: ScalarChange)] = []
    func flush() {
      if pending.count > 1 { pending.sort { $0.order < $1.order } }
      for (_, change) in pending { result.append(change) }
      pending.removeAll(keepingCapacity: true)
    }
    func push(_ scalar: UInt32, isFirst: Bool) {
      let combining = tables.combiningClass(scalar)
      if combining == 0 { flush() }
      // The place keeps marks of one class in the order of the text.
      pending.append(
        (
          UInt64(combining) << 32 | UInt64(pending.count),
          ScalarChange(scalar: scalar, count: isFirst ? 0 : 1)
        ))
    }
    var index = 0
    while index < bytes.count {
      let (scalar, length) = UTF8Text.decode(bytes, at: index)
      index += length
      if 0xAC00..<0xD7A4 ~= scalar {
        let syllable = scalar - 0xAC00
        push(0x1100 + syllable / 588, isFirst: true)
        push(0x1161 + syllable % 588 / 28, isFirst: false)
        if syllable % 28 > 0 { push(0x11A7 + syllable % 28, isFirst: false) }
        continue
      }
      var mapped: ArraySlice<UInt32>?
      if scalar >= 0x80 {
        let properties = tables[scalar]
        if isCompatible, properties.contains(.decomposesCompatibly) {
          mapped = tables.compatible[scalar] ?? tables.canonical[scalar]
        } else if properties.contains(.decomposesOrCombines) {
          mapped = tables.canonical[scalar]
        }
      }
      if let mapped {
        for (place, part) in mapped.enumerated() { push(part, isFirst: place == 0) }
      } else {
        push(scalar, isFirst: true)
      }
    }
    flush()
    return result
  }

  private func recompose(_ changes: [ScalarChange], _ tables: UnicodeTables) -> [ScalarChange] {
    var result: [ScalarChange] = []
    result.reserveCapacity(changes.count)
    var starter: ScalarChange?
    // Marks after the starter that did not compose with it, and the class of the last of them.
    var marks: [ScalarChange] = []
    var lastClass: UInt8?
    func flush() {
      if let starter { result.append(starter) }
      result.append(contentsOf: marks)
      marks.removeAll(keepingCapacity: true)
      lastClass = nil
    }
    for change in changes {
      let combining = tables.combiningClass(change.scalar)
      guard let base = starter else {
        if combining == 0 { starter = change } else { result.append(change) }
        continue
      }
      let isBlocked = lastClass.map { $0 >= combining } ?? false
      if !isBlocked, let composite = tables.compose(base.scalar, change.scalar) {
        starter = ScalarChange(scalar: composite, count: base.count + change.count - 1)
      } else if combining == 0 {
        flush()
        starter = change
      } else {
        marks.append(change)
        lastClass = combining
      }
    }
    flush()
    return result
  }
}
