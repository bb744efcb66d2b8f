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
    case .norm, .addNorm: return "normed"
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
    case .binary(.add, _, _): return "sum"
    case .binary(let function, _, _): return function.rawValue
    case .unary(let function, _): return function.rawValue
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

extension Op where Operand: Equatable {
  /// What a weight is to the operation: `projected weight`, `normed scale`; with the part of the
  /// model in front it names the weight in C.
  func role(of operand: Operand) -> String {
    switch self {
    case .linear(_, let weight, _, let epilogues, _),
      .experts(_, _, let weight, _, _, let epilogues, _):
      if weight == operand { return noun + " weight" }
      for case .bias(let bias) in epilogues where bias == operand { return noun + " bias" }
      return noun + " operand"
    case .norm(_, let norm), .addNorm(_, _, let norm):
      return noun + (norm.scale == operand ? " scale" : " bias")
    case .embedding(let table, _, _): return table == operand ? "table" : "indices"
    default: return noun + " operand"
    }
  }
}
