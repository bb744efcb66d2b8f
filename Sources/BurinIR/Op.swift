/// Every operation of the language, generic in what an operand is: the graph stores `Op<NodeID>`,
/// the type rules read `Op<ValueType>`, the writer `Op<String>`, the interpreter `Op<Array>` and
/// the code generator `Op<Buffer>`.
///
/// A case is named as the IR's text, the kernels and the tests name it.
public enum Op<Operand> {
  // Leaves.

  /// A tensor that the caller gives; where it may be left out, the value that it then has. Symbols of
  /// its own that the value's type has others for have their values then.
  case input(name: String, type: TensorType, fallback: Operand?)
  /// A tensor of the model's files, by the name it has there.
  case weight(name: String, type: TensorType)
  /// What a state held before this call.
  case state(name: String, type: TensorType)
  /// Numbers that stand in the program.
  case constant(Literal)
  /// Counts 0, 1, 2 ... along `axis`, and is constant along the others.
  case iota(TensorType, axis: Int)
  /// The run-time value of an extent, `i32[]`.
  case extent(Dim)

  // Element by element; operands broadcast as in NumPy.

  /// `f(x)`.
  case unary(Unary, Operand)
  /// `f(x, y)`.
  case binary(Binary, Operand, Operand)
  /// `condition ? then : otherwise`.
  case select(Operand, then: Operand, otherwise: Operand)
  /// `x * by`.
  case scale(Operand, by: Double)
  /// The same numbers as nearly as another type has them: ties to even, and integers towards zero.
  case cast(Operand, to: ElementType)

  // Products.

  /// `[..., M, K] x [..., K, N]`: leading axes equal, or the right side has rank 2.
  case matmul(Operand, Operand)
  /// `epilogues(x[..., K] x weight)`, with `columns` columns: the weight is `[K, columns]`, or
  /// packed by `pack`, of the element type of `x` or narrower; the result is f32 unless it is cast.
  case linear(
    Operand, weight: Operand, columns: Int, epilogues: [Epilogue<Operand>], tile: LinearTile?)
  /// `linear` by one of `count` weights, chosen row by row: every row of `x[..., K]` by each of its
  /// `chosen[..., choices]`, or `x[..., choices, K]` each by its own. The weights stand side by side,
  /// `[K, count * columns]`; packed, each of them begins with a panel of its own.
  case experts(
    Operand, chosen: Operand, weight: Operand, count: Int, columns: Int,
    epilogues: [Epilogue<Operand>], tile: LinearTile?)
  /// `softmax(scores(query x keyᵀ)) x value`, positions before heads: the query is
  /// `[batch, queries, heads, width]`, key and value `[batch, keys, groups, width]`.
  case attention(
    query: Operand, key: Operand, value: Operand, scores: Scores<Operand>, tile: AttentionTile?)

  // Along axes.

  /// Over the last axis; a row of `-inf` only gives zeros.
  case softmax(Operand)
  /// Over the last axis.
  case norm(Operand, Norm<Operand>)
  /// `(norm(x), cast(norm(x)))`: the norm has a cast, of the second result alone.
  case normAndCast(Operand, Norm<Operand>)
  /// `(x + residual, norm(x + residual))`.
  case addNorm(Operand, residual: Operand, Norm<Operand>)
  /// Reduced axes keep extent 1.
  case reduce(Reduction, Operand, axes: [Int])
  /// Sums of the elements up to each, itself included.
  case cumulativeSum(Operand, axis: Int)
  /// The `count` largest elements of the last axis, largest first and of equals the one that comes
  /// first, and where they are: `(x[..., count], i32[..., count])`.
  case topK(Operand, count: Int)
  /// Rotates pairs of `x[batch, seq, heads, width]` by `positions[batch, seq]` times
  /// `frequencies[width of the rotated part / 2]`.
  case rotary(Operand, positions: Operand, frequencies: Operand, interleaved: Bool)

  // Choosing and moving.

