/// The records of time of a profiled library, one for each kernel (`Runtime/kernels/laps.h`).
struct LapTable {
  /// The kernels' names, in the order of the records.
  let kernels: [CIdentifier]

  /// The records, and the function that tells of them.
  var items: [CItem] {
    [
      .blank,
      .declaration(
        CDeclaration(
          storage: .static, type: .array(.tagged("lap"), nil), name: "laps",
          value: .list(kernels.map { .list([.string($0.text), 0, 0]) }))),
      .blank,
      .function(
        CFunction(
          comments: ["Gives the records of all kernels, and how many there are."], storage: .none,
          attributes: ["visibility(\"default\")"], result: .int32, "burin_laps",
          [CParameter(CType.tagged("lap").pointer.pointer, "records")]
        ) {
          ("records" as CExpression)[0].assign("laps")
          Return(.integer(kernels.count))
        }),
    ]
  }

  /// Begins the first lap of a call.
  var begin: [CStatement] { ("lap" as CExpression)("NULL").statements }

  /// Ends the lap of a kernel.
  func end(of kernel: Kernel) -> [CStatement] {
    guard let index = kernels.firstIndex(of: kernel.function.name) else { return [] }
    return ("lap" as CExpression)(("laps" as CExpression) + .integer(index)).statements
  }
}
