/// Everything that `inspect` knows of a model, as one page that needs nothing but a browser.
struct InspectionPage {
  var name: String
  var summary: String
  var stages: [(name: String, text: String)]
  var source: String
  var memory: String
  var fusion: String
  var drawings: [(name: String, svg: String)]

  /// The page.
  var text: String {
    var body = section("Summary", pre(summary), isOpen: true)
    for drawing in drawings {
      body += section("Graph of \(drawing.name)", "<div class=\"graph\">\(drawing.svg)</div>")
    }
    body += section("Fusion", pre(fusion)) + section("Memory", pre(memory))
    for stage in stages { body += section("IR, \(stage.name)", pre(stage.text)) }
    body += section("C", pre(source))
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <title>\(escaped(name))</title>
      <style>
      body { font-family: sans-serif; margin: 2em; }
      summary { font-weight: bold; padding: 0.3em 0; cursor: pointer; }
      pre { background: #f6f6f6; padding: 1em; overflow: auto; max-height: 80vh; }
      .graph { overflow: auto; max-height: 80vh; border: 1px solid #ddd; }
      </style>
      </head>
      <body>
      <h1>\(escaped(name))</h1>
      \(body)</body>
      </html>

      """
  }

  private func section(_ title: String, _ content: String, isOpen: Bool = false) -> String {
    "<details\(isOpen ? " open" : "")><summary>\(escaped(title))</summary>\n\(content)</details>\n"
  }

  private func pre(_ text: String) -> String { "<pre>\(escaped(text))</pre>\n" }
}
