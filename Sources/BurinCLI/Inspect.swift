import ArgumentParser
import Burin
import BurinC
import BurinHub
import BurinIR
import BurinPasses

/// `burin inspect`
struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what a model becomes, or what a library holds.",
    discussion: """
      A library carries the program that it was compiled from, so everything that can be asked of a \
      model can be asked of it. Without an option: a summary.
      """)

  @Argument(
    help: ArgumentHelp(
      "A model directory, a .burin file, or a library.", valueName: "MODEL|X.so"))
  var model: String
  @Flag(help: "The program as it was described, or after a pass.")
  var ir = false
  @Option(
    parsing: .unconditional, help: ArgumentHelp("Which pass; implies --ir.", valueName: "PASS"))
  var after: String?
  @Flag(help: "The C.")
  var c = false
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The assembly of the functions whose names contain this.", valueName: "KERNEL"))
  var asm: String?
  @Flag(help: "How much memory a call needs, and what shares it.")
  var memory = false
  @Flag(help: "What fused, what nearly did, and why not.")
  var fusion = false
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The program after all passes, drawn: svg or dot.", valueName: "FORM"))
  var graph: String?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Write a page with all of it to a file.", valueName: "FILE"))
  var html: String?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Which entry to draw.", valueName: "ENTRY"))
  var entry = "forward"
  @OptionGroup var limits: LimitOptions
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("As for compile; a library's own if left out.", valueName: "TARGET"))
  var target: String?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("As for compile; a library's own if left out.", valueName: "TYPE"))
  var dtype: String?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("As for compile; a library's own if left out.", valueName: "TYPE"))
  var cacheDtype: String?

  func validate() throws {
    if let dtype { _ = try precision(named: dtype) }
    if let cacheDtype { _ = try cacheType(named: cacheDtype) }
    if let graph, graph != "svg", graph != "dot" {
      throw Failure.usage("--graph: expected svg or dot, found \(quoted(graph))")
    }
  }

  func run() throws {
    let subject = try Subject(model, self)
    if ir || after != nil { try Standard.output(program(subject).text) }
    if c { try Standard.output(subject.lowered().module.source) }
    if memory { try Standard.output(memoryText(subject.lowered().module)) }
    if fusion { try Standard.output(fusionText(subject.lowered().notes)) }
    if let asm { try Standard.output(assembly(subject, asm)) }
    if let graph {
      let program = try subject.lowered().program
      guard let entry = program.entries.first(where: { $0.name == entry }) else {
        let names = program.entries.map(\.name).joined(separator: ", ")
        throw Failure.usage("--entry: expected one of \(names), found \(quoted(entry))")
      }
      let drawing = GraphDrawing(entry)
      try Standard.output(graph == "dot" ? drawing.dot : drawing.svg)
    }
    if let html {
      let lowered = try subject.lowered()
      let page = InspectionPage(
        name: line(subject.name), summary: summary(subject),
        stages: lowered.stages.map { ($0.pass ?? "as described", $0.program.text) },
        source: lowered.module.source, memory: memoryText(lowered.module),
        fusion: fusionText(lowered.notes),
        drawings: lowered.program.entries.map { ($0.name, GraphDrawing($0).svg) })
      let file = try AtomicFile(path: html)
      try file.write(Array(page.text.utf8))
      try file.commit()
    }
    if !ir, after == nil, !c, !memory, !fusion, asm == nil, graph == nil, html == nil {
      try Standard.output(summary(subject))
    }
  }

  /// The program that `--ir` and `--after` ask for.
  private func program(_ subject: Subject) throws -> Program {
    guard let after else { return subject.program }
    let stages = try subject.lowered().stages
    guard let stage = stages.last(where: { $0.pass == after }) else {
      let names = stages.compactMap(\.pass).joined(separator: ", ")
      throw Failure.usage("--after: expected one of \(names), found \(quoted(after))")
    }
    return stage.program
  }

  // MARK: Texts

  private func memoryText(_ module: Module) -> String {
    var text = ""
    for report in module.memory {
      let dims = report.slots.flatMap(\.sizes) + [report.withoutReuse]
      let small = Example(dims.flatMap(\.symbols))
      text += """
        \(report.entry): an arena of \(megabytes(report.bytes(small.extents)))\(small.text), where \
        \(megabytes(report.withoutReuse.evaluate(small.extents) ?? 0)) would be needed without reuse

        """
      for (index, slot) in report.slots.enumerated() {
        text += "  slot \(index), \(megabytes(slot.bytes(small.extents))): "
        text += slot.tensors.joined(separator: "; ") + "\n"
      }
    }
    for cache in module.caches {
      let types = cache.types.map(\.rawValue).joined(separator: " and ")
      text += "cache of \(cache.states) states in \(types): "
      text += "\(megabytes(cache.bytes(of: 1))) for 1 to \(CacheReport.pagePositions) positions, "
      if let window = cache.window, window < cache.context {
        text += "at most \(megabytes(cache.bytes(of: window + CacheReport.pagePositions))) between "
        text += "two calls, of which each reads the last \(window) positions\n"
      } else {
        text += "\(megabytes(cache.bytes(of: cache.context))) for \(cache.context)\n"
      }
    }
    return text
  }

  /// What fired, and what nearly did and why not, each counted.
  private func fusionText(_ notes: [Note]) -> String {
    struct Finding {
      var text: String
      var count = 0
      var places: [String] = []
    }
    var fired: [Finding] = []
    var missed: [Finding] = []
    func count(_ text: String, at place: String, in list: inout [Finding]) {
      let known = list.firstIndex { $0.text == text } ?? list.count
      if known == list.count { list.append(Finding(text: text)) }
      list[known].count += 1
      list[known].places.append(place)
    }
    for note in notes {
      let place = note.scope.isEmpty ? note.entry : "\(note.entry), \(note.scope)"
      switch note.outcome {
      case .fired: count("\(note.pass): \(note.rule)", at: place, in: &fired)
      case .missed(let reason):
        count("\(note.pass): not \(note.rule): \(reason)", at: place, in: &missed)
      }
    }
    func lines(_ list: [Finding], showsPlaces: Bool) -> String {
      guard !list.isEmpty else { return "  nothing\n" }
      return list.map { finding in
        let places = finding.places.map { "    \(line($0))\n" }.joined()
        return "  \(finding.count) x \(line(finding.text))\n" + (showsPlaces ? places : "")
      }.joined()
    }
    return "fused\n" + lines(fired, showsPlaces: false) + "nearly\n"
      + lines(missed, showsPlaces: true)
  }

  private func assembly(_ subject: Subject, _ kernel: String) throws -> String {
    let source = Toolchain.Source("model.c", Array(try subject.lowered().module.source.utf8))
    let text = try Toolchain.find().assembly([source], target: subject.target)
    let functions = AssemblyFunction.all(in: text)
    let chosen = functions.filter { $0.name.contains(kernel) }
    guard !chosen.isEmpty else {
      let names = functions.map(\.name).filter { !$0.hasPrefix("burin_") }
      throw Failure.usage(
        "--asm: expected a part of one of \(names.joined(separator: ", ")), found "
          + "\(quoted(kernel))")
    }
    return chosen.map(\.text).joined(separator: "\n")
  }

  private func summary(_ subject: Subject) -> String {
    var text = "\(line(subject.name))"
    if let architecture = subject.description?.architecture {
      text += ", \(line(architecture))"
    }
    text += "\n"
    if let file = subject.library {
      text += """
        library: code \(megabytes(file.imageSize)), weights \(megabytes(file.weightsSize)) \
        \(file.placement == .separate ? "beside it" : "embedded"), for \
        \(file.features.joined(separator: " "))

        """
    }
    for entry in subject.program.entries {
      text += "\(entry.name)\n"
      for id in entry.graph.ids {
        guard case .input(let name, let type, let fallback) = entry.graph[id].op else { continue }
        text += "  takes \(line(name)) \(type)\(fallback == nil ? "" : ", or nothing")\n"
      }
      for output in entry.outputs {
        text += "  gives \(line(output.name)) \(entry.graph[output.value].type)\n"
      }
      let example = Example(Program("", entries: [entry]).symbols)
      let work = Work(entry, example.extents)
      text += """
          \(operations(2 * Double(work.multiplyAdds)))\(example.text), over \
        \(megabytes(Int(work.bytes(in: subject.precision)))) of weights

        """
    }
    for symbol in subject.program.symbols {
      text += "\(line(symbol.name)) up to \(symbol.maximum)\n"
    }
    let weights = subject.program.weights.reduce(0 as Dim) { $0 + $1.type.bytes }.maximum
    let elements = Set(subject.program.weights.map(\.type.element.rawValue)).sorted()
    text += "\(subject.program.weights.count) tensors, \(megabytes(weights))"
    text += elements.isEmpty ? "\n" : " in \(elements.joined(separator: " and "))\n"
    return text
  }
}

