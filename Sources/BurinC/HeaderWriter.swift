import BurinIR

/// Writes the header that stands beside a library: its entries, inputs, outputs and largest extents
/// by name, for programs that use the library through `burin.h`.
struct HeaderWriter {
  private let model: String
  private let plan: MemoryPlan
  private let symbols: [Symbol]
  /// What every name begins with; a program may use several libraries.
  private let stem: String
  private var names = CNames()

  /// - Parameter stem: what the library's file is called, without its ending.
  init(_ model: String, _ plan: MemoryPlan, _ symbols: [Symbol], stem: String) {
    self.model = model
    self.plan = plan
    self.symbols = symbols
    self.stem = stem
  }

  /// The first words of every such header, by which it is told from a file that somebody wrote.
  static let mark = "// Written by Burin: "

  /// The text of the header.
  mutating func text() -> String {
    let header = name("h")
    var items: [CItem] = [.include(CRawLine("burin.h"), isSystem: false)]
    if !symbols.isEmpty {
      items += [
        .blank, .comment(["The most of every extent that changes from call to call."]),
        .definitions(
          symbols.map { CDefinition(name("max", $0.name), .integer($0.maximum)) }),
      ]
    }
    for entry in plan.entries {
      items += [
        .blank, .comment(["The entry \(entry.name); its inputs, in any order; its outputs."]),
        .definitions([CDefinition(name(entry.name), .string(entry.name))]), .blank,
        .definitions(entry.inputs.map { definition($0, of: entry, note: input($0)) }), .blank,
        .definitions(
          entry.outputs.map { definition($0, of: entry, note: $0.type.description) }),
      ]
    }
    return CPrinter.print(
      CFile(items: [
        .comment(
          [
            "Written by Burin: what the model \"\(model)\" takes and gives, for programs in C and C++. "
              + "burin.h comes with Burin, and `burin compile --emit DIR` puts it into DIR."
          ] + remembers), .blank, .guarded(header, [.blank] + items + [.blank]),
      ]))
  }

  /// Says how much a session remembers, if it remembers anything.
  private var remembers: [String] {
    guard let shape = plan.states.first(where: { $0.pages != nil })?.type.shape else { return [] }
    return [
      "A session remembers up to \(shape[0].maximum) sequences of up to \(shape[1].maximum) "
        + "positions; burin_length, burin_truncate, burin_fork and burin_reorder work on them."
    ]
  }

  private func input(_ port: EntryPlan.Port) -> String {
    var note = port.type.description
    let bounds = port.bounds
    if !port.type.element.isFloat, bounds != Int(Int32.min)...Int(Int32.max) {
      note += ", \(bounds.lowerBound) to \(bounds.upperBound)"
    }
    return port.fallback == nil ? note : note + ", may be left out"
  }

  private mutating func definition(
    _ port: EntryPlan.Port, of entry: EntryPlan, note: String
  ) -> CDefinition {
    CDefinition(name(entry.name, port.name), .string(port.name), note: note)
  }

  /// A new name in capitals out of the stem and words from the program.
  private mutating func name(_ words: String...) -> CIdentifier {
    names.make(CIdentifier(capitals: [stem] + words, longest: 40))
  }
}
