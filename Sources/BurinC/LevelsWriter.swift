/// Writes `levels.c`, which chooses among the modules of one program for several levels of
/// instructions when the library is loaded.
///
/// Each module is compiled with `burin_program` defined as a name of its own, `program(_:)`, and
/// everything else with `BURIN_LEVELS`.
public enum LevelsWriter {
  /// What a level's module calls its program.
  public static func program(_ level: Int) -> String { "level_\(level)_program" }

  /// The text of the file.
  ///
  /// - Parameter levels: the CPU features that each level needs, from the least to the most; the
  ///   first is taken on every machine that the others do not fit, and what it needs is not asked
  ///   for again: clang 14 cannot ask for all of that.
  public static func source(_ levels: [[String]]) -> String {
    var items: [CItem] = [.include(CRawLine("program.h"), isSystem: false), .blank]
    for level in levels.indices {
      items.append(
        .declaration(
          CDeclaration(
            storage: .extern, type: CType.tagged("burin_program").const, name: name(level))))
    }
    items += [
      .blank,
      .declaration(CDeclaration(type: .tagged("burin_program"), name: "burin_program")),
      .blank,
      .function(
        CFunction(
          comments: ["The last level that this machine has. Runs before all other constructors."],
          attributes: ["constructor(101)"], "choose_level", []
        ) {
          CExpression.name("__builtin_cpu_init")()
          CExpression.name("burin_program").assign(.name(name(0)))
          for (level, features) in levels.enumerated().dropFirst() {
            CStatement.branch(
              supports(features.filter { !levels[0].contains($0) }),
              then: [
                .expression(CExpression.name("burin_program").assign(.name(name(level))))
              ], otherwise: [])
          }
        }),
    ]
    return CPrinter.print(CFile(items: items))
  }

  private static func name(_ level: Int) -> CIdentifier { CIdentifier(cleaning: program(level)) }

  private static func supports(_ features: [String]) -> CExpression {
    let asked = features.map { CExpression.name("__builtin_cpu_supports")(.string($0)) }
    return asked.dropFirst().reduce(asked.first ?? 1) { $0 && $1 }
  }
}