/// Operations for people.
private func operations(_ count: Double) -> String {
  count < 1e8 ? "\(decimal(count * 1e-6, 2)) MFLOP" : "\(decimal(count * 1e-9, 2)) GFLOP"
}

/// A call to show sizes of: one sequence, or picture, of at most 128 positions.
private struct Example {
  /// The extents by the symbols' names.
  let extents: [String: Int]
  /// ` at batch 1, seq 128`; nothing where no size changes.
  let text: String

  init(_ symbols: [Symbol]) {
    let known = Dictionary(symbols.map { ($0.name, $0.maximum) }, uniquingKeysWith: max)
    extents = Dictionary(
      uniqueKeysWithValues: known.map { name, maximum in
        (name, ["batch", "images"].contains(name) ? 1 : min(128, maximum))
      })
    let parts = extents.sorted { $0.key < $1.key }.map { "\(line($0.key)) \($0.value)" }
    text = parts.isEmpty ? "" : " at " + parts.joined(separator: ", ")
  }
}

/// What is inspected.
private final class Subject {
  let name: String
  let program: Program
  let target: Target
  let precision: Precision
  let cacheType: CacheType
  let schedules: Schedules
  let description: ModelDescription?
  let library: LibraryFile?
  private var known: Compiler.Lowered?

