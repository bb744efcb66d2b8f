import BurinHub
import Glibc
import Testing

/// Bad inputs 60 to 63, through the command line: from names to code.
@Suite struct BadNameTests {
  static let names = [
    "*/int x;/*", "\"; system(\"", "%n", "int", "a\nb", "back\\", "//?/", "\u{202E}日本",
    String(repeating: "long", count: 2_500),
  ]

  /// A name as the text of the IR has it.
  private func quoted(_ name: String) -> String {
    let escapes: [Character: String] = ["\"": "\\\"", "\\": "\\\\", "\n": "\\n"]
    return "\"" + name.map { escapes[$0] ?? String($0) }.joined() + "\""
  }

  /// Compiles a program and runs it on `x = [1, 2]`.
  private func output(
    _ text: String, weights: [(String, [Float])], as stem: String, of port: String = "y"
  ) throws -> [Float] {
    let path = Burin.directory + "/" + stem
    try Burin.write(Array(text.utf8), to: path + ".burin")
    _ = try Burin.tensors(
      stem + ".safetensors", features: weights.map { (ByteString($0.0), $0.1, [$0.1.count]) })
    let outcome = try Burin.run([
      "compile", path + ".burin", "-o", path + ".so", "--emit", path + "-emitted",
    ])
    try #require(outcome.status == 0, "\(outcome.errors)")
    let inputs = try Burin.tensors(stem + ".inputs", features: [("x", [1, 2], [1, 2])])
    return try Burin.output(ByteString(port), of: path + ".so", inputs: inputs)
  }

  private func program(_ name: String, _ one: String, _ other: String) -> String {
    """
    program \(quoted(name))

    symbol rows <= 4

    entry "forward" {
      %0 = input("x") : f32[rows, 2]
      // \(name.filter { $0 != "\n" && $0 != "\\" })
      %1 = weight(\(quoted(one))) : f32[2]
      %2 = multiply(%0, %1) : f32[rows, 2]
      %3 = weight(\(quoted(other))) : f32[2]
      %4 = add(%2, %3) : f32[rows, 2]
      output "y" = %4
    }

    """
  }

  @Test("60: tensor and program names never become C", arguments: names)
  func namesStayNames(name: String) throws {
    let stem = "named-\(name.utf8.count)-\(Self.names.firstIndex(of: name) ?? 0)"
    let found = try output(
      program(name, name, name + "2"), weights: [(name, [3, 5]), (name + "2", [10, 20])], as: stem)
    #expect(found == [13, 30])
    for file in ["model.c", "model.h"] {
      let text = try Burin.read(Burin.directory + "/\(stem)-emitted/" + file)
      #expect(text.allSatisfy { $0 < 127 && ($0 >= 32 || $0 == 10 || $0 == 9) }, "\(file)")
      let lines = String(decoding: text, as: UTF8.self).split(separator: "\n")
      // A comment may tell of it, as long as it stays one.
      for line in lines where line.contains("system(\"") {
        #expect(line.contains("//") || line.contains("/*"), "\(line)")
      }
    }
  }

  @Test("60: the names of a model's directory and labels never become C")
  func directoryNames() throws {
    for (number, name) in Self.names.enumerated() where !name.contains("/") && name.count < 200 {
      let place = Burin.directory + "/named-\(number)"
      mkdir(place, 0o700)
      let model = try Burin.altered(
        "bert-sequence-classification",
        [("id2label", ["0": JSON(name), "1": "%s", "2": "\"", "3": "*/"])])
      let labels = try ModelDirectory(model).config()["id2label"].members().count
      let directory = place + "/" + name
      #expect(rename(model, directory) == 0)
      let outcome = try Burin.run(["compile", directory, "-o", place + "/x.so"])
      // The fixture has another number of labels: what counts is that the message is one line.
      if outcome.status == 0 {
        let text = try Burin.run(["classify", place + "/x.so", "--text", "a"]).text
        #expect(text.split(separator: "\t").count == labels)
      } else {
        #expect(outcome.status == 65)
        #expect(outcome.errors.filter { $0 == "\n" }.count == 1, "\(outcome.errors)")
      }
    }
  }

  @Test("61: a.b beside a_b stay two tensors")
  func similarNames() throws {
    let found = try output(
      program("similar", "a.b", "a_b"), weights: [("a_b", [10, 20]), ("a.b", [3, 5])],
      as: "similar")
    #expect(found == [13, 30])
  }

  @Test("62: model paths with a space, a quote, a newline or a leading hyphen work")
  func modelPaths() throws {
    for name in ["a b", "a'b\"", "a\nb", "-a", "$(id)`id`;&|"] {
      let place = Burin.directory + "/paths"
      mkdir(place, 0o700)
      let directory = place + "/" + name
      #expect(rename(try Burin.altered("bert"), directory) == 0)
      let outcome = try Burin.run(["compile", directory, "-o", directory + ".so"])
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(try Burin.run(["inspect", directory + ".so"]).status == 0)
    }
  }

  // MARK: 63

  /// A compiler that works until it is asked for a model's code, then does something else.
  private func compiler(_ action: String) throws -> String {
    let real = try Burin.run(["doctor", "--json"]).json()["clang"]["path"].string().utf8String
    let path = Burin.directory + "/clang-\(action.utf8.count)"
    let script = """
      #!/bin/sh
      for argument in "$@"; do
        if [ "$argument" = model.c ]; then \(action); fi
      done
      exec '\(real)' "$@"

      """
    try Burin.write(Array(script.utf8), to: path, mode: 0o755)
    return path
  }

  @Test(
    "63: clang absent, no clang, failing, killed",
    arguments: [
      ("/nowhere/clang", 69, "No such file"), ("/bin/true", 69, "not a clang"),
      ("echo 'model.c:1: no' >&2; exit 3", 70, "model.c:1: no"),
      ("kill -9 $$", 69, "signal 9"), ("kill -15 $$", 69, "signal 15"),
    ])
  func badCompilers(action: String, status: Int32, mention: String) throws {
    let clang = action.hasPrefix("/") ? action : try compiler(action)
    let place = Burin.directory + "/compiler-\(action.utf8.count)"
    mkdir(place, 0o700)
    let outcome = try Burin.run(
      ["compile", Burin.fixtures + "bert", "-o", place + "/x.so"],
      environment: ["BURIN_CLANG": clang, "BURIN_CACHE": place + "/cache", "TMPDIR": place])
    #expect(outcome.status == status && outcome.output.isEmpty, "\(outcome.errors)")
    #expect(outcome.errors.hasPrefix("burin: ") && outcome.errors.contains(mention))
    // Of the input of a compiler that failed, its message says where it is kept.
    let left = Burin.names(in: place).filter { $0 != "cache" }
    #expect(left.allSatisfy { outcome.errors.contains("kept in \(place)/\($0)") }, "\(left)")
  }
}
