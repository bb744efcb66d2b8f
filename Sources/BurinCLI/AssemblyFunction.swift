/// A function in the assembly that clang writes.
struct AssemblyFunction {
  var name: String
  /// Its instructions and labels, without directives.
  var text: String

  /// The functions of a listing, in order.
  static func all(in listing: String) -> [AssemblyFunction] {
    var functions: [AssemblyFunction] = []
    var isInside = false
    for line in listing.split(separator: "\n") {
      if let name = label(of: line) {
        functions.append(AssemblyFunction(name: name, text: "\(name):\n"))
        isInside = true
      } else if line.hasPrefix(".Lfunc_end") {
        isInside = false
      } else if isInside, !line.hasPrefix("\t."), !line.hasPrefix("#") {
        functions[functions.count - 1].text += line + "\n"
      }
    }
    return functions
  }

  /// The name of the function that begins at a line such as `main:   # @main`.
  private static func label(of line: Substring) -> String? {
    guard let first = line.first, first != "\t", first != ".", line.contains("# @"),
      let colon = line.firstIndex(of: ":")
    else { return nil }
    return String(line[..<colon])
  }
}
