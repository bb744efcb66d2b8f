import BurinIR

extension Pass {
  /// Arithmetic whose result is known, or that does nothing; constants and factors put into the one
  /// form that later rules look for.
  public static let foldConstants = Pass(
    "fold-constants", rules: arithmeticRules + viewRules)
}

/// Equations on single elements.
let arithmeticRules: [Rule] = [
  evaluateLiterals, dropNeutral, scaleBySplat, mergeScales, dropUnitScale, hoistScale, mergeCasts,
  undoTwice, expandPower, invertRoot, dropSelect, dropOperandBroadcast, measureExtent, meanOfSum,
]

/// x + 0, x − 0, x × 1, x ÷ 1, x¹ ⟶ x
private let dropNeutral = Rule("drop-neutral") { root in
  guard case .binary(let function, let x, let y) = root.op else { return nil }
  switch function {
  case .add where x.splat == 0 && y.type == root.type: return .old(y)
  case .multiply where x.splat == 1 && y.type == root.type: return .old(y)
  case .add where y.splat == 0, .subtract where y.splat == 0: break
  case .multiply where y.splat == 1, .divide where y.splat == 1, .power where y.splat == 1: break
  default: return nil
  }
  return x.type == root.type ? .old(x) : nil
}

/// x × c, c × x, x ÷ c ⟶ scale(x, c), scale(x, c), scale(x, 1/c), for floating-point x
private let scaleBySplat = Rule("scale-by-splat") { root in
  guard case .binary = root.op, root.type.element.isFloat else { return nil }
  for (x, y) in root.commuted(.multiply) {
    if let factor = y.splat, factor.isFinite, x.type == root.type {
      return .node(.scale(x, by: factor))
    }
  }
  if case .binary(.divide, let x, let y) = root.op, let divisor = y.splat, x.type == root.type,
    divisor.isFinite, (1 / divisor).isFinite
  {
    return .node(.scale(x, by: 1 / divisor))
  }
  return nil
}

/// scale(scale(x, a), b) ⟶ scale(x, a × b)
private let mergeScales = Rule("merge-scales") { root in
  guard case .scale(let inner, let b) = root.op, case .scale(let x, let a) = inner.op,
    (a * b).isFinite, a * b != 0
  else { return nil }
  return .node(.scale(x, by: a * b))
}

/// scale(x, 1) ⟶ x
private let dropUnitScale = Rule("drop-unit-scale") { root in
  guard case .scale(let x, 1) = root.op else { return nil }
  return .old(x)
}

/// x × scale(y, c) ⟶ scale(x × y, c), where that leaves one scale for two or a product unscaled:
/// only from under a factor that is used once
private let hoistScale = Rule("hoist-scale") { root in
  guard case .scale(let product, let b) = root.op, product.uses == 1 else { return nil }
  for (x, y) in product.commuted(.multiply) {
    if case .scale(let z, let a) = y.op, (a * b).isFinite, a * b != 0 {
      return .new(.scale(.node(.binary(.multiply, x, z)), by: a * b))
    }
  }
  return nil
}

/// cast(x : t, t) ⟶ x; cast(cast(x : t, u), v) ⟶ cast(x, v), if every t is a u
///
/// Floats saturate where integers wrap around, so integers stay floats on their way to others.
private let mergeCasts = Rule("merge-casts") { root in
  guard case .cast(let x, let element) = root.op else { return nil }
  if x.type.element == element { return .old(x) }
  guard case .cast(let y, let middle) = x.op, y.type.element.isExact(in: middle),
    !(y.type.element.isInteger && middle.isFloat && element.isInteger)
  else { return nil }
  return .node(.cast(y, to: element))
}

/// −(−x), ¬¬x ⟶ x
private let undoTwice = Rule("undo-twice") { root in
  guard case .unary(let function, let inner) = root.op, function == .negate || function == .not,
    case .unary(function, let x) = inner.op
  else { return nil }
  return .old(x)
}

/// x² ⟶ x × x; x³ ⟶ x × x × x; x^½ ⟶ √x; x^−½ ⟶ 1/√x; x⁻¹ ⟶ 1 ÷ x
private let expandPower = Rule("expand-power") { root in
  guard case .binary(.power, let x, let y) = root.op, let exponent = y.splat, x.type == root.type,
    x.type.element.isFloat
  else { return nil }
  switch exponent {
  case 2: return .node(.binary(.multiply, x, x))
  case 3: return .new(.binary(.multiply, .node(.binary(.multiply, x, x)), .old(x)))
  case 0.5: return .node(.unary(.sqrt, x))
  case -0.5: return .node(.unary(.rsqrt, x))
  case -1: return .new(.binary(.divide, .scalar(1, x.type.element), .old(x)))
  default: return nil
  }
}

