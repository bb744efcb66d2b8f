import BurinIR

/// Conditions that must all hold (or must all fail) where a score counts.
struct Conditions {
  private var parts: [(condition: Value, holds: Bool)] = []

  /// Takes a conjunction apart; a negated disjunction is one too.
  init(_ condition: Value, holds: Bool) {
    var pending = [(condition, holds)]
    while let (next, holds) = pending.popLast() {
      switch next.op {
      case .unary(.not, let x): pending.append((x, !holds))
      case .binary(.and, let x, let y) where holds: pending += [(y, true), (x, true)]
      case .binary(.or, let x, let y) where !holds: pending += [(y, false), (x, false)]
      case .broadcast(let x, _): pending.append((x, holds))
      default: parts.append((next, holds))
      }
    }
  }

  /// The conditions that masks can say, and the others.
  func masks(on grid: Grid) -> ([Mask<Value>], rest: [(Value, Bool)]) {
    var masks: [Mask<Value>] = []
    var rest: [(Value, Bool)] = []
    var oneSided: [(width: Int, start: Value?, part: (Value, Bool))] = []
    for part in parts {
      if let mask = part.condition.paddingMask(holds: part.holds, on: grid) {
        masks.append(mask)
      } else if let mask = part.condition.windowMask(holds: part.holds, on: grid) {
        masks.append(mask)
      } else if let distance = part.condition.atLeastZero(holds: part.holds, on: grid) {
        switch (distance.key, distance.query, distance.offset) {
        // key <= start + query
        case (-1, 1, 0): masks.append(.causal(start: distance.vector))
        // key < lengths
        default: distance.vector.map { masks.append(.lengths($0)) }
        }
      } else if let (width, start) = part.condition.pastWithin(holds: part.holds, on: grid) {
        oneSided.append((width, start, part))
      } else {
        rest.append(part)
      }
    }
    // A window that looks back only is a window beside a causal mask.
    for (width, start, part) in oneSided {
      if masks.contains(.causal(start: start)) {
        masks.append(.window(width, start: start))
      } else {
        rest.append(part)
      }
    }
    return (masks, rest)
  }
}

/// `key × k + query × q + vector[batch] + offset`, for integers.
struct Distance {
  var key = 0
  var query = 0
  var offset = 0
  /// `i32[batch]`, with a coefficient of 1.
  var vector: Value?
  /// Whether the vector is subtracted instead.
  var isVectorNegative = false

  fileprivate var negated: Distance {
    Distance(
      key: -key, query: -query, offset: -offset, vector: vector,
      isVectorNegative: vector != nil && !isVectorNegative)
  }

  fileprivate static func sum(_ left: Distance, _ right: Distance) -> Distance? {
    guard left.vector == nil || right.vector == nil else { return nil }
    return Distance(
      key: left.key + right.key, query: left.query + right.query,
      offset: left.offset + right.offset, vector: left.vector ?? right.vector,
      isVectorNegative: left.vector == nil ? right.isVectorNegative : left.isVectorNegative)
  }
}

extension Value {
  /// The node as a linear function of the places of key and query, if it is one.
  fileprivate func distance(on grid: Grid, depth: Int = 8) -> Distance? {
    if let constant = splat, let offset = Int(exactly: constant), abs(offset) < 1 << 31 {
      return Distance(offset: offset)
    }
    guard depth > 0 else { return nil }
    switch op {
    case .iota(let type, let axis):
      return type.element.counts ? counter(type.shape, axis, on: grid) : nil
    case .broadcast(let x, _): return x.distance(on: grid, depth: depth - 1)
    case .reshape(let x, let shape):
      let varying = shape.indices.filter { shape[$0] != 1 }
      guard varying.count == 1, x.type.rank == 1 else { return nil }
      if x.isCounter { return counter(shape, varying[0], on: grid) }
      guard let batch = grid.batch, x.type == TensorType(.i32, [batch]),
        varying[0] == shape.count - grid.shape.count
      else { return nil }
      return Distance(vector: x)
    case .cast(let x, let element):
      guard x.type.element.isInteger, element.counts else { return nil }
      return x.distance(on: grid, depth: depth - 1)
    case .unary(.negate, let x): return x.distance(on: grid, depth: depth - 1)?.negated
    case .binary(let function, let x, let y) where function == .add || function == .subtract:
      guard let left = x.distance(on: grid, depth: depth - 1),
        let right = y.distance(on: grid, depth: depth - 1)
      else { return nil }
      return Distance.sum(left, function == .add ? right : right.negated)
    default: return nil
    }
  }

  /// Whether the node is 0, 1, 2 ..., of any element type that holds all of them.
  private var isCounter: Bool {
    var value = self
    while case .cast(let x, let element) = value.op, element.counts { value = x }
    if case .iota(let type, _) = value.op { return type.element.counts }
    return false
  }

  /// What numbers along one axis of a shape count, if it broadcasts to the grid.
  private func counter(_ shape: [Dim], _ axis: Int, on grid: Grid) -> Distance? {
    switch shape.count - axis {
    case 1 where shape[axis] == grid.keys: Distance(key: 1)
    case 2 where shape[axis] == grid.queries: Distance(query: 1)
    default: nil
    }
  }

