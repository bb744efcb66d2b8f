import BurinC
import BurinHub
import BurinIR
import CBurin
import Dispatch

/// Computes the packed weights of a library strip by strip, so that no more than a few tensors of
/// the model are ever in memory.
///
/// An expression is evaluated by rectangles: the rows and columns that a strip needs are asked of
/// the operands, down to the files. What is neither a tensor nor moved nor packed is small, and is
/// left to the interpreter.
struct WeightWriter {
  private let layout: WeightLayout
  private let source: any WeightSource
  private let tensors = LastValues<String, Float>()
  private let interpreted = LastValues<NodeID, Double>()
  /// What the rounding of weights has taken off them so far.
  let loss = LossCounter()
  private var graph: Graph { layout.graph }
  /// In what the program reads the tensors.
  private let elements: [String: ElementType]

  /// Elements of the strips that are computed at once.
  private static let stripElements = 1 << 22
  /// Tensors up to this size are read whole where columns of them are asked for.
  private static let cachedElements = 1 << 24
  /// Elements of a panel or a row, at most.
  private static let rowElements = 1 << 30
  /// Elements of a value that is left to the interpreter, at most.
  private static let interpretedElements = 1 << 28

  init(_ layout: WeightLayout, source: any WeightSource) {
    self.layout = layout
    self.source = source
    var elements: [String: ElementType] = [:]
    for node in layout.graph.nodes {
      if case .weight(let name, let type) = node.op { elements[name] = type.element }
    }
    self.elements = elements
  }

  /// Computes all weights in order and hands them to `write` piece by piece, with the padding
  /// between them; `progress` hears how many bytes are done.
  func run(
    _ write: (UnsafeRawBufferPointer) throws -> Void, progress: (Int) -> Void = { _ in }
  ) throws {
    var written = 0
    for item in layout.items {
      let type = graph.tensorType(item.node)
      try strips(of: item.node, type) { strip in
        try write(strip)
        written += strip.count
        progress(written)
      }
      let end = (written + 63) / 64 * 64
      if end > written {
        let padding = [UInt8](repeating: 0, count: end - written)
        try padding.withUnsafeBytes(write)
        written = end
      }
    }
  }

