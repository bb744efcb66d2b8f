import BurinIR

/// An entry's graph, drawn: from the inputs at the top to the outputs at the bottom. Weights and
/// constants belong to the operation that reads them and get no box of their own.
struct GraphDrawing {
  private struct Box {
    var title: String
    var type: String
    var tip: String
    var scope: String
    var sources: [Int]
    var isLeaf: Bool
    var layer = 0
    var column = 0
  }

  private var boxes: [Box] = []
  private var layers: [[Int]] = []
  private let name: String

  init(_ entry: Entry) {
    name = entry.name
    let graph = entry.graph
    var places: [NodeID: Int] = [:]
    var needed = Set(entry.roots)
    for id in graph.ids.reversed() where needed.contains(id) {
      needed.formUnion(graph[id].op.operands)
    }
    for id in graph.ids where needed.contains(id) {
      let node = graph[id]
      let operands = node.op.operands
      let sources = operands.compactMap { places[$0] }
      var title = node.op.mnemonic
      var isLeaf = false
      switch node.op {
      case .weight, .constant: continue
      case .input(let name, _, _), .state(let name, _): (title, isLeaf) = (name, true)
      // What only moves weights or constants belongs to them.
      default: if sources.isEmpty, !operands.isEmpty { continue }
      }
      places[id] = boxes.count
      boxes.append(
        Box(
          title: title, type: node.type.description, tip: graph.text(of: id), scope: node.scope,
          sources: sources, isLeaf: isLeaf))
    }
    for output in entry.outputs {
      guard let source = places[output.value] else { continue }
      boxes.append(
        Box(
          title: output.name, type: graph[output.value].type.description,
          tip: "output \(output.name)", scope: "", sources: [source], isLeaf: true))
    }
    arrange()
  }

  /// Gives every box the layer after its sources', and a column near theirs.
  private mutating func arrange() {
    for index in boxes.indices {
      boxes[index].layer = boxes[index].sources.map { boxes[$0].layer + 1 }.max() ?? 0
      if boxes[index].layer >= layers.count { layers.append([]) }
      layers[boxes[index].layer].append(index)
    }
    for layer in layers.indices {
      func weight(_ index: Int) -> Double {
        let sources = boxes[index].sources
        guard !sources.isEmpty else { return Double(index) }
        return sources.reduce(0.0) { $0 + Double(boxes[$1].column) } / Double(sources.count)
      }
      layers[layer] = layers[layer].map { (weight($0), $0) }.sorted { $0 < $1 }.map(\.1)
      for (column, index) in layers[layer].enumerated() { boxes[index].column = column }
    }
  }

  // MARK: Forms

  /// The graph in Graphviz' language; what belongs to one part of the model in one frame.
  var dot: String {
    var text = "digraph \(quoted(name)) {\n  node [shape=box, fontname=\"sans-serif\"];\n"
    var scopes: [String] = []
    for box in boxes where !box.scope.isEmpty && !scopes.contains(box.scope) {
      scopes.append(box.scope)
    }
    func line(_ index: Int) -> String {
      let box = boxes[index]
      let style = box.isLeaf ? ", style=rounded" : ""
      return "n\(index) [label=\(quoted(box.title + "\n" + box.type))\(style)];\n"
    }
    for (number, scope) in scopes.enumerated() {
      text += "  subgraph cluster_\(number) {\n    label=\(quoted(scope));\n"
      for index in boxes.indices where boxes[index].scope == scope { text += "    " + line(index) }
      text += "  }\n"
    }
    for index in boxes.indices where boxes[index].scope.isEmpty { text += "  " + line(index) }
    for (index, box) in boxes.enumerated() {
      for source in box.sources { text += "  n\(source) -> n\(index);\n" }
    }
    return text + "}\n"
  }

  private func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      default: result.unicodeScalars.append(scalar.value < 32 ? "?" : scalar)
      }
    }
    return result + "\""
  }

  /// The graph as a picture.
  var svg: String {
    let (width, height, gapX, gapY, margin) = (230, 40, 20, 34, 20)
    let columns = layers.map(\.count).max() ?? 1
    let total = (columns * (width + gapX) - gapX, layers.count * (height + gapY) - gapY)
    func corner(_ box: Box) -> (x: Int, y: Int) {
      let count = layers[box.layer].count
      let left = (total.0 - (count * (width + gapX) - gapX)) / 2
      return (margin + left + box.column * (width + gapX), margin + box.layer * (height + gapY))
    }
    var text = """
      <svg xmlns="http://www.w3.org/2000/svg" width="\(total.0 + 2 * margin)" \
      height="\(total.1 + 2 * margin)" font-family="sans-serif" font-size="12">
      <rect width="100%" height="100%" fill="white"/>

      """
    for box in boxes {
      let to = corner(box)
      for source in box.sources {
        let from = corner(boxes[source])
        let (x1, y1) = (from.x + width / 2, from.y + height)
        let (x2, y2) = (to.x + width / 2, to.y)
        let bend = (y2 - y1) / 2
        text += """
          <path d="M\(x1) \(y1)C\(x1) \(y1 + bend) \(x2) \(y2 - bend) \(x2) \(y2)" fill="none" \
          stroke="#999"/>

          """
      }
    }
    for box in boxes {
      let (x, y) = corner(box)
      let fill = box.isLeaf ? "#f2f2f2" : Self.colour(box.title)
      text += """
        <g><title>\(escaped(box.scope.isEmpty ? box.tip : box.scope + ": " + box.tip))</title>\
        <rect x="\(x)" y="\(y)" width="\(width)" height="\(height)" rx="6" fill="\(fill)" \
        stroke="#666"/>\
        <text x="\(x + width / 2)" y="\(y + 16)" text-anchor="middle" font-weight="bold">\
        \(escaped(shortened(box.title)))</text>\
        <text x="\(x + width / 2)" y="\(y + 32)" text-anchor="middle" fill="#444">\
        \(escaped(shortened(box.type)))</text></g>

        """
    }
    return text + "</svg>\n"
  }

  /// Products stand out.
  private static func colour(_ title: String) -> String {
    switch title {
    case "linear", "matmul": "#cfe2ff"
    case "attention": "#ffd9b3"
    case "norm", "add_norm", "softmax": "#d8f0d0"
    default: "#ffffff"
    }
  }

  private func shortened(_ text: String) -> String {
    text.count > 34 ? text.prefix(33) + "…" : text
  }
}

/// Text as it stands in XML and HTML.
func escaped(_ text: String) -> String {
  var result = ""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "&": result += "&amp;"
    case "<": result += "&lt;"
    case ">": result += "&gt;"
    case "\"": result += "&quot;"
    case "\n", "\t": result.unicodeScalars.append(scalar)
    default: result.unicodeScalars.append(scalar.value < 32 ? "\u{FFFD}" : scalar)
    }
  }
  return result
}
