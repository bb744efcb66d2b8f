/// Walks over the fields of an operation in the order in which the IR's text spells them.
///
/// This is the one description of the syntax: the writer's coder spells each field that it is
/// shown, the reader's coder ignores it and returns the one that it reads. What comes back from
/// the fields makes up the operation that `coded` returns.
protocol FieldCoder {
  associatedtype Operand
  associatedtype Failure: Error

  mutating func operand(_ label: String?, _ value: Operand) throws(Failure) -> Operand
  mutating func operand(_ label: String, ifAny value: Operand?) throws(Failure) -> Operand?
  mutating func operands(_ values: [Operand]) throws(Failure) -> [Operand]
  mutating func name(_ value: String) throws(Failure) -> String
  mutating func word<Word: TextWord>(_ label: String?, _ value: Word) throws(Failure) -> Word
  mutating func word<Word: TextWord>(_ label: String, ifAny value: Word?) throws(Failure) -> Word?
  /// A word that stands there or does not.
  mutating func flag(_ word: String, _ value: Bool) throws(Failure) -> Bool
  mutating func integer(_ label: String?, _ value: Int) throws(Failure) -> Int
  mutating func integers(_ label: String, _ values: [Int]) throws(Failure) -> [Int]
  mutating func number(_ label: String, _ value: Double) throws(Failure) -> Double
  mutating func number(_ label: String, ifAny value: Double?) throws(Failure) -> Double?
  mutating func numbers(_ values: [Double]) throws(Failure) -> [Double]
  mutating func extent(_ label: String?, _ value: Dim) throws(Failure) -> Dim
  mutating func epilogues(_ values: [Epilogue<Operand>]) throws(Failure) -> [Epilogue<Operand>]
  mutating func masks(_ values: [Mask<Operand>]) throws(Failure) -> [Mask<Operand>]
  /// A label before a list of masks that is left out where it is empty.
  mutating func masks(
    _ label: String, ifAny values: [Mask<Operand>]
  ) throws(Failure) -> [Mask<Operand>]

  // What follows the parenthesis, and so comes last.

  /// A type that stands nowhere but in the type of the node's result.
  mutating func resultType(_ value: TensorType) throws(Failure) -> TensorType
  /// A shape that stands nowhere but in the type of the node's result.
  mutating func resultShape(_ value: [Dim]) throws(Failure) -> [Dim]
  /// A word and a number after `tile:`, `rows 128`; after `rows` there may be `panels 4` and `even`.
  mutating func tile(_ word: String, _ value: Tile?) throws(Failure) -> Tile?
}

/// How many rows or queries a kernel takes at a time; of products also how many panels, and how rows
/// are cut into tiles.
struct Tile {
  var block: Int
  var panels = 1
  var isEven = false
}

extension Tile {
  init(_ tile: LinearTile) {
    self.init(block: tile.rowBlock, panels: tile.panels, isEven: tile.isEven)
  }

  var linear: LinearTile { LinearTile(rowBlock: block, panels: panels, isEven: isEven) }

  /// What stands behind `tile:`; `word` says what there is a number of at a time.
  func text(_ word: String) -> String {
    "\(word) \(block)" + (panels == 1 ? "" : " panels \(panels)")
      + (isEven ? " even" : "")
  }
}

/// An attribute that is one word out of a list.
typealias TextWord = RawRepresentable<String> & CaseIterable & Sendable

/// Something that the text spells as a word and fields in parentheses.
protocol Spelled<Operand> {
  associatedtype Operand

  /// The word.
  var mnemonic: String { get }

  /// One value for each word; their fields mean nothing.
  static func prototypes(_ operand: Operand) -> [Self]

  func coded<Coder: FieldCoder>(
    by coder: inout Coder
  ) throws(Coder.Failure) -> Self where Coder.Operand == Operand
}

extension Op: Spelled {
  /// The operation's word in the IR's text: the case's name, or the function's for `unary` and
  /// `binary`.
  public var mnemonic: String {
    switch self {
    case .input: "input"
    case .weight: "weight"
    case .state: "state"
    case .constant: "constant"
    case .iota: "iota"
    case .extent: "extent"
    case .unary(let function, _): function.rawValue
    case .binary(let function, _, _): function.rawValue
    case .select: "select"
    case .scale: "scale"
    case .cast: "cast"
    case .matmul: "matmul"
    case .linear: "linear"
    case .experts: "experts"
    case .attention: "attention"
    case .softmax: "softmax"
    case .norm: "norm"
    case .normAndCast: "norm_and_cast"
    case .addNorm: "add_norm"
    case .reduce: "reduce"
    case .cumulativeSum: "cumulative_sum"
    case .topK: "top_k"
    case .rotary: "rotary"
    case .embedding: "embedding"
    case .gather: "gather"
    case .slice: "slice"
    case .concat: "concat"
    case .reshape: "reshape"
    case .transpose: "transpose"
    case .broadcast: "broadcast"
    case .mask: "mask"
    case .append: "append"
    case .pack: "pack"
    case .part: "part"
    }
  }

