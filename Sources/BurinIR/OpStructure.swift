extension Op {
  /// The same operation with every operand replaced: the one structural switch.
  public func map<Other, Failure: Error>(
    _ change: (Operand) throws(Failure) -> Other
  ) throws(Failure) -> Op<Other> {
    switch self {
    case .input(let name, let type, let fallback):
      return .input(name: name, type: type, fallback: try fallback.mapped(change))
    case .weight(let name, let type): return .weight(name: name, type: type)
    case .state(let name, let type): return .state(name: name, type: type)
    case .constant(let literal): return .constant(literal)
    case .iota(let type, let axis): return .iota(type, axis: axis)
    case .extent(let dim): return .extent(dim)
    case .unary(let function, let x): return .unary(function, try change(x))
    case .binary(let function, let x, let y): return .binary(function, try change(x), try change(y))
    case .select(let condition, let then, let otherwise):
      return .select(
        try change(condition), then: try change(then), otherwise: try change(otherwise))
    case .scale(let x, let factor): return .scale(try change(x), by: factor)
    case .cast(let x, let element): return .cast(try change(x), to: element)
    case .matmul(let x, let y): return .matmul(try change(x), try change(y))
    case .linear(let x, let weight, let columns, let epilogues, let tile):
      let x = try change(x)
      let weight = try change(weight)
      var changed: [Epilogue<Other>] = []
      for epilogue in epilogues { changed.append(try epilogue.map(change)) }
      return .linear(x, weight: weight, columns: columns, epilogues: changed, tile: tile)
    case .experts(let x, let chosen, let weight, let count, let columns, let epilogues, let tile):
      let x = try change(x)
      let chosen = try change(chosen)
      let weight = try change(weight)
      var changed: [Epilogue<Other>] = []
      for epilogue in epilogues { changed.append(try epilogue.map(change)) }
      return .experts(
        x, chosen: chosen, weight: weight, count: count, columns: columns, epilogues: changed,
        tile: tile)
    case .attention(let query, let key, let value, let scores, let tile):
      return .attention(
        query: try change(query), key: try change(key), value: try change(value),
        scores: try scores.map(change), tile: tile)
    case .softmax(let x): return .softmax(try change(x))
    case .norm(let x, let norm): return .norm(try change(x), try norm.map(change))
    case .normAndCast(let x, let norm): return .normAndCast(try change(x), try norm.map(change))
    case .addNorm(let x, let residual, let norm):
      return .addNorm(try change(x), residual: try change(residual), try norm.map(change))
    case .reduce(let function, let x, let axes): return .reduce(function, try change(x), axes: axes)
    case .cumulativeSum(let x, let axis): return .cumulativeSum(try change(x), axis: axis)
    case .topK(let x, let count): return .topK(try change(x), count: count)
    case .rotary(let x, let positions, let frequencies, let interleaved):
      return .rotary(
        try change(x), positions: try change(positions), frequencies: try change(frequencies),
        interleaved: interleaved)
    case .embedding(let table, let indices, let rows):
      return .embedding(table: try change(table), indices: try change(indices), rows: rows)
    case .gather(let x, let indices): return .gather(try change(x), indices: try change(indices))
    case .slice(let x, let axis, let start, let count):
      return .slice(try change(x), axis: axis, start: start, count: count)
    case .concat(let parts, let axis):
      var changed: [Other] = []
      for part in parts { changed.append(try change(part)) }
      return .concat(changed, axis: axis)
    case .reshape(let x, let shape): return .reshape(try change(x), shape)
    case .transpose(let x, let permutation):
      return .transpose(try change(x), permutation: permutation)
    case .broadcast(let x, let shape): return .broadcast(try change(x), shape)
    case .mask(let masks, let shape):
      var changed: [Mask<Other>] = []
      for mask in masks { changed.append(try mask.map(change)) }
      return .mask(changed, shape: shape)
    case .append(let cache, let values, let start, let counts):
      return .append(
        cache: try change(cache), values: try change(values), start: try change(start),
        counts: try change(counts))
    case .pack(let x, let width): return .pack(try change(x), width: width)
    case .part(let x, let index): return .part(try change(x), index)
    }
  }

  /// The operands, in the order in which `map` meets them.
  public var operands: [Operand] {
    var found: [Operand] = []
    _ = map { found.append($0) }
    return found
  }
}

extension Norm {
  /// The same normalisation with every operand replaced.
  public func map<Other, Failure: Error>(
    _ change: (Operand) throws(Failure) -> Other
  ) throws(Failure) -> Norm<Other> {
    Norm<Other>(
      kind, scale: try scale.mapped(change), bias: try bias.mapped(change), epsilon: epsilon,
      cast: cast)
  }
}

extension Epilogue {
  /// The same epilogue with every operand replaced.
  public func map<Other, Failure: Error>(
    _ change: (Operand) throws(Failure) -> Other
  ) throws(Failure) -> Epilogue<Other> {
    switch self {
    case .bias(let x): .bias(try change(x))
    case .activation(let function): .activation(function)
    case .residual(let x): .residual(try change(x))
    case .gate(let x): .gate(try change(x))
    case .scale(let factor): .scale(factor)
    case .cast(let element): .cast(element)
    }
  }
}

extension Mask {
  /// The same mask with every operand replaced.
  public func map<Other, Failure: Error>(
    _ change: (Operand) throws(Failure) -> Other
  ) throws(Failure) -> Mask<Other> {
    switch self {
    case .padding(let x): .padding(try change(x))
    case .lengths(let x): .lengths(try change(x))
    case .causal(let start): .causal(start: try start.mapped(change))
    case .window(let width, let start): .window(width, start: try start.mapped(change))
    }
  }
}

extension Scores {
  /// The same scores with every operand replaced.
  public func map<Other, Failure: Error>(
    _ change: (Operand) throws(Failure) -> Other
  ) throws(Failure) -> Scores<Other> {
    let bias = try bias.mapped(change)
    let slopes = try slopes.mapped(change)
    var changed: [Mask<Other>] = []
    for mask in masks { changed.append(try mask.map(change)) }
    return Scores<Other>(
      scale: scale, softCap: softCap, bias: bias, slopes: slopes, masks: changed)
  }
}

extension Optional {
  /// `map` with a typed error.
  fileprivate func mapped<Other, Failure: Error>(
    _ change: (Wrapped) throws(Failure) -> Other
  ) throws(Failure) -> Other? {
    guard let value = self else { return nil }
    return try change(value)
  }
}
