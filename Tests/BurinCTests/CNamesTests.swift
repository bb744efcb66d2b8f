import Testing

@testable import BurinC

@Suite struct CNamesTests {
  static let awkward = [
    "*/int x;/*", "\"; system(\"", "%n", "int", "a\nb", "back\\", "", "7up", "été", "日本", "__x",
    "burin_run", "omp_get_num_threads", "expf", "exp", "main", "unix", "a.b", "a_b", "a-b", "a.b.",
    String(repeating: "long", count: 2500), String(repeating: "long", count: 2501), "INFINITY",
  ]

  @Test func everyTextBecomesItsOwnIdentifier() throws {
    var names = CNames(reserving: ["a_b"])
    let identifiers = Self.awkward.map { names.make($0) }
    let made = identifiers.map(\.text)
    #expect(Set(made).count == made.count)
    #expect(!made.contains("a_b"))
    for name in made {
      #expect(name.utf8.count <= CIdentifier.longest + 8)
      #expect(
        name.utf8.allSatisfy {
          $0 == 95 || ($0 | 32 >= 97 && $0 | 32 <= 122) || $0 >= 48 && $0 <= 57
        })
      #expect(!name.hasPrefix("_") && !name.hasPrefix("burin"))
    }
    try #require(Clang.isPresent)
    let items = identifiers.map { name in
      CItem.function(CFunction(name, []) { Return() })
    }
    #expect(
      try Clang.complaints(about: "#include <math.h>\n" + CPrinter.print(CFile(items: items))) == ""
    )
  }

  @Test func namesAreTheSameEveryTime() {
    var one = CNames()
    var two = CNames()
    #expect(Self.awkward.map { one.make($0) } == Self.awkward.map { two.make($0) })
    #expect(
      ["a.b", "a_b", "a_b_2", "a b"].map { one.make("x" + $0).text } == [
        "xa_b", "xa_b_2", "xa_b_2_2", "xa_b_3",
      ])
    #expect(CIdentifier("matmul", sizes: [128, 768]).text == "matmul_128x768")
  }

  @Test(
    arguments: awkward + ["/*", "*//*", "??/", "\u{202E}", "a\u{0}b", "\r\n#include \"x\"\r\n"])
  func textStaysInsideItsComment(text: String) throws {
    let comment = CText.comment(text)
    #expect(comment.utf8.allSatisfy { (32...126).contains($0) && $0 != UInt8(ascii: "\\") })
    #expect(!comment.contains("*/") && !comment.contains("/*") && !comment.contains("??"))
    #expect(comment.utf8.count < 6000)
    let printed = CPrinter.print([.comment(text), .noted(.give(nil), text), .pragma(text)])
    #expect(printed.split(separator: "\n").allSatisfy { $0.utf8.last != UInt8(ascii: "\\") })
  }

  @Test func stringsKeepTheirBytes() throws {
    try #require(Clang.isPresent)
    let texts = Self.awkward.filter { $0.utf8.count < 100 } + ["??/", "\u{1}1", "tab\there", "é9"]
    var program = "#include <stdio.h>\nint main(void) {\n"
    for text in texts { program += "  puts(\(CText.literal(text)));\n" }
    #expect(
      try Clang.output(of: program + "  return 0;\n}\n") == texts.joined(separator: "\n") + "\n")
  }
}
