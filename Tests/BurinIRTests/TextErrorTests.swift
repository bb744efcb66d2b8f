import BurinTestSupport
import Testing

@testable import BurinIR

/// The message for one node after `%x = input("x") : f32[n, 4]` in line 5, as column and text.
private func message(_ node: String) -> String {
  let text = """
    program "p"
    symbol n <= 4
    entry "forward" {
    %x = input("x") : f32[n, 4]
    \(node)
    output "x" = %x
    }
    """
  do {
    return "read as \(try Program(text: text).text)"
  } catch { return error.description }
}

@Suite("Errors in the IR's text")
struct TextErrorTests {
  @Test(arguments: [
    ("%y = foo(%x)", "line 5, column 6: expected an operation, found 'foo'"),
    ("%y = add(%x)", "line 5, column 12: expected ',', found ')'"),
    ("%y = add(%x, %z)", "line 5, column 14: there is no %z above"),
    ("%y = add(%x, %x, %x)", "line 5, column 16: expected ',' or ')', found ','"),
    ("%y = add(%x, 3)", "line 5, column 14: expected a node, found '3'"),
    ("%x = relu(%x)", "line 5, column 1: %x is there already"),
    ("%y relu(%x)", "line 5, column 4: expected '=', found 'relu'"),
    ("%y = relu(%x) relu", "line 5, column 15: expected the end of the line, found 'relu'"),
    ("%y = relu(%x", "line 6, column 1: expected ',' or ')', found 'output'"),
    ("%y = relu", "line 5, column 10: expected '(', found the end of the line"),
    ("% = relu(%x)", "line 5, column 2: expected the name of a node after '%'"),
    ("%y = $(%x)", "line 5, column 6: a character that means nothing here"),
    (
      "%y = relu(%x) : f32[4]", "line 5, column 17: expected f32[n, 4], found f32[4]"
    ),
    ("%y = matmul(%x, %x)", "line 5, column 6: matmul: f32[n, 4] by f32[n, 4]"),
    (
      "%y = cast(%x, to: f64)",
      "line 5, column 19: expected one of f32, f16, bf16, i64, i32, i8, u8, bool, q8, w8, w4, r8, found 'f64'"
    ),
    ("%y = scale(%x)", "line 5, column 14: expected ',', found ')'"),
    ("%y = scale(%x, 2)", "line 5, column 16: expected 'by:', found '2'"),
    ("%y = scale(%x, by: 1e400)", "line 5, column 20: a number that is too large"),
    ("%y = constant(1)", "line 5, column 17: expected ':' and a type, found the end of the line"),
    ("%y = constant() : f32[]", "line 5, column 15: expected a number, found ')'"),
    ("%y = constant(1, 2) : f32[3]", "line 5, column 6: constant: 2 values for f32[3]"),
    ("%y = constant(nan(1)) : f32[]", "line 5, column 19: expected the bits of a NaN, found '1'"),
    ("%y = weight(w) : f32[]", "line 5, column 13: expected a name in quotation marks, found 'w'"),
    ("%y = weight(\"w) : f32[]", "line 5, column 24: expected '\"' at the end of a name"),
    (
      "%y = weight(\"\\q\") : f32[]",
      "line 5, column 13: expected UTF-8 and the escapes \\\\ \\\" \\n \\t \\u{...}"
    ),
    (
      "%y = weight(\"w\") : f99[]",
      "line 5, column 20: expected a type of f32, f16, bf16, i64, i32, i8, u8, bool, q8, w8, w4, r8, found 'f99'"
    ),
    ("%y = weight(\"w\") : f32[m]", "line 5, column 24: there is no symbol m"),
    ("%y = weight(\"w\") : f32[0]", "line 5, column 6: an axis of [0] may be empty"),
    ("%y = weight(\"w\") : f32[n]", "line 5, column 6: weight w: f32[n] is not constant"),
    (
      "%y = weight(\"w\") : (f32[4], f32[4])",
      "line 5, column 36: expected the type of one tensor, found the end of the line"
    ),
    ("%y = input(\"y\") : f32[n/0]", "line 5, column 25: expected a positive divisor, found 0"),
    ("%y = input(\"y\") : f32[n - 4]", "line 5, column 6: an axis of [n - 4] may be empty"),
    (
      "%y = input(\"y\") : f32[99999999999999999999]",
      "line 5, column 23: a number that is too large"
    ),
    (
      "%y = input(\"y\") : f32[72057594037927936*n]",
      "line 5, column 23: an extent that is too large or too intricate"
    ),
    (
      "%y = input(\"y\") : f32[72057594037927936, 2]",
      "line 5, column 6: [72057594037927936, 2] is too large or too intricate"
    ),
    (
      "%y = iota(axis: 9223372036854775808) : i32[4]",
      "line 5, column 17: a number that is too large"
    ),
    ("%y = iota(axis: 1.5) : i32[4]", "line 5, column 17: expected a whole number, found '1.5'"),
    ("%y = iota(axis: -1) : i32[4]", "line 5, column 6: iota: axis -1 of i32[4]"),
    (
      "%y = slice(%x, axis: 1, start: 3, count: 2)",
      "line 5, column 6: slice: 3 and 2 after it on axis 1 of f32[n, 4]"
    ),
    (
      "%y = embedding(%x, indices: %x, rows: 0)",
      "line 5, column 6: embedding: 0 is not in 1...1099511627776"
    ),
    (
      "%y = linear(%x, weight: %x, not, columns: 4)",
      "line 5, column 6: linear: f32[n, 4] by the weight f32[n, 4] to 4 columns"
    ),
    (
      "%y = linear(%x, weight: %x, blur, columns: 4)",
      "line 5, column 29: expected an epilogue or 'columns:', found 'blur'"
    ),
    (
      "%y = linear(%x, weight: %x, columns: 4) tile: 8",
      "line 5, column 47: expected 'rows', found '8'"
    ),
    (
      "%y = linear(%x, weight: %x, columns: 4) tile: rows 0",
      "line 5, column 52: expected a number in 1...65536, found 0"
    ),
    (
      "%y = linear(%x, weight: %x, columns: 4) tile: rows 1 panels 0",
      "line 5, column 61: expected a number in 1...65536, found 0"
    ),
    (
      "%w = cast(%x, to: q8)\noutput \"w\" = %w",
      "entry \"forward\": output \"w\" is a q8[n, 4]; blocks are cast before they are given away"
    ),
    (
      "%s = weight(\"s\") : bf16[4]\n%y = norm(%x, rms, scale: %s, epsilon: 1)",
      "line 6, column 6: norm: a scale or bias bf16[4] for f32[n, 4]"
    ),
    (
      "%i = constant(0) : i32[1]\n%y = experts(%x, chosen: %i, weight: %x, columns: 1, count: 65537)",
      "line 6, column 6: experts: 65537 is not in 1...65536"
    ),
    (
      "%y = mask([causal, blue]) : f32[n, 1, 2, 2]",
      "line 5, column 20: expected one of padding, lengths, causal, window, found 'blue'"
    ),
    ("%y = mask([padding]) : f32[n, 1, 2, 2]", "line 5, column 19: expected '(', found ']'"),
    ("%y = mask([window(0)]) : f32[n, 1, 2, 2]", "line 5, column 6: mask: a window of 0"),
    (
      "symbol m <= 4", "line 5, column 1: expected a node, output, successor or '}', found 'symbol'"
    ),
    ("output \"x\" = %x", "entry \"forward\": two outputs are named \"x\""),
    ("%y = input(\"x\") : f32[4]", "entry \"forward\": two inputs are named \"x\""),
    ("successor \"s\" = %x", "entry \"forward\": successor \"s\": no entry reads this state"),
  ])
  func nodes(node: String, expected: String) {
    #expect(message(node) == expected)
  }

