// How the interpreter rounds values in blocks that share a scale.
//
// A block is turned by the Hadamard matrix before it is rounded, and back afterwards: what one
// element has more than the others is then shared by all of them.

extension NumericArray {
  /// The nearest values of a type of blocks along the last axis.
  func roundedInTurnedBlocks(to target: ElementType) -> NumericArray {
    var result: [Double] = []
    result.reserveCapacity(count)
    for start in stride(from: 0, to: count, by: target.block) {
      let block = turned(values[start..<start + target.block].map { Float($0) })
      let rounded =
        switch target {
        case .w4: roundedToFourBits(block)
        case .w8: roundedToUnevenEightBits(block)
        default: roundedToEightBits(block)
        }
      result += turned(rounded).map { $0 / Double(target.block) }
    }
    return NumericArray(target, shape, result)
  }
}

/// A block times the Hadamard matrix, by sums and differences of halves, quarters, ...
private func turned<Number: FloatingPoint>(_ block: [Number]) -> [Number] {
  var block = block
  var half = block.count / 2
  while half > 0 {
    let last = block
    for index in block.indices {
      let other = last[index ^ half]
      block[index] = index & half == 0 ? other + last[index] : other - last[index]
    }
    half /= 2
  }
  return block
}

/// Multiples of 1/127 of the largest magnitude; ties to even.
private func roundedToEightBits(_ block: [Float]) -> [Double] {
  let isNumber = !block.contains { $0.isNaN }
  let scale = isNumber ? block.reduce(0) { max($0, abs($1)) } * (1 / 127) : .nan
  let factor = scale < 0x1p-126 ? 0 : 1 / scale
  return block.map { Double(($0 * factor).rounded(.toNearestOrEven)) * Double(scale) }
}

/// Multiples -140 to 115 of a bf16, negative where the elements reach farther above zero than below, so
/// that these have the longer side; ties to even. Of the eight smallest that reach all elements it is
/// the one that loses least.
private func roundedToUnevenEightBits(_ block: [Float]) -> [Double] {
  guard !block.contains(where: \.isNaN) else { return block.map { _ in .nan } }
  let (below, above) = (-block.reduce(0, min), block.reduce(0, max))
  let needed = max(max(below, above) / 140, min(below, above) / 115)
  var magnitude = Float(bitPattern: (needed.bitPattern + 0xFFFF) & 0xFFFF_0000)
  var best: (loss: Float, values: [Float]) = (.infinity, block.map { _ in 0 })
  guard magnitude >= 0x1p-120 else { return best.values.map(Double.init) }
  for _ in 0..<8 {
    let scale = below < above ? -magnitude : magnitude
    let factor = 1 / scale
    let values = block.map { ($0 * factor).rounded(.toNearestOrEven) * scale }
    let loss = laneSum(zip(values, block).map { ($0 - $1) * ($0 - $1) })
    if loss < best.loss { best = (loss, values) }
    magnitude = Float(bitPattern: magnitude.bitPattern + 0x10000)
  }
  return best.values.map(Double.init)
}

/// Multiples -8 to 7 of the scale, an f16, that loses least of those tried: the element of largest
/// magnitude is 5.5 to 9 times it, or the negative of that.
private func roundedToFourBits(_ block: [Float]) -> [Double] {
  let largest = block.reduce(Float(0)) { abs($1) > abs($0) ? $1 : $0 }
  if largest == 0 { return block.map { _ in 0 } }
  var best: (score: Float, scale: Float, multiples: [Float]) = (-1, 0, [])
  for step in 0..<30 {
    let multiple = Float(22 + step / 2) / 4
    let factor = (step % 2 == 0 ? multiple : -multiple) / largest
    let multiples = block.map { min(max(($0 * factor).rounded(.toNearestOrEven), -8), 7) }
    // The best scale for these multiples takes projection squared over length off the error.
    let projection = laneSum(zip(multiples, block).map { $0 * $1 })
    let length = laneSum(multiples.map { $0 * $0 })
    let score = length == 0 ? 0 : projection * projection / length
    if score > best.score { best = (score, length == 0 ? 0 : projection / length, multiples) }
  }
  let scale = min(max(ElementType.f16.rounded(Double(best.scale)), -65504), 65504)
  return best.multiples.map { Double($0) * scale }
}

/// The sum of 32 terms in 16 lanes, halves of which are added onto each other.
private func laneSum(_ terms: [Float]) -> Float {
  var lanes = (0..<16).map { terms[$0] + terms[$0 + 16] }
  while lanes.count > 1 {
    let half = lanes.count / 2
    lanes = (0..<half).map { lanes[$0] + lanes[$0 + half] }
  }
  return lanes[0]
}
