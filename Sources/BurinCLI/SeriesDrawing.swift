/// A drawing of forecasts as SVG, one panel above the other.
struct SeriesDrawing {
  /// The whole file.
  let svg: String

  private static let (width, height) = (760.0, 260.0)
  private static let (left, right, top, bottom) = (64.0, 16.0, 28.0, 30.0)

  init(_ results: [SeriesResult], _ labels: SeriesTable.Labels) {
    let size = "\(Self.number(Self.width)) \(Self.number(Self.height * Double(results.count)))"
    var lines = [
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(size)\" "
        + "font-family=\"sans-serif\" font-size=\"12\">",
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>",
    ]
    for (index, result) in results.enumerated() {
      lines.append("<g transform=\"translate(0 \(Self.number(Self.height * Double(index))))\">")
      lines += Self.panel(result, labels)
      lines.append("</g>")
    }
    svg = (lines + ["</svg>"]).joined(separator: "\n") + "\n"
  }

  private static func panel(_ result: SeriesResult, _ labels: SeriesTable.Labels) -> [String] {
    let scale = SeriesScale(result)
    func x(_ step: Int) -> Double {
      left + (width - left - right) * Double(step) / Double(scale.steps - 1)
    }
    func y(_ part: Double) -> Double { top + (height - top - bottom) * part }
    func points(_ values: [Float], from first: Int) -> String {
      values.enumerated().map { step, value in
        number(x(first + step)) + "," + number(y(scale.part(value)))
      }.joined(separator: " ")
    }
    func text(_ content: String, _ x: Double, _ y: Double, _ anchor: String) -> String {
      "<text x=\"\(number(x))\" y=\"\(number(y))\" text-anchor=\"\(anchor)\">\(escaped(content))</text>"
    }
    var lines = [text(result.name, left, 18, "start")]
    for mark in 0...4 {
      let part = Double(mark) / 4
      let height = number(y(part))
      lines.append(
        "<line x1=\"\(number(left))\" x2=\"\(number(width - right))\" y1=\"\(height)\" "
          + "y2=\"\(height)\" stroke=\"#ddd\"/>")
      let value = scale.top - (scale.top - scale.bottom) * part
      lines.append(text(scale.label(value), left - 6, y(part) + 4, "end"))
    }
    let count = result.past.count
    let last = result.past.last.flatMap { $0 }
    let first = last == nil ? count : count - 1
    func following(_ values: [Float]) -> [Float] { (last.map { [$0] } ?? []) + values }
    if let low = result.low, let high = result.high {
      let back = points(following(low), from: first).split(separator: " ").reversed()
      lines.append(
        "<polygon fill=\"#4477aa\" fill-opacity=\"0.25\" points=\""
          + points(following(high), from: first) + " " + back.joined(separator: " ") + "\"/>")
    }
    func line(_ points: String, _ colour: String) -> String {
      "<polyline fill=\"none\" stroke=\"\(colour)\" stroke-width=\"1.5\" points=\"\(points)\"/>"
    }
    // A gap for each missing value.
    var start = 0
    for step in 0...count where step == count || result.past[step] == nil {
      if start < step {
        lines.append(line(points(result.past[start..<step].compactMap { $0 }, from: start), "#333"))
      }
      start = step + 1
    }
    lines.append(line(points(following(result.mean), from: first), "#4477aa"))
    let now = number((x(count - 1) + x(count)) / 2)
    lines.append(
      "<line x1=\"\(now)\" x2=\"\(now)\" y1=\"\(number(top))\" y2=\"\(number(y(1)))\" "
        + "stroke=\"#999\" stroke-dasharray=\"3 3\"/>")
    let base = height - 10
    lines.append(text(labels.past.first, left, base, "start"))
    lines.append(text(labels.past.last, (x(count - 1) + x(count)) / 2, base, "middle"))
    lines.append(text(labels.future.last ?? "", width - right, base, "end"))
    return lines
  }

  /// A length to the tenth.
  private static func number(_ value: Double) -> String {
    let tenths = Int((value * 10).rounded())
    return tenths % 10 == 0 ? "\(tenths / 10)" : "\(Double(tenths) / 10)"
  }
}