  private func strips(
    of id: NodeID, _ type: TensorType, _ write: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    // A strip is at least one panel, or one row.
    guard Array(type.shape.dropFirst()).product.maximum <= Self.rowElements else {
      throw IRError("weights of type \(type) are written in strips, and one of them is too large")
    }
    if type.element.isTurned { return try blocks(of: id, type, write) }
    guard type.element.isFloat else { return try integers(id, type, write) }
    let shape = type.shape.compactMap(\.constant)
    // Strips run over the outermost axis: panels of a packed matrix, rows of a table.
    let outer = shape.first ?? 1
    let inner = max(1, shape.dropFirst().reduce(1, *))
    let perStrip = max(1, min(outer, Self.stripElements / inner))
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: perStrip * inner)
    defer { buffer.deallocate() }
    for start in stride(from: 0, to: outer, by: perStrip) {
      let count = min(perStrip, outer - start)
      let strip = UnsafeMutableBufferPointer(rebasing: buffer[..<(count * inner)])
      try fill(id, outer: start..<start + count, inner: inner, into: strip)
      switch type.element {
      case .f32: try write(UnsafeRawBufferPointer(strip))
      case .bf16: try strip.map(\.bf16Bits).withUnsafeBytes(write)
      case .f16: try strip.map(\.f16Bits).withUnsafeBytes(write)
      default: throw CompilerError("weights of type \(type) are not written")
      }
    }
  }

  /// Panels of blocks: for each 32 terms the scales of the columns, then the values.
  private func blocks(
    of id: NodeID, _ type: TensorType, _ write: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    guard case .pack(let matrix, 32) = graph[id].op,
      case .transpose(let rounded, [1, 0]) = graph[matrix].op,
      case .cast(let rows, let element) = graph[rounded].op, element == .w8 || element == .w4
    else { throw CompilerError("weights of type \(type) are packed from rows, or not at all") }
    let kind = element == .w8 ? BURIN_W8 : BURIN_W4
    let (count, depth) = (constantShape(rows)[0], constantShape(rows)[1])
    let bytes = 32 * depth / element.block * element.blockBytes
    let panels = constantShape(id)[0]
    let perStrip = max(1, min(panels, Self.stripElements / (32 * depth)))
    let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: perStrip * 32 * depth)
    let packed = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: perStrip * bytes)
    defer {
      values.deallocate()
      packed.deallocate()
    }
    guard let from = values.baseAddress, let to = packed.baseAddress else { return }
    let addresses = (from: UInt(bitPattern: from), to: UInt(bitPattern: to))
    let failures = FirstFailure()
    for first in stride(from: 0, to: panels, by: perStrip) {
      let strip = first..<min(panels, first + perStrip)
      let columns = strip.lowerBound * 32..<min(count, strip.upperBound * 32)
      try fill(rows, outer: columns, inner: depth, into: values)
      DispatchQueue.concurrentPerform(iterations: strip.count) { panel in
        guard let from = UnsafePointer<Float>(bitPattern: addresses.from),
          let to = UnsafeMutablePointer<UInt8>(bitPattern: addresses.to)
        else { return }
        let width = min(32, columns.count - panel * 32)
        let lost = burin_pack_blocks(
          kind, from + panel * 32 * depth, Int32(width), Int64(depth), to + panel * bytes)
        loss.add(lost)
        // What is not finite has no scale.
        if !lost.error.isFinite { failures.record { throw notFinite(rows, element) } }
      }
      try failures.rethrow()
      try write(
        UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(packed)[..<(strip.count * bytes)]))
    }
  }

  /// Why the expression `id` cannot be rounded in blocks: the tensor and the number that are to blame.
  private func notFinite(_ id: NodeID, _ element: ElementType) -> any Error {
    var names: [String] = []
    var pending = [id]
    while let next = pending.popLast() {
      if case .weight(let name, _) = graph[next].op { names.append(name) }
      pending += graph[next].op.operands.reversed()
    }
    return source.notFinite(names, for: element)
  }

  /// Fills `target` with the elements of the given outermost indices, on all cores.
  private func fill(
    _ id: NodeID, outer: Range<Int>, inner: Int, into target: UnsafeMutableBufferPointer<Float>
  ) throws {
    guard let base = target.baseAddress else { return }
    let pieces = min(outer.count, 8)
    let address = UInt(bitPattern: base)
    let failures = FirstFailure()
    DispatchQueue.concurrentPerform(iterations: pieces) { piece in
      let first = outer.lowerBound + outer.count * piece / pieces
      let last = outer.lowerBound + outer.count * (piece + 1) / pieces
      guard first < last,
        let base = UnsafeMutablePointer<Float>(bitPattern: address)
      else { return }
      failures.record {
        try evaluate(
          id, outer: first..<last, into: base + (first - outer.lowerBound) * inner)
      }
    }
    try failures.rethrow()
  }

  private func evaluate(
    _ id: NodeID, outer: Range<Int>, into target: UnsafeMutablePointer<Float>
  ) throws {
    let shape = constantShape(id)
    if case .pack(let matrix, let width) = graph[id].op {
      let size = shape.dropFirst().reduce(1, *)
      for (index, panel) in outer.enumerated() {
        try fillPanel(matrix, panel: panel, width: width, into: target + index * size)
      }
    } else if shape.count <= 1 {
      try fill(id, rows: 0..<1, columns: shape.isEmpty ? 0..<1 : outer, into: target, stride: 0)
    } else {
      let width = shape.dropFirst().reduce(1, *)
      try fill(id, rows: outer, columns: 0..<width, into: target, stride: width)
    }
  }

  /// Columns `panel * width ...` of a matrix, row by row, padded with zeros.
  private func fillPanel(
    _ matrix: NodeID, panel: Int, width: Int, into target: UnsafeMutablePointer<Float>
  ) throws {
    let shape = constantShape(matrix)
    let columns = panel * width..<min(shape[1], (panel + 1) * width)
    let group = graph.tensorType(matrix).element.termsPerGroup
    let lines = (shape[0] + group - 1) / group * group
    if columns.count < width || lines > shape[0] {
      target.update(repeating: 0, count: lines * width)
    }
    try fill(matrix, rows: 0..<shape[0], columns: columns, into: target, stride: width)
    guard group > 1 else { return }
    // Terms that are multiplied together lie side by side.
    let scratch = UnsafeMutablePointer<Float>.allocate(capacity: group * width)
    defer { scratch.deallocate() }
    for line in stride(from: 0, to: lines, by: group) {
      let place = target + line * width
      scratch.update(from: place, count: group * width)
      for column in 0..<width {
        for term in 0..<group { place[column * group + term] = scratch[term * width + column] }
      }
    }
  }

  /// Fills a rectangle of a matrix; a vector is a matrix of one row, and axes after the first count
  /// as one.
  private func fill(
    _ id: NodeID, rows: Range<Int>, columns: Range<Int>, into target: UnsafeMutablePointer<Float>,
    stride: Int
  ) throws {
    let shape = constantShape(id)
    let width = shape.count <= 1 ? shape.first ?? 1 : shape.dropFirst().reduce(1, *)
    switch graph[id].op {
    case .weight(let name, _):
      if columns.count == width && stride == width || rows.count == 1 {
        let start = rows.lowerBound * width + columns.lowerBound
        let count = (rows.count - 1) * width + columns.count
        return try source.read(
          name, from: start, into: UnsafeMutableBufferPointer(start: target, count: count))
      }
      if shape.reduce(1, *) <= Self.cachedElements {
        let values = try tensors.values(of: name) {
          var read = [Float](repeating: 0, count: shape.reduce(1, *))
          try read.withUnsafeMutableBufferPointer { try source.read(name, from: 0, into: $0) }
          return read
        }
        values.withUnsafeBufferPointer { values in
          for (index, row) in rows.enumerated() {
            let line = values[(row * width + columns.lowerBound)...].prefix(columns.count)
            _ = UnsafeMutableBufferPointer(start: target + index * stride, count: columns.count)
              .update(fromContentsOf: line)
          }
        }
        return
      }
      for (index, row) in rows.enumerated() {
        try source.read(
          name, from: row * width + columns.lowerBound,
          into: UnsafeMutableBufferPointer(start: target + index * stride, count: columns.count))
      }
    case .reshape(let x, _)
    where shape.count > 1 && constantShape(x).count > 1 && constantShape(x)[0] == shape[0]:
      try fill(x, rows: rows, columns: columns, into: target, stride: stride)
    case .transpose(let x, [1, 0]):
      let scratch = UnsafeMutablePointer<Float>.allocate(capacity: rows.count * columns.count)
      defer { scratch.deallocate() }
      try fill(x, rows: columns, columns: rows, into: scratch, stride: rows.count)
      transpose(scratch, rows: columns.count, columns: rows.count, into: target, stride: stride)
    case .concat(let parts, let axis) where axis == shape.count - 1 && shape.count <= 2:
      var start = 0
      for part in parts {
        let partWidth = constantShape(part).last ?? 1
        let overlap = columns.clamped(to: start..<start + partWidth)
        if !overlap.isEmpty {
          try fill(
            part, rows: rows, columns: overlap.lowerBound - start..<overlap.upperBound - start,
            into: target + (overlap.lowerBound - columns.lowerBound), stride: stride)
        }
        start += partWidth
      }
    case .concat(let parts, 0) where shape.count == 2:
      var start = 0
      for part in parts {
        let count = constantShape(part)[0]
        let overlap = rows.clamped(to: start..<start + count)
        if !overlap.isEmpty {
          try fill(
            part, rows: overlap.lowerBound - start..<overlap.upperBound - start, columns: columns,
            into: target + (overlap.lowerBound - rows.lowerBound) * stride, stride: stride)
        }
        start += count
      }
    case .slice(let x, let axis, let start, _) where shape.count <= 2:
      let start = start.constant ?? 0
      let isLast = axis == shape.count - 1
      try fill(
        x, rows: isLast ? rows : rows.lowerBound + start..<rows.upperBound + start,
        columns: isLast ? columns.lowerBound + start..<columns.upperBound + start : columns,
        into: target, stride: stride)
    case .scale(let x, let factor):
      try fill(x, rows: rows, columns: columns, into: target, stride: stride)
      for row in 0..<rows.count {
        for column in 0..<columns.count {
          let index = row * stride + column
          target[index] = Float(Double(target[index]) * factor)
        }
      }
    case .cast(let x, .f32) where [.bf16, .f16].contains(graph.tensorType(x).element):
      // Values are floats here, whatever their type.
      try fill(x, rows: rows, columns: columns, into: target, stride: stride)
    case .cast(let x, .bf16) where graph.tensorType(x).element == .f32:
      try fill(x, rows: rows, columns: columns, into: target, stride: stride)
      var (error, square) = (0.0, 0.0)
      for row in 0..<rows.count {
        let line = target + row * stride
        for column in 0..<columns.count {
          let (exact, rounded) = (line[column], Float(bf16Bits: line[column].bf16Bits))
          line[column] = rounded
          error += Double((exact - rounded) * (exact - rounded))
          square += Double(exact * exact)
        }
      }
      loss.add(burin_loss(error: error, weights: square))
    default:
      let values = try interpret(id)
      for (index, row) in rows.enumerated() {
        for (place, column) in columns.enumerated() {
          target[index * stride + place] = Float(values[row * width + column])
        }
      }
    }
  }

  /// The values of a small expression, by the interpreter.
  private func interpret(_ id: NodeID) throws -> [Double] {
    try interpreted.values(of: id) { try evaluate(id).values }
  }

  private func evaluate(_ id: NodeID) throws -> NumericArray {
    var seen: Set<NodeID> = []
    var pending = [id]
    while let next = pending.popLast() {
      guard seen.insert(next).inserted else { continue }
      guard graph.tensorType(next).count.maximum <= Self.interpretedElements else {
        throw IRError(
          "weights of type \(graph.tensorType(next)) are too large for the interpreter, and nothing "
            + "else computes them")
      }
      pending += graph[next].op.operands
    }
    let program = Program(
      "weights", entries: [Entry("weights", graph: graph, outputs: [.init("value", id)])])
    var states: [String: NumericArray] = [:]
    let outputs = try Interpreter(program).run(
      "weights", inputs: [:],
      weights: { name in
        let shape = try source.shape(of: name)
        var values = [Float](repeating: 0, count: shape.reduce(1, *))
        try values.withUnsafeMutableBufferPointer { try source.read(name, from: 0, into: $0) }
        return NumericArray(elements[name] ?? .f32, shape, values.map(Double.init))
      }, states: &states)
    guard let value = outputs["value"] else { throw CompilerError("a weight has no value") }
    return value
  }

  /// Integers come from literals: small, and left to the interpreter.
  private func integers(
    _ id: NodeID, _ type: TensorType, _ write: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    let values = try interpret(id)
    switch type.element {
    case .i32: try values.map { Int32($0) }.withUnsafeBytes(write)
    case .i64: try values.map { Int64($0) }.withUnsafeBytes(write)
    case .i8: try values.map { Int8($0) }.withUnsafeBytes(write)
    case .u8, .bool: try values.map { UInt8($0) }.withUnsafeBytes(write)
    case .f32, .f16, .bf16, .q8, .w8, .w4, .r8:
      throw CompilerError("weights of type \(type) are not written")
    }
  }

  private func constantShape(_ id: NodeID) -> [Int] {
    graph.tensorType(id).shape.compactMap(\.constant)
  }
}

/// `source[rows][columns]` as `target[columns][stride]`, in blocks that stay in the first cache.
private func transpose(
  _ source: UnsafeMutablePointer<Float>, rows: Int, columns: Int,
  into target: UnsafeMutablePointer<Float>, stride: Int
) {
  let block = 16
  for top in Swift.stride(from: 0, to: rows, by: block) {
    let bottom = min(rows, top + block)
    for column in 0..<columns {
      let line = target + column * stride
      for row in top..<bottom { line[row] = source[row * columns + column] }
    }
  }
}