  @Test(arguments: [
    ("", "line 1, column 1: expected 'program', found the end of the text"),
    ("program", "line 1, column 8: expected a name in quotation marks, found the end of the text"),
    ("program \"p\" {", "line 1, column 13: expected the end of the line, found '{'"),
    ("program \"p\"\nsymbol 3 <= 4", "line 2, column 8: expected the name of a symbol, found '3'"),
    ("program \"p\"\nsymbol a < 4", "line 2, column 12: expected '=', found '4'"),
    (
      "program \"p\"\nsymbol a <= 0",
      "line 2, column 13: expected a bound in 1...4294967296, found 0"
    ),
    (
      "program \"p\"\nsymbol a <= 1\nsymbol a <= 1",
      "line 3, column 8: the symbol a is there already"
    ),
    (
      "program \"p\"\nentry \"e\" {",
      "line 2, column 12: expected a node, output, successor or '}', found the end of the text"
    ),
    ("program \"p\"\nentry \"e\" {\n}\nentry \"e\" {\n}", "two entries are named \"e\""),
    (
      "program \"p\"\nentry \"e\" {\n%0 = weight(\"e\u{301}\") : f32[1]\n%1 = weight(\"\u{e9}\") : f32[1]\n}",
      "line 4, column 13: a name that differs from an earlier one only in its spelling"
    ),
    (
      "program \"\u{e9}\u{e9}\" x",
      "line 1, column 14: expected the end of the line, found 'x'"
    ),
  ])
  func programs(text: String, expected: String) {
    let error = #expect(throws: TextError.self) { try Program(text: text) }
    #expect(error?.description == expected)
  }