  /// Rows of `table[rows, width]`, or of a table packed by `pack` whose columns are those rows.
  case embedding(table: Operand, indices: Operand, rows: Int)
  /// `x[b, indices[b, t], ...]`.
  case gather(Operand, indices: Operand)
  /// `count` elements of an axis from `start` on.
  case slice(Operand, axis: Int, start: Dim, count: Dim)
  /// One behind the other; all other axes are equal.
  case concat([Operand], axis: Int)
  /// The same elements in the same order, the last axis running fastest.
  case reshape(Operand, [Dim])
  /// Axis `i` of the result is axis `permutation[i]` of the operand.
  case transpose(Operand, permutation: [Int])
  /// Axes of extent 1, and those that are missing in front, repeated.
  case broadcast(Operand, [Dim])
  /// 0 where every mask lets the key count for the query, `-inf` elsewhere; `f32[batch, 1,
  /// queries, keys]`.
  case mask([Mask<Operand>], shape: [Dim])
  /// `cache[batch, context, ...]` with `values[b, i]` at `start[b] + i` for `i < counts[b]`.
  case append(cache: Operand, values: Operand, start: Operand, counts: Operand)

  // How weights lie in memory, and tuples.

  /// `[K, N]` as `[ceil(N / width), K, width]`, padded with zeros; of types narrower than 32 bits as
  /// `[ceil(N / width), ceil(K / group), width, group]`, where a group of terms fills 32 bits.
  case pack(Operand, width: Int)
  /// One tensor of a tuple.
  case part(Operand, Int)
}

/// Functions of one element.
public enum Unary: String, Hashable, Sendable, CaseIterable {
  /// The usual ones; `rsqrt` is `1 / sqrt(x)`, and `not` takes `bool`.
  case negate, absolute, exp, log, sqrt, rsqrt, sin, cos, erf, floor, not
  /// `gelu` is exact (by erf), `gelu_tanh` the approximation by tanh.
  case relu, gelu, silu, tanh, sigmoid
  /// `0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`.
  case geluTanh = "gelu_tanh"
}

/// Functions of two elements; comparisons give `bool`.
public enum Binary: String, Hashable, Sendable, CaseIterable {
  /// The results are of the operands' type.
  case add, subtract, multiply, divide, power, minimum, maximum
  /// The results are `bool`; `and` and `or` take it too.
  case equal, less, and, or
  /// `x <= y`.
  case lessOrEqual = "less_or_equal"

  /// Whether the result is `bool` whatever the operands are.
  public var isPredicate: Bool {
    switch self {
    case .equal, .less, .lessOrEqual, .and, .or: true
    case .add, .subtract, .multiply, .divide, .power, .minimum, .maximum: false
    }
  }
}

/// Functions of the elements along axes.
public enum Reduction: String, Hashable, Sendable, CaseIterable { case sum, mean, maximum }

/// Layer or root-mean-square normalisation.
public enum NormKind: String, Hashable, Sendable, CaseIterable { case layer, rms }

/// Normalisation over the last axis, biased variance; the scale and the
/// bias have the width of that axis.
public struct Norm<Operand> {
  /// Whether the mean is taken away first.
  public var kind: NormKind
  /// What the normalised elements are multiplied by, `[width]`; nothing if `nil`.
  public var scale: Operand?
  /// What is added then, `[width]`; nothing if `nil`.
  public var bias: Operand?
  /// What is added to the variance, or to the mean of the squares.
  public var epsilon: Double
  /// A narrower type that the normalised elements are rounded to, as `cast` does: `bf16`, or `r8` of
  /// at most 65,536 columns, as a row then lies on the stack.
  public var cast: ElementType?

  /// A normalisation of this kind.
  public init(
    _ kind: NormKind, scale: Operand?, bias: Operand?, epsilon: Double, cast: ElementType? = nil
  ) {
    self.kind = kind
    self.scale = scale
    self.bias = bias
    self.epsilon = epsilon
    self.cast = cast
  }
}

/// What happens to an element of a product before it is stored, in order.
public enum Epilogue<Operand> {
  /// Adds `bias[columns]`.
  case bias(Operand)
  /// Applies a function to the element.
  case activation(Unary)
  /// Adds a tensor of the product's own type.
  case residual(Operand)
  /// Multiplies by a tensor of the product's own type.
  case gate(Operand)
  /// Multiplies by a number.
  case scale(Double)
  /// Rounds to a narrower type, which is then the result's; the last of all.
  case cast(ElementType)
}

