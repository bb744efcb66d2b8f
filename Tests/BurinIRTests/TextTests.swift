import BurinTestSupport
import Testing

@testable import BurinIR

/// Whether two programs are the same, node by node.
private func same(_ left: Program, _ right: Program) -> Bool {
  left.name == right.name
    && left.entries.elementsEqual(right.entries) { a, b in
      a.name == b.name && a.outputs == b.outputs && a.successors == b.successors
        && a.graph.nodes.elementsEqual(b.graph.nodes) {
          $0.op == $1.op && $0.type == $1.type && $0.scope == $1.scope
        }
    }
}

@Suite("The IR's text")
struct TextTests {
  @Test func everyOperationSurvivesTheRoundTrip() throws {
    let program = try everyOperation()
    let text = program.text
    let again = try Program(text: text)
    #expect(same(program, again))
    #expect(again.text == text)
  }

  @Test func everyOperationIsCovered() throws {
    let used = Set(
      try everyOperation().entries.flatMap { $0.graph.nodes.map(\.op.mnemonic) })
    let known = Op<String>.prototypes("").map(\.mnemonic)
    #expect(Set(known).count == known.count)
    #expect(used == Set(known))
  }

  @Test func programsReadWell() throws {
    let text = """
      program "tiny"

      symbol batch <= 32
      symbol seq <= 512

      entry "forward" {
        %0 = input("input_ids") : i32[batch, seq]

        // embeddings
        %1 = weight("embeddings.word") : f32[100, 32]
        %2 = embedding(%1, indices: %0, rows: 100) : f32[batch, seq, 32]

        // layer 0: feed forward
        %3 = weight("up.weight") : f32[32, 64]
        %4 = weight("up.bias") : f32[64]
        %5 = linear(%2, weight: %3, bias: %4, gelu, columns: 64) tile: rows 128 : f32[batch, seq, 64]
        %6 = reshape(%5) : f32[batch, seq, 2, 32]
        %7 = attention(query: %6, key: %6, value: %6, scale: 0.125, masks: [causal, window(128)]) : f32[batch, seq, 2, 32]
        %8 = slice(%7, axis: 1, start: 0, count: 1) : f32[batch, 1, 2, 32]
        %9 = extent(2*((seq + 1)/2)) : i32[]

        output "last_hidden_state" = %8
        output "length" = %9
      }

      """
    #expect(try Program(text: text).text == text)
  }

  /// People need not number nodes, break lines at a certain place or say types that follow.
  @Test func whatPeopleWriteIsRead() throws {
    let program = try Program(
      text: """
        // A program.
        program "p"
        symbol n <= 4 // a symbol
        entry "forward" {
          %x = input("x") : f32[n]
          %c = constant(1, 2,
            3) : f32[3]
          %y = add(%x, %x) // twice
          // under a heading
          %z = scale(%y, by: 2)

          output "z" = %z
        }
        """)
    #expect(
      program.entries[0].text == """
        entry "forward" {
          %0 = input("x") : f32[n]
          %1 = constant(1, 2, 3) : f32[3]
          %2 = add(%0, %0) : f32[n]

          // under a heading
          %3 = scale(%2, by: 2) : f32[n]

          output "z" = %3
        }

        """)
  }

  /// What belongs to no part of the model is told from a part that is called as the entry.
  @Test(arguments: ["forward", " a \u{7}", "\\", ""])
  func partsAreToldFromNone(entry: String) throws {
    var graph = Graph()
    let scopes = ["", "layer", "", entry, " ", "", " \(entry)"]
    for (index, scope) in scopes.enumerated() {
      let literal = Literal(TensorType(.f32, []), [Double(index)])
      _ = try graph.append(.constant(literal), scope: scope)
    }
    let program = Program("p", entries: [Entry(entry, graph: graph, outputs: [])])
    let again = try Program(text: program.text)
    #expect(again.entries[0].graph.nodes.map(\.scope) == scopes, "\(program.text)")
    if entry == "forward" {
      #expect(
        program.text.split(separator: "\n").filter { $0.contains("//") } == [
          "  // layer", "  // forward", "  // \\u{066}orward", "  // \\u{20}", "  // forward",
          "  // \\u{20}forward",
        ])
    }
  }

  @Test(arguments: [
    0.1, -0.0, 0, 1, 1e16, 123_456_789_012_345_680, 1e-45, .leastNonzeroMagnitude, .infinity,
    -.infinity, .nan,
    -.nan, .signalingNaN, Double(nan: 77, signaling: false), 1.0 / 3, -2.5,
  ])
  func numbersAreExact(value: Double) throws {
    var graph = Graph()
    let id = try graph.append(.constant(Literal(TensorType(.f32, []), [value])))
    let program = Program(
      "p", entries: [Entry("e", graph: graph, outputs: [.init("x", id)])])
    let again = try Program(text: program.text)
    #expect(again.entries[0].graph.nodes[0].op == graph.nodes[0].op, "\(program.text)")
  }

  @Test(arguments: [
    "rows 128", "rows 4096 panels 4", "rows 64 even", "rows 1 panels 65536 even",
    "queries 64",
  ])
  func schedulesAreReadBack(text: String) throws {
    let schedule = try #require(Schedule(text))
    #expect(schedule.description == text)
    let program = try Program(
      text: """
        program "p"
        symbol n <= 4
        entry "e" {
          %x = input("x") : f32[n, 2, 4, 8]
          %w = weight("w") : f32[8, 8]
          %y = linear(%x, weight: %w, columns: 8)
          %z = attention(query: %y, key: %y, value: %y, scale: 1)
          output "z" = %z
        }
        """)
    var graph = Graph()
    for node in program.entries[0].graph.nodes {
      let id = try graph.append(node.op.scheduled(schedule))
      if let kept = graph[id].op.schedule { #expect(kept == schedule) }
    }
    var scheduled = program
    scheduled.entries[0].graph = graph
    #expect(scheduled.text.contains(" tile: \(text) : "))
    let again = try Program(text: scheduled.text)
    #expect(again.entries[0].graph.nodes.map(\.op) == graph.nodes.map(\.op))
  }

  @Test(arguments: [
    "", "rows", "8 rows 4", "8x2 rows 4", "rows 0", "rows 4 panels",
    "rows 4 panels 1", "queries 4 even", "rows 4 odd", "rows  4", "rows 04",
  ])
  func whatIsNoScheduleIsNone(text: String) { #expect(Schedule(text) == nil) }

  @Test func operationsOverAnything() {
    #expect(
      Op<String>.linear(
        "x", weight: "up", columns: 64, epilogues: [.bias("b"), .activation(.gelu)], tile: nil
      ).text == "linear(x, weight: up, bias: b, gelu, columns: 64)")
    #expect(
      Op<String>.mask([.causal(start: nil), .causal(start: "s")], shape: []).text
        == "mask([causal, causal(start: s)])")
  }
}
