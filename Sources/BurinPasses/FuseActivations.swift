import BurinIR

extension Pass {
  /// Activation functions that a model spells out, as the one operation that they are.
  public static let fuseActivations = Pass("fuse-activations", rules: activationRules)
}

let activationRules: [Rule] = [findRelu, findSigmoid, findSilu, findGelu]

/// maximum(x, 0) ⟶ relu(x)
private let findRelu = Rule("find-relu") { root in
  for (x, zero) in root.commuted(.maximum) where zero.splat == 0 && x.type == root.type {
    return .node(.unary(.relu, x))
  }
  return nil
}

/// 1 ÷ (1 + exp(−x)) ⟶ sigmoid(x)
private let findSigmoid = Rule("find-sigmoid") { root in
  guard case .binary(.divide, let one, let divisor) = root.op, one.splat == 1,
    let x = divisor.onePlusExpOfNegative, x.type == root.type
  else { return nil }
  return .node(.unary(.sigmoid, x))
}

/// x × sigmoid(x), x ÷ (1 + exp(−x)) ⟶ silu(x)
private let findSilu = Rule("find-silu") { root in
  for (x, gate) in root.commuted(.multiply) {
    if case .unary(.sigmoid, x) = gate.op { return .node(.unary(.silu, x)) }
  }
  if case .binary(.divide, let x, let divisor) = root.op, divisor.onePlusExpOfNegative == x,
    x.type == root.type
  {
    return .node(.unary(.silu, x))
  }
  return nil
}

/// ½ x (1 + erf(x/√2)) ⟶ gelu(x); ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))) ⟶ gelu_tanh(x)
///
/// Both however their factors are ordered and their constants spread.
private let findGelu = Rule("find-gelu") { (root) throws(NearMiss) in
  var factors: [Value] = []
  guard let constant = root.collectFactors(&factors), factors.count == 2 else { return nil }
  for (x, sum) in [(factors[0], factors[1]), (factors[1], factors[0])] {
    for (one, function) in sum.commuted(.add) where one.splat == 1 {
      guard case .unary(let curve, let argument) = function.op, curve == .erf || curve == .tanh,
        x.type == root.type, let polynomial = argument.polynomial(in: x)
      else { continue }
      let expected = curve == .erf ? [0, 0.5.squareRoot()] : geluTanhArgument
      guard polynomial.isNearly(expected) else {
        throw NearMiss("the argument of \(curve.rawValue) is not the one of gelu")
      }
      // Elsewhere in a chain of products the same factors come without their half.
      guard constant.isNearly(0.5) else { return nil }
      return .node(.unary(curve == .erf ? .gelu : .geluTanh, x))
    }
  }
  return nil
}

/// √(2/π) (x + 0.044715 x³), by rising power.
private let geluTanhArgument = [0, 0.7978845608028654, 0, 0.7978845608028654 * 0.044715]

extension Value {
  /// x, if the node is 1 + exp(−x).
  fileprivate var onePlusExpOfNegative: Value? {
    for (one, power) in commuted(.add) where one.splat == 1 {
      guard case .unary(.exp, let exponent) = power.op else { continue }
      switch exponent.op {
      case .unary(.negate, let x), .scale(let x, -1): return x
      default: continue
      }
    }
    return nil
  }

  /// Takes products and scales apart, and returns the product of the constants among the factors;
  /// `nil` if there are more factors than any rule looks for.
  fileprivate func collectFactors(_ factors: inout [Value]) -> Double? {
    var constant = 1.0
    var pending = [self]
    while let value = pending.popLast() {
      switch value.op {
      case .scale(let x, let factor):
        constant *= factor
        pending.append(x)
      case .binary(.multiply, let x, let y): pending += [x, y]
      default:
        guard factors.count < 2 else { return nil }
        factors.append(value)
      }
    }
    return constant
  }

  /// The node as a polynomial in `x` by rising power, if it is one of degree at most 3.
  fileprivate func polynomial(in x: Value, depth: Int = 8) -> [Double]? {
    if self == x { return [0, 1] }
    if let constant = splat { return [constant] }
    guard depth > 0 else { return nil }
    switch op {
    case .scale(let y, let factor):
      return y.polynomial(in: x, depth: depth - 1)?.map { $0 * factor }
    case .unary(.negate, let y): return y.polynomial(in: x, depth: depth - 1)?.map { -$0 }
    case .binary(let function, let y, let z):
      guard let a = y.polynomial(in: x, depth: depth - 1),
        let b = z.polynomial(in: x, depth: depth - 1)
      else { return nil }
      switch function {
      case .add, .subtract:
        return (0..<max(a.count, b.count)).map { power in
          let left = power < a.count ? a[power] : 0
          let right = power < b.count ? b[power] : 0
          return function == .add ? left + right : left - right
        }
      case .multiply:
        guard a.count + b.count <= 5 else { return nil }
        var product = [Double](repeating: 0, count: a.count + b.count - 1)
        for (i, left) in a.enumerated() {
          for (j, right) in b.enumerated() { product[i + j] += left * right }
        }
        return product
      default: return nil
      }
    default: return nil
    }
  }
}

extension [Double] {
  /// Whether two polynomials have nearly the same coefficients.
  fileprivate func isNearly(_ other: [Double]) -> Bool {
    (0..<Swift.max(count, other.count)).allSatisfy { power in
      let left = power < count ? self[power] : 0
      let right = power < other.count ? other[power] : 0
      return left.isNearly(right)
    }
  }
}