  static func prototypes(_ x: Operand) -> [Op] {
    let type = TensorType(.f32, [])
    let norm = Norm<Operand>(.layer, scale: nil, bias: nil, epsilon: 0)
    return [
      .input(name: "", type: type, fallback: nil), .weight(name: "", type: type),
      .state(name: "", type: type), .constant(Literal(type, [])), .iota(type, axis: 0), .extent(0),
      .select(x, then: x, otherwise: x), .scale(x, by: 0), .cast(x, to: .f32), .matmul(x, x),
      .linear(x, weight: x, columns: 0, epilogues: [], tile: nil),
      .experts(x, chosen: x, weight: x, count: 0, columns: 0, epilogues: [], tile: nil),
      .attention(query: x, key: x, value: x, scores: Scores(scale: 0), tile: nil), .softmax(x),
      .norm(x, norm), .normAndCast(x, norm), .addNorm(x, residual: x, norm),
      .reduce(.sum, x, axes: []),
      .cumulativeSum(x, axis: 0), .topK(x, count: 0),
      .rotary(x, positions: x, frequencies: x, interleaved: false),
      .embedding(table: x, indices: x, rows: 0), .gather(x, indices: x),
      .slice(x, axis: 0, start: 0, count: 0), .concat([], axis: 0), .reshape(x, []),
      .transpose(x, permutation: []), .broadcast(x, []), .mask([], shape: []),
      .append(cache: x, values: x, start: x, counts: x), .pack(x, width: 0), .part(x, 0),
    ] + Unary.allCases.map { .unary($0, x) } + Binary.allCases.map { .binary($0, x, x) }
  }