/// Which keys count for which queries; several masks must all agree.
public enum Mask<Operand> {
  /// `i32[batch, keys]`, 0 where a key does not count.
  case padding(Operand)
  /// Keys before `lengths[batch]` count.
  case lengths(Operand)
  /// A key counts up to the position of the query; query `i` stands at `start[batch] + i`, or `i`.
  case causal(start: Operand?)
  /// A key counts if it is fewer than `width` positions before the query (and not after it by
  /// `width` or more).
  case window(Int, start: Operand?)
}

/// All that happens to the scores of attention between `QKᵀ` and the softmax, in this order:
/// scale, soft cap, bias, slopes, masks.
public struct Scores<Operand> {
  /// What every score is multiplied by: usually 1 over the square root of a head's width.
  public var scale: Double
  /// `cap * tanh(score / cap)`.
  public var softCap: Double?
  /// Added; `[batch or 1, heads or 1, queries or 1, keys]`.
  public var bias: Operand?
  /// ALiBi: adds `slopes[heads] * (key - query)`.
  public var slopes: Operand?
  /// Which keys count: those that all of these let pass.
  public var masks: [Mask<Operand>]

  /// Scores that are only scaled, unless more is said.
  public init(
    scale: Double, softCap: Double? = nil, bias: Operand? = nil, slopes: Operand? = nil,
    masks: [Mask<Operand>] = []
  ) {
    self.scale = scale
    self.softCap = softCap
    self.bias = bias
    self.slopes = slopes
    self.masks = masks
  }
}

/// The order in which a linear runs. Which micro-kernel it runs by, the header of the runtime says that
/// the instructions have (`tile.h`).
public struct LinearTile: Hashable, Sendable {
  /// Rows that run through all columns before the next ones begin.
  public var rowBlock: Int
  /// How many panels of 32 columns pass by a tile's rows before the next rows take their turn, and so
  /// the least that threads split the columns into; `experts` take one.
  public var panels: Int
  /// Whether all tiles are about equally high, instead of all but the last one full.
  public var isEven: Bool

  /// An order; one panel at a time and full tiles, unless more is said.
  public init(rowBlock: Int, panels: Int = 1, isEven: Bool = false) {
    self.rowBlock = rowBlock
    self.panels = panels
    self.isEven = isEven
  }
}

/// The order in which attention runs.
public struct AttentionTile: Hashable, Sendable {
  /// Queries of one head that run through the keys together.
  public var queries: Int

  /// An order.
  public init(queries: Int) { self.queries = queries }
}

/// A small tensor whose values stand in the program itself, rounded to its element type.
public struct Literal: Sendable {
  /// Its type, of fixed extents.
  public var type: TensorType
  /// Row by row; one value stands for all of them.
  public var values: [Double]

  /// A tensor of these values, row by row, or of one value everywhere.
  public init(_ type: TensorType, _ values: [Double]) {
    self.type = type
    self.values = values
  }
}

extension Literal: Hashable {
  /// Bit for bit: `-0` is not `0`, and a NaN equals itself.
  public static func == (left: Literal, right: Literal) -> Bool {
    left.type == right.type && left.values.map(\.bitPattern) == right.values.map(\.bitPattern)
  }

  /// Hashes the bits.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(type)
    for value in values { hasher.combine(value.bitPattern) }
  }
}

extension Op: Sendable where Operand: Sendable {}
extension Op: Equatable where Operand: Equatable {}
extension Op: Hashable where Operand: Hashable {}
extension Norm: Sendable where Operand: Sendable {}
extension Norm: Equatable where Operand: Equatable {}
extension Norm: Hashable where Operand: Hashable {}
extension Epilogue: Sendable where Operand: Sendable {}
extension Epilogue: Equatable where Operand: Equatable {}
extension Epilogue: Hashable where Operand: Hashable {}
extension Mask: Sendable where Operand: Sendable {}
extension Mask: Equatable where Operand: Equatable {}
extension Mask: Hashable where Operand: Hashable {}
extension Scores: Sendable where Operand: Sendable {}
extension Scores: Equatable where Operand: Equatable {}
extension Scores: Hashable where Operand: Hashable {}