  init(_ path: String, _ options: Inspect) throws {
    let target = try options.target.map { try Target($0) }
    if !isDirectory(path) { options.limits.warn(of: path) }
    if isDirectory(path) {
      let spec = try options.limits.spec(of: path)
      (program, description, library) = (spec.program, spec.description, nil)
      self.target = target ?? .native
    } else if try RegularFile(path: path).begins(with: [0x7F, 0x45, 0x4C, 0x46]) {
      let file = try LibraryFile(path, machine: nil)
      let description = try ModelDescription(library: file)
      guard let text = description.program else {
        throw Failure.input("\(line(path)): expected the program that it was compiled from")
      }
      program = try Program(text: text)
      (self.description, library) = (description, file)
      self.target = target ?? file.target
    } else {
      (program, description, library) = (try Program(file: path), nil, nil)
      self.target = target ?? .native
    }
    precision = try options.dtype.map(BurinCLI.precision(named:)) ?? description?.precision ?? .f32
    cacheType =
      try options.cacheDtype.map(BurinCLI.cacheType(named:)) ?? description?.cacheType ?? .f32
    // They were measured for the library's own target.
    schedules = options.target == nil ? description?.schedules ?? Schedules() : Schedules()
    name = description?.name ?? program.name
  }

  /// The program through all passes, and its C.
  func lowered() throws -> Compiler.Lowered {
    if let known { return known }
    let options = Compiler.Options(
      target: target, precision: precision, cacheType: cacheType, schedules: schedules)
    let lowered = try Compiler(options: options).lower(program)
    known = lowered
    return lowered
  }
}

extension RegularFile {
  /// Whether the file begins with these bytes.
  fileprivate func begins(with bytes: [UInt8]) throws -> Bool {
    guard size >= bytes.count else { return false }
    var first = [UInt8](repeating: 0, count: bytes.count)
    try first.withUnsafeMutableBytes { buffer in try read(at: 0, into: buffer) }
    return first == bytes
  }
}
