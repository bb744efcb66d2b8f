/// A plot of braille dots, two by four to a character: the past, the mean of what follows, and the
/// range between the percentiles in every other dot.
struct SeriesPlot {
  /// Lines of text, the last without an end of line.
  let text: String

  /// - Parameter width: characters of a line, at most; at least 40 are used.
  init(_ result: SeriesResult, _ labels: SeriesTable.Labels, width: Int, height: Int = 12) {
    let scale = SeriesScale(result)
    let marks = (0..<height).map { row in
      row % 4 == 0 || row == height - 1
        ? scale.label(scale.top - (scale.top - scale.bottom) * Double(row) / Double(height - 1))
        : ""
    }
    let margin = (marks.map(\.count).max() ?? 0) + 1
    let columns = min(max(width, 40) - margin - 1, 4 * scale.steps)
    var canvas = BrailleCanvas(columns: columns, rows: height)
    let dots = (x: Double(2 * columns - 1), y: Double(4 * height - 1))
    func x(_ step: Double) -> Int { Int((step / Double(scale.steps - 1) * dots.x).rounded()) }
    func y(_ value: Float) -> Int { Int((scale.part(value) * dots.y).rounded()) }
    // The past, with gaps where values are missing.
    for (step, pair) in zip(result.past, result.past.dropFirst()).enumerated() {
      guard let one = pair.0, let other = pair.1 else { continue }
      canvas.line(from: (x(Double(step)), y(one)), to: (x(Double(step + 1)), y(other)))
    }
    let count = result.past.count
    let last = result.past.last.flatMap { $0 }
    func following(_ values: [Float]) -> [Float] { (last.map { [$0] } ?? []) + values }
    let first = last == nil ? count : count - 1
    if let low = result.low.map(following), let high = result.high.map(following) {
      for column in x(Double(first))...x(Double(scale.steps - 1)) {
        let step = Double(column) / dots.x * Double(scale.steps - 1) - Double(first)
        let (from, to) = (at(step, low), at(step, high))
        for row in y(to)...max(y(to), y(from)) where (row + column) % 2 == 0 {
          canvas.set(column, row)
        }
      }
    }
    let mean = following(result.mean)
    for (step, pair) in zip(mean, mean.dropFirst()).enumerated() {
      canvas.line(
        from: (x(Double(first + step)), y(pair.0)), to: (x(Double(first + step + 1)), y(pair.1)))
    }
    // Where the future begins.
    let now = x(Double(count) - 0.5)
    for row in stride(from: 0, to: 4 * height, by: 3) { canvas.set(now, row) }

    func padded(_ text: String, _ width: Int) -> String {
      String(repeating: " ", count: max(0, width - text.count)) + text
    }
    var lines = [padded("", margin) + " " + line(result.name)]
    for (row, dots) in canvas.lines.enumerated() {
      lines.append(padded(marks[row], margin - 1) + (marks[row].isEmpty ? " │" : " ┤") + dots)
    }
    lines.append(padded("", margin) + "└" + String(repeating: "─", count: columns))
    let ends = (line(labels.past.first), line(labels.future.last ?? ""))
    let middle = line(labels.past.last)
    let place = max(ends.0.count + 1, now / 2 - middle.count)
    var dates = ends.0 + padded(middle, place + middle.count - ends.0.count)
    dates += padded(ends.1, max(columns - dates.count, ends.1.count + 1))
    lines.append(padded("", margin + 1) + dates)
    text = lines.joined(separator: "\n")

    func at(_ step: Double, _ values: [Float]) -> Float {
      let lower = min(max(Int(step), 0), values.count - 1)
      let upper = min(lower + 1, values.count - 1)
      return values[lower] + (values[upper] - values[lower]) * Float(step - Double(lower))
    }
  }
}

/// What the values of a plot lie between.
struct SeriesScale {
  let bottom, top: Double
  /// How many steps there are, past and future.
  let steps: Int

  init(_ result: SeriesResult) {
    let values =
      result.past.compactMap { $0 } + result.mean + (result.low ?? []) + (result.high ?? [])
    let finite = values.filter(\.isFinite).map(Double.init)
    let (least, most) = (finite.min() ?? 0, finite.max() ?? 1)
    let room = most > least ? 0 : max(abs(most), 1)
    (bottom, top) = (least - room, most + room)
    steps = max(2, result.past.count + result.mean.count)
  }

  /// How far below the top a value is, from 0 to 1; what is no number lies at the bottom.
  func part(_ value: Float) -> Double {
    value.isNaN ? 1 : min(max((top - Double(value)) / (top - bottom), 0), 1)
  }

  /// A number with as many digits as tell values of this range apart.
  func label(_ value: Double) -> String {
    var (digits, size) = (0, (top - bottom) / 10)
    while size < 1, digits < 6 {
      size *= 10
      digits += 1
    }
    guard abs(value) < 1e15 else { return "\(Float(value))" }
    var unit = 1.0
    for _ in 0..<digits { unit *= 10 }
    let whole = Int((abs(value) * unit).rounded())
    let parts = whole.quotientAndRemainder(dividingBy: Int(unit))
    let sign = value < 0 && whole > 0 ? "-" : ""
    guard digits > 0 else { return sign + "\(whole)" }
    let rest = "\(parts.remainder)"
    return sign + "\(parts.quotient)." + String(repeating: "0", count: digits - rest.utf8.count)
      + rest
  }
}

/// Dots, two by four to a character.
private struct BrailleCanvas {
  let columns, rows: Int
  private var cells: [UInt8]

  init(columns: Int, rows: Int) {
    self.columns = columns
    self.rows = rows
    cells = Array(repeating: 0, count: columns * rows)
  }

  /// The bit of a dot: Unicode numbers the first three of each column, and the last ones after them.
  mutating func set(_ x: Int, _ y: Int) {
    guard (0..<2 * columns).contains(x), (0..<4 * rows).contains(y) else { return }
    let bits: [[UInt8]] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]]
    cells[y / 4 * columns + x / 2] |= bits[y % 4][x % 2]
  }

  mutating func line(from start: (x: Int, y: Int), to end: (x: Int, y: Int)) {
    let count = max(abs(end.x - start.x), abs(end.y - start.y), 1)
    for step in 0...count {
      let part = Double(step) / Double(count)
      set(
        start.x + Int((Double(end.x - start.x) * part).rounded()),
        start.y + Int((Double(end.y - start.y) * part).rounded()))
    }
  }

  var lines: [String] {
    (0..<rows).map { row in
      var text = String.UnicodeScalarView()
      for cell in cells[row * columns..<(row + 1) * columns] {
        text.append(Unicode.Scalar(0x2800 + UInt32(cell)) ?? " ")
      }
      return String(text)
    }
  }
}