  /// What must be at least 0 for the comparison of integers to hold (or to fail).
  fileprivate func atLeastZero(holds: Bool, on grid: Grid) -> Distance? {
    guard let distance = comparison(holds: holds, on: grid), !distance.isVectorNegative else {
      return nil
    }
    let isCausal = distance.key == -1 && distance.query == 1 && distance.offset == 0
    let isLength =
      distance.key == -1 && distance.query == 0 && distance.offset == -1 && distance.vector != nil
    return isCausal || isLength ? distance : nil
  }

  private func comparison(holds: Bool, on grid: Grid) -> Distance? {
    guard case .binary(let function, let x, let y) = op,
      function == .less || function == .lessOrEqual,
      let left = x.distance(on: grid), let right = y.distance(on: grid),
      var distance = Distance.sum(right, left.negated)
    else { return nil }
    if function == .less { distance.offset -= 1 }
    if !holds {
      distance = distance.negated
      distance.offset -= 1
    }
    return distance
  }

  /// Width and start, if the condition says start + query − key < width.
  fileprivate func pastWithin(holds: Bool, on grid: Grid) -> (width: Int, start: Value?)? {
    guard let distance = comparison(holds: holds, on: grid), distance.key == 1,
      distance.query == -1, distance.vector == nil || distance.isVectorNegative,
      distance.offset >= 0
    else { return nil }
    return (distance.offset + 1, distance.vector)
  }

  /// |start + query − key| < width
  fileprivate func windowMask(holds: Bool, on grid: Grid) -> Mask<Value>? {
    guard case .binary(let function, let x, let y) = op else { return nil }
    let (magnitude, limit, width): (Value, Value, Int)
    switch (function, holds) {
    case (.less, true): (magnitude, limit, width) = (x, y, 0)
    case (.lessOrEqual, true): (magnitude, limit, width) = (x, y, 1)
    case (.less, false): (magnitude, limit, width) = (y, x, 1)
    case (.lessOrEqual, false): (magnitude, limit, width) = (y, x, 0)
    default: return nil
    }
    guard case .unary(.absolute, let difference) = magnitude.op, let bound = limit.splat,
      let whole = Int(exactly: bound), (1..<1 << 31).contains(whole + width),
      var distance = difference.distance(on: grid)
    else { return nil }
    if distance.key == 1 { distance = distance.negated }
    guard distance.key == -1, distance.query == 1, distance.offset == 0,
      !distance.isVectorNegative
    else { return nil }
    return .window(whole + width, start: distance.vector)
  }

  /// padding ≠ 0, as a cast to `bool` or as the negation of a comparison
  fileprivate func paddingMask(holds: Bool, on grid: Grid) -> Mask<Value>? {
    guard let batch = grid.batch, isPlacedAsPadding(on: grid), var source = nonzero(holds: holds)
    else { return nil }
    // As many elements as the condition has, so nothing on the way repeats or reorders them.
    while source.type != TensorType(.i32, [batch, grid.keys]) {
      switch source.op {
      case .reshape(let x, _), .broadcast(let x, _): source = x
      default: return nil
      }
    }
    return .padding(source)
  }

  /// The integers that the condition says are not 0.
  private func nonzero(holds: Bool) -> Value? {
    var (value, holds) = (self, holds)
    while true {
      switch value.op {
      case .cast(let x, .bool): return holds ? x : nil
      case .binary(.equal, let x, let y):
        return holds ? nil : y.splat == 0 ? x : x.splat == 0 ? y : nil
      case .reshape(let x, _), .broadcast(let x, _): value = x
      case .unary(.not, let x): (value, holds) = (x, !holds)
      default: return nil
      }
    }
  }

  /// Whether the node varies along the batch and the keys of the grid only.
  private func isPlacedAsPadding(on grid: Grid) -> Bool {
    guard let batch = grid.batch else { return false }
    let middle = Array(repeating: Dim(1), count: grid.shape.count - 2)
    return type.shape == [batch] + middle + [grid.keys]
  }

  /// The vector `f32[heads]` and a factor, if the node is slopes × (key − anything per row): what
  /// is the same along a row of scores does not change their softmax.
  func slopes(on grid: Grid) -> (slopes: Expression, factor: Double)? {
    guard let heads = grid.heads else { return nil }
    for (x, y) in commuted(.multiply) {
      guard x.type.rank >= 3, x.type.shape.suffix(3) == [heads, 1, 1], x.type.count == heads,
        let slopes = x.vector(TensorType(.f32, [heads])), let distance = y.distance(on: grid),
        distance.key != 0
      else { continue }
      return (slopes, Double(distance.key))
    }
    return nil
  }

  /// The same elements as a vector of this type: what a reshape was made of, or a constant's.
  private func vector(_ type: TensorType) -> Expression? {
    switch op {
    case .reshape(let vector, _) where vector.type == type: .old(vector)
    case .constant(let literal) where literal.type.element == type.element:
      .new(.constant(Literal(type, literal.values)))
    default: nil
    }
  }
}

extension ElementType {
  /// Whether the type holds every position that there may be; narrow ones wrap around or round.
  fileprivate var counts: Bool { self == .i32 || self == .i64 || self == .f32 }
}