  @Test func invalidUTF8() {
    let error = #expect(throws: TextError.self) {
      try Program(utf8: Array("program \"".utf8) + [0xFF] + Array("\"".utf8))
    }
    #expect(error?.line == 1 && error?.column == 9)
  }

  /// Depth, length and doubling are bounded, so that nothing overflows and nothing takes long.
  @Test func hostileTexts() {
    #expect(
      message("%y = input(\"y\") : f32[" + String(repeating: "(", count: 100_000))
        == "line 5, column 87: an extent that is too long")
    let doublings = (0..<80).map { "%y\($0 + 1) = concat([%y\($0), %y\($0)], axis: 0)" }
    let doubled = message((["%y0 = input(\"y\") : f32[n]"] + doublings).joined(separator: "\n"))
    #expect(doubled.contains("is too large or too intricate"), "\(doubled)")
    let many = Array(repeating: "%y", count: 300).joined(separator: ", ")
    let sum = message(
      "%y = input(\"y\") : f32[72057594037927936]\n%z = concat([\(many)], axis: 0)")
    #expect(sum.contains("is too large or too intricate"), "\(sum)")
    let wide = String(repeating: "1, ", count: 20_000) + "1"
    #expect(message("%y = input(\"y\") : f32[\(wide)]").contains("axes, expected at most 16"))
    let polynomial = "(n + 1)*(n + 2)*(n + 3)*(n + 4)*(n + 5)*(n + 6)*(n + 7)*(n + 8)*(n + 9)"
    let grown = message("%y = input(\"y\") : f32[\(polynomial)*\(polynomial)]")
    #expect(grown.contains("too intricate") || grown.contains("too long"), "\(grown)")
  }

  /// Any change to a text is read or refused, never a trap.
  @Test func randomMutations() throws {
    let original = Array(try everyOperation().text.utf8)
    var random = TestRandom(seed: 7)
    let pieces = [
      "(", ")", "%", "0", "-", "9", "[", "]", ",", ":", "\"", "\n", "seq", "*", "/", " ",
    ]
    .map { Array($0.utf8) }
    var refused = 0
    let clock = ContinuousClock()
    let end = clock.now + .seconds(1)
    while clock.now < end {
      var text = original
      for _ in 0..<random.int(in: 1...3) {
        let place = random.int(in: 0...text.count - 1)
        switch random.int(in: 0...3) {
        case 0: text[place] = UInt8(random.int(in: 0...255))
        case 1: text.removeSubrange(place..<min(place + random.int(in: 1...20), text.count))
        case 2: text.insert(contentsOf: pieces[random.int(in: 0...pieces.count - 1)], at: place)
        default:
          let from = random.int(in: 0...text.count - 1)
          text.insert(contentsOf: text[from..<min(from + 30, text.count)], at: place)
        }
      }
      do {
        let program = try Program(utf8: text)
        #expect(try Program(text: program.text).text == program.text)
      } catch { refused += 1 }
    }
    #expect(refused > 0)
  }
}
