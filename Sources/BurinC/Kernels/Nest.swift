import BurinIR

/// The loops over a shape that several tensors share: axes that all of them can walk as one are
/// merged, axes of extent 1 dropped, so that most kernels have one loop or two.
struct Nest {
  struct Axis: Hashable {
    var extent: Dim
    /// Elements from one position to the next, tensor by tensor; 0 where it is broadcast.
    var strides: [Dim]
  }

  /// Outermost first; never empty.
  private(set) var axes: [Axis]

  /// The loops over `shape`; each tensor gives one stride per axis.
  init(over shape: [Dim], _ tensors: [[Dim]]) {
    axes = []
    for (index, extent) in shape.enumerated() where extent != 1 {
      let axis = Axis(extent: extent, strides: tensors.map { $0[index] })
      guard let last = axes.last,
        zip(last.strides, axis.strides).allSatisfy({ $0 == $1 * axis.extent })
      else {
        axes.append(axis)
        continue
      }
      axes[axes.count - 1] = Axis(extent: last.extent * extent, strides: axis.strides)
    }
    if axes.isEmpty { axes = [Axis(extent: 1, strides: tensors.map { _ in 1 })] }
  }

  /// Adds a last axis of extent 1 along which nothing moves.
  mutating func appendUnit() {
    axes.append(Axis(extent: 1, strides: axes[0].strides.map { _ in 0 }))
  }

  /// A place's strides along the axes of a shape to which it broadcasts.
  static func strides(of place: Place, along shape: [Dim]) -> [Dim] {
    let missing = shape.count - place.shape.count
    return shape.indices.map { axis in
      guard axis >= missing else { return 0 }
      let own = axis - missing
      return place.shape[own] == 1 && shape[axis] != 1 ? 0 : place.strides[own]
    }
  }

  /// What a loop runs over, and how many there are of it.
  struct Names {
    let loop: CIdentifier
    let extent: CIdentifier
  }

  /// The names of the loops, outermost first.
  var names: [Names] { Nest.names(axes.count) }

  static func names(_ count: Int) -> [Names] {
    let known = [
      Names(loop: "column", extent: "columns"), Names(loop: "row", extent: "rows"),
      Names(loop: "plane", extent: "planes"), Names(loop: "block", extent: "blocks"),
    ]
    if count == 1 { return [Names(loop: "i", extent: "count")] }
    return (0..<count).reversed().map { depth in
      depth < known.count
        ? known[depth]
        : Names(
          loop: CIdentifier("axis", sizes: [depth]), extent: CIdentifier("extent", sizes: [depth]))
    }
  }

  /// Whether a tensor lies row by row without gaps over the axes along which it is not broadcast.
  func isDense(_ tensor: Int) -> Bool {
    var expected: Dim = 1
    for axis in axes.reversed() where axis.strides[tensor] != 0 {
      guard axis.strides[tensor] == expected else { return false }
      expected = expected * axis.extent
    }
    return true
  }

  /// The constant extents, for a kernel's name.
  var constants: [Int] { axes.compactMap(\.extent.constant) }
}

/// The parameters of a kernel as its body asks for them.
struct KernelParts {
  private var sizes: [(name: CIdentifier, dim: Dim)] = []
  private var tensors: [(parameter: CParameter, argument: Kernel.Argument)] = []

  /// An extent or a stride: a literal, or a parameter of that name.
  mutating func size(_ dim: Dim, _ name: CIdentifier) -> CExpression {
    if let value = dim.constant { return .integer(value) }
    if !sizes.contains(where: { $0.name == name }) { sizes.append((name, dim)) }
    return .name(name)
  }

  /// A pointer to an operand.
  mutating func operand(
    _ index: Int, _ name: CIdentifier, _ element: ElementType, note: String? = nil
  ) throws -> CExpression {
    let type = try CType(element).const.restrict
    tensors.append((CParameter(type, name, note: note), .operand(index)))
    return .name(name)
  }

  /// A pointer to a result.
  mutating func result(
    _ index: Int, _ name: CIdentifier, _ element: ElementType, note: String? = nil
  ) throws -> CExpression {
    let type = try CType(element).restrict
    tensors.append((CParameter(type, name, note: note), .result(index)))
    return .name(name)
  }

  /// A parameter of any other kind.
  mutating func parameter(
    _ type: CType, _ name: CIdentifier, _ argument: Kernel.Argument, note: String? = nil
  ) -> CExpression {
    tensors.append((CParameter(type, name, note: note), argument))
    return .name(name)
  }

  /// The kernel, once its body is known.
  func kernel(
    _ name: CIdentifier, headers: [String] = [], @CBlockBuilder body: () -> [CStatement]
  ) -> Kernel {
    let parameters = sizes.map { CParameter(.int64, $0.name) } + tensors.map(\.parameter)
    return Kernel(
      function: CFunction(name, parameters, body: body),
      arguments: sizes.map { .size($0.dim) } + tensors.map(\.argument), headers: headers)
  }

  /// Where an element lies: its offset from the tensor's start for loops over the first `count`
  /// axes of a nest.
  mutating func offset(
    of tensor: CIdentifier, _ index: Int, in nest: Nest, over count: Int
  ) -> CExpression {
    let names = nest.names
    if nest.isDense(index) {
      var offset: CExpression = 0
      for (number, axis) in nest.axes.enumerated() where axis.strides[index] != 0 {
        let position: CExpression = number < count ? .name(names[number].loop) : 0
        offset = offset * size(axis.extent, names[number].extent) + position
      }
      return offset
    }
    var offset: CExpression = 0
    for (axis, name) in zip(nest.axes[..<count], names) {
      let stride = size(
        axis.strides[index], CIdentifier(joining: [tensor, name.loop, "stride"]))
      offset = offset + .name(name.loop) * stride
    }
    return offset
  }

