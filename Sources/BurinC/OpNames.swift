import BurinIR

extension Op {
  /// What its result is called in the emitted `forward`.
  var noun: String {
    switch self {
    case .linear(_, _, _, let epilogues, _), .experts(_, _, _, _, _, let epilogues, _):
      for epilogue in epilogues.reversed() {
        switch epilogue {
        case .residual: return "summed"
        case .activation: return "activated"
        case .gate: return "gated"
        case .bias, .scale, .cast: break
        }
      }
      return "projected"
    case .attention: return "attended"
    case .norm, .normAndCast, .addNorm: return "normed"
    case .embedding: return "embedded"
    case .gather: return "gathered"
    case .matmul: return "product"
    case .softmax: return "weights"
    case .mask: return "mask"
    case .concat: return "joined"
    case .rotary: return "rotated"
    case .reduce(let function, _, _): return function.rawValue
    case .cumulativeSum: return "running_sum"
    case .topK: return "largest"
    case .binary(let function, _, _): return function.noun
    case .unary(let function, _): return function.noun
    case .scale: return "scaled"
    case .cast: return "cast"
    case .select: return "selected"
    case .iota: return "positions"
    case .extent: return "extent"
    case .broadcast: return "filled"
    case .slice, .reshape, .transpose: return "copied"
    case .append: return "cache"
    case .input, .weight, .state, .constant, .pack, .part: return "value"
    }
  }
}

extension Unary {
  fileprivate var noun: String {
    switch self {
    case .negate: "negative"
    case .absolute: "magnitude"
    case .exp: "exponential"
    case .log: "logarithm"
    case .sqrt: "root"
    case .rsqrt: "inverse_root"
    case .sin: "sine"
    case .cos: "cosine"
    case .erf: "error_function"
    case .floor: "floored"
    case .not: "condition"
    case .relu, .gelu, .geluTanh, .silu, .tanh, .sigmoid: "activated"
    }
  }
}

extension Binary {
  fileprivate var noun: String {
    switch self {
    case .add: "sum"
    case .subtract: "difference"
    case .multiply: "multiplied"
    case .divide: "quotient"
    case .power: "power"
    case .minimum, .maximum: rawValue
    case .equal, .less, .lessOrEqual, .and, .or: "condition"
    }
  }
}

extension Op where Operand: Equatable {
  /// What a weight or a constant is to the operation: `projected weight`, `rotary frequencies`; it
  /// names the constant in C, and with the part of the model in front the weight. `nil` where the
  /// operation says nothing about it.
  func role(of operand: Operand) -> String? {
    switch self {
    case .linear(_, let weight, _, let epilogues, _),
      .experts(_, _, let weight, _, _, let epilogues, _):
      if weight == operand { return noun + " weight" }
      for case .bias(let bias) in epilogues where bias == operand { return noun + " bias" }
      return nil
    case .norm(_, let norm), .normAndCast(_, let norm), .addNorm(_, _, let norm):
      return norm.scale == operand ? noun + " scale" : norm.bias == operand ? noun + " bias" : nil
    case .embedding(let table, _, _): return table == operand ? "table" : nil
    case .rotary(_, _, let frequencies, _):
      return frequencies == operand ? "rotary frequencies" : nil
    case .attention(_, _, _, let scores, _):
      return scores.slopes == operand
        ? "score slopes" : scores.bias == operand ? "score bias" : nil
    default: return nil
    }
  }
}
