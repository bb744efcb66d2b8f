import BurinHub
import BurinIR
import Glibc
import Testing

@testable import Burin

/// The header that stands beside a library.
@Suite struct HeaderTests {
  /// Flags of the two languages and what their compilers take the same source for.
  static let languages = [["-x", "c", "-std=c11"], ["-x", "c++", "-std=c++17"]]

  /// Compiles a C source that includes `model.h`, and links it with `model.so` and runs it.
  private func run(_ source: String, _ language: [String], in directory: String) throws
    -> CommandResult
  {
    let clang = try BuildFixtures.toolchain().clang
    try BuildFixtures.write(Array(source.utf8), to: directory + "/main.c")
    let built = Command(
      path: clang,
      arguments: language + [
        "-Wall", "-Wextra", "-Wpedantic", "-Wno-overlength-strings", "-Werror", "-I",
        BuildFixtures.root + "/Runtime/include",
        "main.c", "-x", "none", "-L.", "-l:model.so", "-Wl,-rpath,$ORIGIN", "-o", "main",
      ], directory: directory
    ).run()
    guard built.succeeded else { return built }
    return Command(path: directory + "/main", arguments: [], directory: directory).run()
  }

  @Test("a program in C or C++ runs a model by the names of its header", arguments: languages)
  func runsAModel(language: [String]) throws {
    let directory = try TestDirectory()
    let fixture = Fixture(name: "gpt2-lm")
    try Compiler().compile(
      ModelDirectory(fixture.path).spec(), to: directory.path + "/model.so")
    #expect(directory.names == ["model.h", "model.so"])
    let result = try run(
      """
      #include "model.h"
      #include "model.h"
      #include <stdio.h>
      #include <string.h>

      int main(void) {
        int32_t ids[3] = {1, 2, 3};
        struct burin_tensor input, output;
        struct burin_session *session = NULL;
        memset(&input, 0, sizeof input);
        memset(&output, 0, sizeof output);
        input.name = MODEL_FORWARD_INPUT_IDS;
        input.type = BURIN_I32;
        input.rank = 2;
        input.extents[0] = 1;
        input.extents[1] = 3;
        input.data = ids;
        input.bytes = sizeof ids;
        output.name = MODEL_FORWARD_LOGITS;
        if (burin_session_create(NULL, &session) != BURIN_OK ||
            burin_run(session, MODEL_FORWARD, &input, 1, &output, 1) != BURIN_OK) {
          fprintf(stderr, "%s\\n", burin_error());
          return 1;
        }
        const struct burin_model *model = burin_describe();
        for (int32_t i = 0; i < model->symbol_count; i++) {
          if (strcmp(model->symbols[i].name, "batch") == 0 &&
              model->symbols[i].maximum != MODEL_MAX_BATCH) return 2;
        }
        printf("%d %d\\n", (int)output.rank, (int)output.extents[1]);
        burin_session_free(session);
        return 0;
      }

      """, language, in: directory.path)
    #expect(result.end == .exited(0) && result.text == "3 3\n", "\(result.text)")
  }

  /// Names that would do harm if they reached a comment, a token or a line as they are.
  private static let awkward = [
    "*/int x;/*", "\"; system(\"", "%n", "int", "a\n#error b", "back\\", "7up", "été", "a.b", "a_b",
    "??/", String(repeating: "long", count: 2_500),
  ]

  @Test("names from a model stay strings", arguments: languages)
  func awkwardNames(language: [String]) throws {
    let directory = try TestDirectory()
    let name = "*/ #error\n\\"
    let program = Program.trace(name) { trace in
      Self.awkward.map { ($0, trace.input($0, .f32, [Dim(Symbol("n", maximum: 4))]).relu()) }
    }
    try Compiler().compile(program, to: directory.path + "/model.so")
    let header = String(
      decoding: try BuildFixtures.read(directory.path + "/model.h"), as: UTF8.self)
    let macros = header.split(separator: "\n").filter { $0.hasPrefix("#define MODEL_FORWARD_") }
    #expect(macros.count == 2 * Self.awkward.count)
    let names = macros.map { $0.split(separator: " ")[1] }
    #expect(Set(names).count == names.count)
    #expect(names.allSatisfy { $0.utf8.count <= 80 })
    // The library finds each of its inputs and outputs by the macro's string.
    let checks = names.enumerated().map { place, macro in
      let (side, index) = (
        place < Self.awkward.count ? "inputs" : "outputs", place % Self.awkward.count
      )
      return "  if (strcmp(entry->\(side)[\(index)].name, \(macro)) != 0) return \(place + 1);\n"
    }
    let result = try run(
      """
      #include "model.h"
      #include <string.h>

      int main(void) {
        const struct burin_entry *entry = burin_describe()->entries;
      \(checks.joined())  return 0;
      }

      """, language, in: directory.path)
    #expect(result.end == .exited(0), "\(result.text)")
  }

  @Test("a header is named and guarded after its library, whatever that is called")
  func fileNames() throws {
    let program = Program.trace("relu") { trace in
      [("y", trace.input("x", .f32, [4]).relu())]
    }
    let directory = try TestDirectory()
    for (library, file, guarded) in [
      ("a b.so", "a b.h", "A_B_H"), ("int.so", "int.h", "MY_INT_H"), ("-o", "-o.h", "O_H"),
      ("1*/.so".replacing("/", with: "\n"), "1*\n.h", "N1_H"),
    ] {
      try Compiler().compile(program, to: directory.path + "/" + library)
      let header = try BuildFixtures.read(directory.path + "/" + file)
      let lines = String(decoding: header, as: UTF8.self).split(separator: "\n")
      #expect(lines.contains("#ifndef \(guarded)"), "\(lines)")
    }
  }

  @Test("a header that somebody wrote is not replaced, and one that Burin wrote is")
  func keepsOthers() throws {
    let program = Program.trace("relu") { trace in
      [("y", trace.input("x", .f32, [4]).relu())]
    }
    let directory = try TestDirectory()
    let header = directory.path + "/model.h"
    try BuildFixtures.write(Array("// mine\n".utf8), to: header)
    #expect {
      try Compiler().compile(program, to: directory.path + "/model.so")
    } throws: {
      "\($0)".contains("model.h: expected nothing, or a header that Burin wrote, found another")
    }
    #expect(directory.names == ["model.h"])
    #expect(try BuildFixtures.read(header) == Array("// mine\n".utf8))
    unlink(header)
    for _ in 0..<2 { try Compiler().compile(program, to: directory.path + "/model.so") }
    #expect(directory.names == ["model.h", "model.so"])

    // Weights have an ending that others use too.
    let weights = directory.path + "/model.weights"
    try BuildFixtures.write([UInt8](repeating: 7, count: 40), to: weights)
    let separate = Compiler(options: .init(weights: .separate))
    #expect {
      try separate.compile(program, to: directory.path + "/model.so")
    } throws: {
      "\($0)".contains(
        "model.weights: expected nothing, or weights that Burin wrote, found another")
    }
    #expect(try BuildFixtures.read(weights).count == 40)
    unlink(weights)
    for _ in 0..<2 { try separate.compile(program, to: directory.path + "/model.so") }
    #expect(directory.names == ["model.h", "model.so", "model.weights"])
  }
}
