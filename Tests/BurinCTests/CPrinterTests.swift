import Testing

@testable import BurinC

@Suite struct CPrinterTests {
  let a: CExpression = "a"
  let b: CExpression = "b"
  let c: CExpression = "c"
  let i: CExpression = "i"

  @Test func parenthesesAreMinimal() {
    #expect((5 * (i % 2)).flat == "5 * (i % 2)")
    #expect((5 * i % 2).flat == "5 * i % 2")
    #expect((a - (b - c)).flat == "a - (b - c)")
    #expect((a - b - c).flat == "a - b - c")
    #expect((a + b * c).flat == "a + b * c")
    #expect(((a + b) * c).flat == "(a + b) * c")
    #expect(((a < b) && (b < c)).flat == "a < b && b < c")
    #expect((-(a + b)).flat == "-(a + b)")
    #expect((-(-a)).flat == "-(-a)")
    #expect((a - -b).flat == "a - -b")
    #expect((a + b).cast(to: .float).flat == "(float)(a + b)")
    #expect(a[i].cast(to: .float).flat == "(float)a[i]")
    #expect(a.cast(to: CType.float.const.pointer)[i].flat == "((const float *)a)[i]")
    #expect(a.pointee.member("rows").flat == "(*a).rows")
    #expect(a.arrow("rows")[i].address.flat == "&a->rows[i]")
    #expect((a < b).then(a, else: (b < c).then(b, else: c)).flat == "a < b ? a : b < c ? b : c")
    #expect(a.assign(b.assign(c)).flat == "a = b = c")
  }

  @Test func parenthesesAnswerTheReader() {
    #expect(((a & b) | c).flat == "(a & b) | c")
    #expect((a | b | c).flat == "a | b | c")
    #expect(((a && b) || c).flat == "(a && b) || c")
    #expect(((a < b) .== (b < c)).flat == "(a < b) == (b < c)")
    #expect(((!a) .== b).flat == "(!a) == b")
    #expect((a & (b .== c)).flat == "a & (b == c)")
    #expect((a & b).then(b, else: c).flat == "(a & b) ? b : c")
  }

