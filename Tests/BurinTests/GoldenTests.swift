import Burin
import BurinHub
import Glibc
import Testing

/// The IR and the C of a tiny model, as they stand in `Fixtures/golden/`: a change of either is to be seen.
///
/// `RECORD_GOLDEN=1` records them anew, and fails so that nobody records by accident.
@Suite struct GoldenTests {
  private static let folder = String(Fixture.root) + "golden/"

  @Test("the C and the IR of a small BERT are as recorded")
  func bert() throws {
    let spec = try ModelDirectory(Fixture(name: "bert").path).spec()
    let lowered = try Compiler(options: .init(target: Target("x86-64-v3"))).lower(spec.program)
    try compare(lowered.module.source, with: "bert.c")
    try compare(lowered.program.text, with: "bert.burin")
    try compare(lowered.module.header(stem: "bert"), with: "bert.h")
  }

  @Test("the C and the IR of a small GPT-2 are as recorded")
  func gpt2() throws {
    let spec = try ModelDirectory(Fixture(name: "gpt2-lm").path).spec()
    let lowered = try Compiler(options: .init(target: Target("x86-64-v3"))).lower(spec.program)
    try compare(lowered.module.source, with: "gpt2.c")
    try compare(lowered.program.text, with: "gpt2.burin")
    try compare(lowered.module.header(stem: "gpt2"), with: "gpt2.h")
  }

  @Test("a program gives the same C to the byte every time")
  func deterministic() throws {
    let spec = try ModelDirectory(Fixture(name: "sentence-mean").path).spec()
    let compiler = Compiler(options: .init(target: try Target("x86-64-v3")))
    #expect(
      try compiler.lower(spec.program).module.source == compiler.lower(spec.program).module.source)
  }

  private func compare(_ text: String, with name: String) throws {
    let path = Self.folder + name
    if getenv("RECORD_GOLDEN") != nil {
      let file = try AtomicFile(path: path)
      try Array(text.utf8).withUnsafeBytes { try file.write($0) }
      try file.commit()
      Issue.record("recorded \(name)")
      return
    }
    let recorded = try RegularFile(path: path).contents(limit: 1 << 24)
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    let golden = String(decoding: recorded, as: UTF8.self)
      .split(separator: "\n", omittingEmptySubsequences: false)
    let first = zip(lines, golden).enumerated().first { $1.0 != $1.1 }
    // The macro would show both texts whole.
    let isSame = lines == golden
    #expect(
      isSame,
      "\(name), line \((first?.offset ?? min(lines.count, golden.count)) + 1): \(first?.element.0 ?? "")"
    )
  }
}