  /// The shape of a tensor over a nest's axes, as a remark: `[rows, 768]`.
  ///
  /// - Parameter own: what the parameter for an extent is called.
  static func note(
    _ nest: Nest, _ tensor: Int? = nil, extent own: (CIdentifier) -> CIdentifier = { $0 }
  ) -> String {
    let names = zip(nest.axes, nest.names).filter { axis, _ in
      tensor.map { axis.strides[$0] != 0 } ?? true
    }
    let extents = names.map { $0.extent.constant.map(String.init) ?? own($1.extent).text }
    return extents.isEmpty ? "one element" : "[" + extents.joined(separator: ", ") + "]"
  }
}

/// Nested loops over the first axes of a nest, shared out among the threads.
func parallelLoops(
  _ axes: [(name: CIdentifier, extent: CExpression, step: CExpression)],
  isLast: Bool = true, @CBlockBuilder body: () -> [CStatement]
) -> [CStatement] {
  let collapse = axes.count > 1 ? " collapse(\(axes.count))" : ""
  var statements = body()
  for axis in axes.reversed() {
    let inner = statements
    statements = For(axis.name, to: axis.extent, by: axis.step) { _ in inner }.statements
  }
  return [.pragma("omp for\(collapse) schedule(static)\(isLast ? "" : " nowait")")] + statements
}

extension CType {
  /// How an element lies in memory; a bf16 or an f16 is its bits, blocks are bytes.
  ///
  /// - Throws: `IRError` for the types that no kernel knows.
  init(_ element: ElementType) throws {
    switch element {
    case .f32: self = .float
    case .i64: self = .int64
    case .i32: self = .int32
    case .i8, .r8: self = .int8
    case .u8, .bool, .w8, .w4: self = .uint8
    case .bf16, .f16: self = .uint16
    case .q8: throw IRError("no kernel computes in \(element.rawValue)")
    }
  }
}

extension ElementType {
  /// Whether kernels know its bits only, and functions to and from f32.
  var isHalf: Bool { self == .bf16 || self == .f16 }

  /// How many elements of the C type stand for `block` values.
  var blockStep: Int { isTurned ? blockBytes : 1 }
}

/// The name of a kernel: the given one, or the operation and its constant extents, or its elements
/// if it has none.
func kernelName(
  _ given: String?, _ stem: String, _ extents: [Int], _ element: ElementType = .f32
) -> CIdentifier {
  if let given { return CIdentifier(cleaning: given) }
  var parts = [stem]
  if extents.isEmpty || element != .f32 { parts.append(element.rawValue) }
  if !extents.isEmpty { parts.append(extents.map(String.init).joined(separator: "x")) }
  return CIdentifier(cleaning: parts.joined(separator: "_"))
}

/// A row of floats in steps of 16 lanes; lanes beyond its end load as zeros and are not stored.
struct RowLoop {
  let width: CExpression
  /// Whether every step has 16 elements.
  let isWhole: Bool

  init(_ dim: Dim, _ width: CExpression) {
    self.width = width
    isWhole = dim.constant.map { $0 % 16 == 0 } ?? false
  }

  /// `for (int64_t column = 0; column < width; column += 16) { ... }`.
  func callAsFunction(
    _ name: CIdentifier = "column", @CBlockBuilder body: (CExpression) -> [CStatement]
  ) -> [CStatement] {
    For(name, to: width, by: 16) { column in
      left(column)
      body(column)
    }.statements
  }

  /// `const int64_t left = width - column;`, where the last step may be shorter.
  func left(_ column: CExpression) -> [CStatement] {
    isWhole ? [] : Declare(CType.int64.const, "left", width - column).statements
  }

  /// 16 elements at `column`.
  func load(_ row: CExpression, _ column: CExpression) -> CExpression {
    isWhole ? vectorLoad(row + column) : vectorLoadFirst(row + column, "left")
  }

  /// Stores 16 elements at `column`.
  func store(_ row: CExpression, _ column: CExpression, _ value: CExpression) -> CExpression {
    isWhole ? vectorStore(row + column, value) : vectorStoreFirst(row + column, value, "left")
  }

  /// Stores 16 elements at `column`, rounded to bf16.
  func storeHalves(
    _ row: CExpression, _ column: CExpression, _ value: CExpression
  ) -> CExpression {
    isWhole
      ? ("bf16_store" as CExpression)(row + column, value)
      : ("bf16_store_first" as CExpression)(row + column, value, "left")
  }

  /// `value = inside the row ? value : other`, where lanes may be beyond its end.
  func restrict(_ value: CExpression, else other: CExpression) -> [CStatement] {
    if isWhole { return [] }
    let lanes: CExpression = "vector_lanes"
    let isInside = lanes() < ("left" as CExpression).cast(to: .int32)
    return [.expression(value.assign(vectorSelect(isInside, value, other)))]
  }
}

let vectorLoad: CExpression = "vector_load"
let vectorLoadFirst: CExpression = "vector_load_first"
let vectorStore: CExpression = "vector_store"
let vectorStoreFirst: CExpression = "vector_store_first"
let vectorSelect: CExpression = "vector_select"
let vectorSplat: CExpression = "vector_splat"
let vectorSum: CExpression = "vector_sum"
let vectorType = CType.named("f32x16")