  /// Swift's own shifts are generic, and any of the tree's would win over them.
  @Test func numbersInMessagesStayNumbers() {
    let bytes = 1 << 24
    #expect(
      "\(1 << 20) of \(bytes), \(1 >> 1), \(~1), \(1 ^ 3), \(1 | 2)"
        == "1048576 of 16777216, 0, -2, 2, 3")
  }

  @Test func integersFold() {
    #expect((a * 1 + 0).flat == "a")
    #expect((0 + 1 * a).flat == "a")
    #expect((a * 0).flat == "0")
    #expect((a(b) * 0).flat == "a(b) * 0")
    #expect((CExpression.integer(2) * 3 + a).flat == "6 + a")
    #expect((a + 2 + 3).flat == "a + 5")
    #expect((a - 2 + 2).flat == "a")
    #expect((a + -3).flat == "a - 3")
    #expect((a * 4 * 8).flat == "a * 32")
    #expect((a / 1 % 1).flat == "0")
    #expect((CExpression.integer(Int.max) + 1).flat == "9223372036854775807LL + 1")
    #expect((a + 0.0).flat == "a + 0.0f")
  }

  @Test(arguments: [
    (CExpression.integer(-3), "-3"), (.integer(Int(Int32.max)), "2147483647"),
    (.integer(Int(Int32.min)), "(-2147483647 - 1)"), (.integer(2_147_483_648), "2147483648LL"),
    (.integer(Int.min), "(-9223372036854775807LL - 1)"), (.float(0.1), "0.1f"),
    (.float(1), "1.0f"), (.float(-0.0), "-0.0f"), (.float(1e-12), "1e-12f"),
    (.float(.infinity), "__builtin_inff()"), (.float(-.infinity), "-__builtin_inff()"),
    (.float(.nan), "__builtin_nanf(\"\")"), (.double(0.1), "0.1"), (.double(1e300), "1e+300"),
  ])
  func literals(value: CExpression, text: String) {
    #expect(value.flat == text)
  }

  @Test func typesAreDeclaredAroundTheName() {
    #expect(CType.float.const.restrict.declaration(of: "x") == "const float *restrict x")
    #expect(CType.float.pointer.const.declaration(of: "x") == "float *const x")
    #expect(CType.float.pointer.pointer.declaration(of: "x") == "float **x")
    #expect(CType.array(.array(.float, 4), 2).declaration(of: "x") == "float x[2][4]")
    #expect(CType.array(.float, 4).pointer.declaration(of: "x") == "float (*x)[4]")
    #expect(CType.array(CType.float.pointer, nil).declaration(of: "x") == "float *x[]")
    #expect(CType.float.restrict.declaration(of: "") == "float *restrict")
  }

  @Test("a remark stands behind its line, and above a line that leaves no room for it")
  func remarks() {
    func declare(_ name: CExpression, _ value: CExpression, _ note: String) -> [CStatement] {
      Declare(.int, name, value).note(note)
    }
    let long = (1...8).reduce(a) { $0 + .name(CIdentifier("term", sizes: [$1])) }
    let text = CPrinter.print(
      declare("x", a, "first") + declare("sum", long, String(repeating: "n", count: 12))
        + declare("longer", b, "third"))
    let lines = text.split(separator: "\n").map(String.init)
    #expect(lines[0] == "int x = a;       // first")
    #expect(lines[1] == "// nnnnnnnnnnnn")
    #expect(lines[lines.count - 1] == "int longer = b;  // third")
  }

  static let softmax = CFunction(
    comments: ["%7 = softmax(%6) : f32[batch, 12]"], "softmax_12",
    [
      CParameter(CType.float.restrict, "out", note: "[rows, 12]"),
      CParameter(CType.float.const.restrict, "x", note: "[rows, 12]"),
      CParameter(.int64, "rows"),
    ]
  ) {
    let (out, x): (CExpression, CExpression) = ("out", "x")
    let (largest, sum): (CExpression, CExpression) = ("largest", "sum")
    Pragma("omp for schedule(static)")
    For("row", to: "rows") { row in
      Declare(.float, largest, x[row * 12])
      For("column", from: 1, to: 12) { column in
        If(x[row * 12 + column] > largest) {
          largest.assign(x[row * 12 + column])
        }
      }
      Blank()
      Declare(.float, sum, 0.0)
      For("column", to: 12) { column in
        out[row * 12 + column].assign(
          ("__builtin_expf" as CExpression)(x[row * 12 + column] - largest))
        sum += out[row * 12 + column]
      }
      For("column", to: 12) { column in
        out[row * 12 + column] /= sum
      }
    }
  }

  @Test func aKernelReadsLikeItsC() {
    let text = CPrinter.print(
      CFile(items: [.include(CRawLine("stdint.h"), isSystem: true), .function(Self.softmax)]))
    #expect(
      text == """
        #include <stdint.h>

        // %7 = softmax(%6) : f32[batch, 12]
        static void softmax_12(
            float *restrict out,      // [rows, 12]
            const float *restrict x,  // [rows, 12]
            int64_t rows) {
          #pragma omp for schedule(static)
          for (int64_t row = 0; row < rows; row++) {
            float largest = x[row * 12];
            for (int64_t column = 1; column < 12; column++) {
              if (x[row * 12 + column] > largest) {
                largest = x[row * 12 + column];
              }
            }

            float sum = 0.0f;
            for (int64_t column = 0; column < 12; column++) {
              out[row * 12 + column] = __builtin_expf(x[row * 12 + column] - largest);
              sum += out[row * 12 + column];
            }
            for (int64_t column = 0; column < 12; column++) {
              out[row * 12 + column] /= sum;
            }
          }
        }

        """)
  }

  @Test func everyStatementHasItsShape() {
    let text = CPrinter.print([
      .branch(
        a < b, then: [.give(a)],
        otherwise: [.branch(b, then: [.give(nil)], otherwise: [.expression(a(b))])]),
      .blank, .blank,
      .noted(.declaration(CDeclaration(type: CType.float.pointer, name: "q")), "f32[1]"),
      .noted(.declaration(CDeclaration(type: CType.float.pointer, name: "key")), "f32[seq]"),
      .block([.raw(CRawLine("x++;"))]),
      .repetition(a, [.expression(b(a))]),
    ])
    #expect(
      text == """
        if (a < b) {
          return a;
        } else if (b) {
          return;
        } else {
          a(b);
        }

        float *q;    // f32[1]
        float *key;  // f32[seq]
        {
          x++;
        }
        while (a) {
          b(a);
        }

        """)
  }

  @Test func longLinesWrapAtTheirOutermostPlaces() {
    let long: CExpression = "a_name_of_thirty_characters_ok"
    let text = CPrinter.print([
      .expression(("linear_768x3072" as CExpression)(long, long(a, b), long + a * b, long, c)),
      .expression(a.assign(long * long + long * long + long)),
      .declaration(
        CDeclaration(
          type: .array(.int, nil), name: "table", value: .list((0..<40).map { .integer($0) }))),
    ])
    #expect(
      text == """
        linear_768x3072(a_name_of_thirty_characters_ok, a_name_of_thirty_characters_ok(a, b),
                        a_name_of_thirty_characters_ok + a * b, a_name_of_thirty_characters_ok, c);
        a = a_name_of_thirty_characters_ok * a_name_of_thirty_characters_ok +
            a_name_of_thirty_characters_ok * a_name_of_thirty_characters_ok +
            a_name_of_thirty_characters_ok;
        int table[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
                       24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39};

        """)
    #expect(text.split(separator: "\n").allSatisfy { $0.utf8.count <= 100 })
  }

  @Test func aCompilerAcceptsWhatIsPrinted() throws {
    try #require(Clang.isPresent)
    let file = CFile(items: [
      .comment(["*/ int broken; /*", "ends in a backslash \\", "??/"]),
      .include(CRawLine("stdint.h"), isSystem: true),
      .definitions([CDefinition("ROWS", 3)]),
      .structure("weights", [CParameter(CType.float.pointer, "up", note: "f32[3, 4] \\")]),
      .declaration(
        CDeclaration(
          storage: .static, type: .array(CType.float.const, nil), name: "table",
          value: .list([0.5, -0.0, .float(.infinity), .float(.nan), 1e-45]),
          attributes: [.aligned(64)])),
      .function(Self.softmax),
      .function(
        CFunction(
          storage: .none, result: .int, "total",
          [CParameter(CType.named("weights").const.pointer, "w"), CParameter(.int, "which")]
        ) {
          let (w, name, which): (CExpression, CExpression, CExpression) = ("w", "name", "which")
          Declare(CType.char.const.pointer, name, .string("\"; system(\"??/\n\u{e9}1%n\\"))
          If(which > 3) {
            Return((which & 2) + 1)
          } else: {
            which += 1
          }
          Return(
            (w.arrow("up")[0] < ("table" as CExpression)[0]).then(
              name[0].cast(to: .int), else: which * "ROWS"))
        }),
      .function(
        CFunction(storage: .none, "run", [CParameter(CType.float.pointer, "x")]) {
          ("softmax_12" as CExpression)("x", "x" + 12, 1)
        }),
    ])
    let text = CPrinter.print(file)
    #expect(try Clang.complaints(about: text) == "")
    #expect(text == CPrinter.print(file))
  }

  @Test func operatorsMeanWhatTheTreeSays() throws {
    try #require(Clang.isPresent)
    var random = Splitmix(state: 60)
    var program = "#include <stdio.h>\nint main(void) {\n  int a = 7, b = -3, c = 2;\n"
    program += "  (void)a; (void)b; (void)c;\n"
    var expected: [String] = []
    while expected.count < 1500 {
      let tree = CExpression.random(depth: 5, using: &random)
      guard let value = tree.value else { continue }
      expected.append("\(value)")
      var printed = CPrinter.print([.expression(("printf" as CExpression)(.string("%d\n"), tree))])
      printed.removeLast()
      program += printed + "\n"
    }
    // Random trees are full of constants that the compiler asks about; parentheses must not be.
    let warnings = [
      "-Wno-everything", "-Wparentheses", "-Wlogical-not-parentheses",
      "-Wbitwise-conditional-parentheses", "-Wdangling-else",
    ]
    let output = try Clang.output(of: program + "  return 0;\n}\n", warnings: warnings)
    let lines = output.split(separator: "\n")
    #expect(lines.map(String.init) == expected)
  }
}