  func coded<Coder: FieldCoder>(
    by coder: inout Coder
  ) throws(Coder.Failure) -> Op where Coder.Operand == Operand {
    switch self {
    case .input(let name, let type, let fallback):
      let name = try coder.name(name)
      let fallback = try coder.operand("fallback", ifAny: fallback)
      return .input(name: name, type: try coder.resultType(type), fallback: fallback)
    case .weight(let name, let type):
      return .weight(name: try coder.name(name), type: try coder.resultType(type))
    case .state(let name, let type):
      return .state(name: try coder.name(name), type: try coder.resultType(type))
    case .constant(let literal):
      let values = try coder.numbers(literal.values)
      return .constant(Literal(try coder.resultType(literal.type), values))
    case .iota(let type, let axis):
      let axis = try coder.integer("axis", axis)
      return .iota(try coder.resultType(type), axis: axis)
    case .extent(let dim): return .extent(try coder.extent(nil, dim))
    case .unary(let function, let x): return .unary(function, try coder.operand(nil, x))
    case .binary(let function, let x, let y):
      return .binary(function, try coder.operand(nil, x), try coder.operand(nil, y))
    case .select(let condition, let then, let otherwise):
      return .select(
        try coder.operand(nil, condition), then: try coder.operand("then", then),
        otherwise: try coder.operand("otherwise", otherwise))
    case .scale(let x, let factor):
      return .scale(try coder.operand(nil, x), by: try coder.number("by", factor))
    case .cast(let x, let element):
      return .cast(try coder.operand(nil, x), to: try coder.word("to", element))
    case .matmul(let x, let y):
      return .matmul(try coder.operand(nil, x), try coder.operand(nil, y))
    case .linear(let x, let weight, let columns, let epilogues, let tile):
      let x = try coder.operand(nil, x)
      let weight = try coder.operand("weight", weight)
      let epilogues = try coder.epilogues(epilogues)
      let columns = try coder.integer("columns", columns)
      let read = try coder.tile("rows", tile.map { Tile($0) })
      return .linear(
        x, weight: weight, columns: columns, epilogues: epilogues, tile: read?.linear)
    case .experts(let x, let chosen, let weight, let count, let columns, let epilogues, let tile):
      let x = try coder.operand(nil, x)
      let chosen = try coder.operand("chosen", chosen)
      let weight = try coder.operand("weight", weight)
      let epilogues = try coder.epilogues(epilogues)
      let columns = try coder.integer("columns", columns)
      let count = try coder.integer("count", count)
      let read = try coder.tile("rows", tile.map { Tile($0) })
      return .experts(
        x, chosen: chosen, weight: weight, count: count, columns: columns, epilogues: epilogues,
        tile: read?.linear)
    case .attention(let query, let key, let value, let scores, let tile):
      let query = try coder.operand("query", query)
      let key = try coder.operand("key", key)
      let value = try coder.operand("value", value)
      let scores = try scores.coded(by: &coder)
      let read = try coder.tile("queries", tile.map { Tile(block: $0.queries) })
      return .attention(
        query: query, key: key, value: value, scores: scores,
        tile: read.map { AttentionTile(queries: $0.block) })
    case .softmax(let x): return .softmax(try coder.operand(nil, x))
    case .norm(let x, let norm):
      return .norm(try coder.operand(nil, x), try norm.coded(by: &coder))
    case .normAndCast(let x, let norm):
      return .normAndCast(try coder.operand(nil, x), try norm.coded(by: &coder))
    case .addNorm(let x, let residual, let norm):
      return .addNorm(
        try coder.operand(nil, x), residual: try coder.operand("residual", residual),
        try norm.coded(by: &coder))
    case .reduce(let function, let x, let axes):
      return .reduce(
        try coder.word(nil, function), try coder.operand(nil, x),
        axes: try coder.integers("axes", axes))
    case .cumulativeSum(let x, let axis):
      return .cumulativeSum(try coder.operand(nil, x), axis: try coder.integer("axis", axis))
    case .topK(let x, let count):
      return .topK(try coder.operand(nil, x), count: try coder.integer("count", count))
    case .rotary(let x, let positions, let frequencies, let interleaved):
      return .rotary(
        try coder.operand(nil, x), positions: try coder.operand("positions", positions),
        frequencies: try coder.operand("frequencies", frequencies),
        interleaved: try coder.flag("interleaved", interleaved))
    case .embedding(let table, let indices, let rows):
      return .embedding(
        table: try coder.operand(nil, table), indices: try coder.operand("indices", indices),
        rows: try coder.integer("rows", rows))
    case .gather(let x, let indices):
      return .gather(try coder.operand(nil, x), indices: try coder.operand("indices", indices))
    case .slice(let x, let axis, let start, let count):
      return .slice(
        try coder.operand(nil, x), axis: try coder.integer("axis", axis),
        start: try coder.extent("start", start), count: try coder.extent("count", count))
    case .concat(let parts, let axis):
      return .concat(try coder.operands(parts), axis: try coder.integer("axis", axis))
    case .reshape(let x, let shape):
      return .reshape(try coder.operand(nil, x), try coder.resultShape(shape))
    case .transpose(let x, let permutation):
      return .transpose(
        try coder.operand(nil, x), permutation: try coder.integers("permutation", permutation))
    case .broadcast(let x, let shape):
      return .broadcast(try coder.operand(nil, x), try coder.resultShape(shape))
    case .mask(let masks, let shape):
      return .mask(try coder.masks(masks), shape: try coder.resultShape(shape))
    case .append(let cache, let values, let start, let counts):
      return .append(
        cache: try coder.operand(nil, cache), values: try coder.operand("values", values),
        start: try coder.operand("start", start), counts: try coder.operand("counts", counts))
    case .pack(let x, let width):
      return .pack(try coder.operand(nil, x), width: try coder.integer("width", width))
    case .part(let x, let index):
      return .part(try coder.operand(nil, x), try coder.integer(nil, index))
    }
  }
}

extension Mask: Spelled {
  var mnemonic: String {
    switch self {
    case .padding: "padding"
    case .lengths: "lengths"
    case .causal: "causal"
    case .window: "window"
    }
  }

  static func prototypes(_ x: Operand) -> [Mask] {
    [.padding(x), .lengths(x), .causal(start: nil), .window(0, start: nil)]
  }

  func coded<Coder: FieldCoder>(
    by coder: inout Coder
  ) throws(Coder.Failure) -> Mask where Coder.Operand == Operand {
    switch self {
    case .padding(let x): .padding(try coder.operand(nil, x))
    case .lengths(let x): .lengths(try coder.operand(nil, x))
    case .causal(let start): .causal(start: try coder.operand("start", ifAny: start))
    case .window(let width, let start):
      .window(try coder.integer(nil, width), start: try coder.operand("start", ifAny: start))
    }
  }
}

extension Norm {
  func coded<Coder: FieldCoder>(
    by coder: inout Coder
  ) throws(Coder.Failure) -> Norm where Coder.Operand == Operand {
    Norm(
      try coder.word(nil, kind), scale: try coder.operand("scale", ifAny: scale),
      bias: try coder.operand("bias", ifAny: bias), epsilon: try coder.number("epsilon", epsilon),
      cast: try coder.word("cast", ifAny: cast))
  }
}

extension Scores {
  func coded<Coder: FieldCoder>(
    by coder: inout Coder
  ) throws(Coder.Failure) -> Scores where Coder.Operand == Operand {
    Scores(
      scale: try coder.number("scale", scale),
      softCap: try coder.number("soft_cap", ifAny: softCap),
      bias: try coder.operand("bias", ifAny: bias),
      slopes: try coder.operand("slopes", ifAny: slopes),
      masks: try coder.masks("masks", ifAny: masks))
  }
}