/// 1 ÷ √x ⟶ rsqrt(x); x ÷ √y ⟶ x × rsqrt(y), where the root is used once
private let invertRoot = Rule("invert-root") { root in
  guard case .binary(.divide, let x, let divisor) = root.op, divisor.uses == 1,
    case .unary(.sqrt, let y) = divisor.op
  else { return nil }
  if x.splat == 1, y.type == root.type { return .node(.unary(.rsqrt, y)) }
  return .new(.binary(.multiply, .old(x), .node(.unary(.rsqrt, y))))
}

/// select(true, x, y), select(c, x, x) ⟶ x; select(false, x, y) ⟶ y
private let dropSelect = Rule("drop-select") { root in
  guard case .select(let condition, let then, let otherwise) = root.op else { return nil }
  let chosen: Value
  switch condition.splat {
  case .some(let value): chosen = value != 0 ? then : otherwise
  case .none:
    guard then == otherwise else { return nil }
    chosen = then
  }
  return chosen.type == root.type ? .old(chosen) : nil
}

/// f(broadcast(x), y) ⟶ f(x, y), where operands broadcast by themselves; the same for a reshape
/// that only adds leading axes of extent 1
private let dropOperandBroadcast = Rule("drop-operand-broadcast") { root in
  switch root.op {
  case .binary(let function, let x, let y):
    if let bare = x.unbroadcast, broadcastShape(bare.type.shape, y.type.shape) == root.type.shape {
      return .node(.binary(function, bare, y))
    }
    if let bare = y.unbroadcast, broadcastShape(x.type.shape, bare.type.shape) == root.type.shape {
      return .node(.binary(function, x, bare))
    }
    return nil
  case .select(let condition, let then, let otherwise):
    func fits(_ a: Value, _ b: Value, _ c: Value) -> Bool {
      broadcastShape(a.type.shape, b.type.shape)
        .flatMap { broadcastShape($0, c.type.shape) } == root.type.shape
    }
    if let bare = condition.unbroadcast, fits(bare, then, otherwise) {
      return .node(.select(bare, then: then, otherwise: otherwise))
    }
    if let bare = then.unbroadcast, fits(condition, bare, otherwise) {
      return .node(.select(condition, then: bare, otherwise: otherwise))
    }
    if let bare = otherwise.unbroadcast, fits(condition, then, bare) {
      return .node(.select(condition, then: then, otherwise: bare))
    }
    return nil
  case .matmul(let x, let y):
    guard case .broadcast(let matrix, _) = y.op, matrix.type.rank == 2,
      matrix.type.shape[...] == y.type.shape.suffix(2)
    else { return nil }
    return .node(.matmul(x, matrix))
  default: return nil
  }
}

/// extent(n) ⟶ n
private let measureExtent = Rule("measure-extent") { root in
  guard case .extent(let dim) = root.op, let value = dim.constant, Int32(exactly: value) != nil
  else { return nil }
  return .new(.constant(Literal(root.type, [Double(value)])))
}

/// scale(sum(x), 1/n) ⟶ mean(x), over n elements
private let meanOfSum = Rule("mean-of-sum") { root in
  guard case .scale(let sum, let factor) = root.op, case .reduce(.sum, let x, let axes) = sum.op,
    let count = axes.map({ x.type.shape[$0] }).product.constant, factor.isNearly(1 / Double(count))
  else { return nil }
  return .node(.reduce(.mean, x, axes: axes))
}

extension Value {
  /// What the node only repeats, or puts behind leading axes of extent 1.
  fileprivate var unbroadcast: Value? {
    switch op {
    case .broadcast(let x, _): return x
    case .reshape(let x, let shape):
      let added = shape.count - x.type.rank
      guard added > 0, shape[..<added].allSatisfy({ $0 == 1 }), shape[added...] == x.type.shape[...]
      else { return nil }
      return x
    default: return nil
    }
  }
}

extension ElementType {
  /// Whether every value of this type is one of the other.
  fileprivate func isExact(in other: ElementType) -> Bool {
    switch (self, other) {
    case (.f16, .f32), (.bf16, .f32), (.i32, .i64), (.i8, .i32), (.u8, .i32), (.i8, .i64),
      (.u8, .i64), (.i8, .f32), (.u8, .f32):
      true
    default: self == other
    }
  }
}