/// A small reproducible generator of random numbers.
struct Splitmix: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = (state ^ (state >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}

extension CExpression {
  /// A random tree over `a`, `b`, `c` and small numbers, without assignments.
  static func random(depth: Int, using random: inout Splitmix) -> CExpression {
    let leaf = depth == 0 || Int.random(in: 0..<8, using: &random) == 0
    if leaf {
      let leaves: [CExpression] = ["a", "b", "c", 0, 1, -2, 5, .integer(Int(Int32.min))]
      return leaves.randomElement(using: &random) ?? 0
    }
    let left = CExpression.random(depth: depth - 1, using: &random)
    let right = CExpression.random(depth: depth - 1, using: &random)
    switch Int.random(in: 0..<12, using: &random) {
    case 0: return .prefix([.minus, .not].randomElement(using: &random) ?? .not, left)
    case 1: return .conditional(CExpression.random(depth: 2, using: &random), left, right)
    case 2: return .cast(.int, left)
    // Folding must not change the value either.
    case 3: return left + right
    case 4: return left * right
    case 5: return left - right
    default:
      let operators = CBinary.allCases.filter { $0.rawValue.last != "=" || $0.rawValue.count == 2 }
      let pure = operators.filter {
        ![.addAssign, .subtractAssign, .multiplyAssign, .divideAssign].contains($0)
      }
      return .binary(pure.randomElement(using: &random) ?? .add, left, right)
    }
  }

  /// What C makes of it with `a` = 7, `b` = -3, `c` = 2, or `nil` where C would not say.
  var value: Int? {
    func narrow(_ value: Int) -> Int? {
      Int(exactly: Int32(exactly: value) ?? 0) == value ? value : nil
    }
    switch self {
    case .integer(let value): return narrow(value)
    case .name(let name): return ["a": 7, "b": -3, "c": 2][name.text]
    case .cast(_, let value): return value.value
    case .prefix(let operation, let operand):
      guard let value = operand.value else { return nil }
      switch operation {
      case .minus: return narrow(-value)
      case .not: return value == 0 ? 1 : 0
      default: return nil
      }
    case .conditional(let test, let yes, let no):
      guard let test = test.value, let yes = yes.value, let no = no.value else { return nil }
      return test != 0 ? yes : no
    case .binary(let operation, let left, let right):
      guard let a = left.value, let b = right.value else { return nil }
      switch operation {
      case .multiply: return narrow(a * b)
      case .divide: return b == 0 ? nil : narrow(a / b)
      case .remainder: return b == 0 || narrow(a / b) == nil ? nil : a % b
      case .add: return narrow(a + b)
      case .subtract: return narrow(a - b)
      case .less: return a < b ? 1 : 0
      case .lessOrEqual: return a <= b ? 1 : 0
      case .greater: return a > b ? 1 : 0
      case .greaterOrEqual: return a >= b ? 1 : 0
      case .equal: return a == b ? 1 : 0
      case .notEqual: return a != b ? 1 : 0
      case .bitAnd: return a & b
      case .bitOr: return a | b
      case .and: return a != 0 && b != 0 ? 1 : 0
      case .or: return a != 0 || b != 0 ? 1 : 0
      default: return nil
      }
    default: return nil
    }
  }
}
