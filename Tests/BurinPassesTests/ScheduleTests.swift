import BurinIR
import BurinPasses
import Testing

private let batch = Dim(Symbol("batch", maximum: 4))

@Suite struct ScheduleTests {
  @Test func schedulesFollowTheDepth() throws {
    func tiles(_ depth: Dim) throws -> [LinearTile?] {
      let b = Builder()
      let program = b.program(b.linear(b.input("x", [batch, depth]), 8))
      let after = try Pipeline.standard(Pipeline.Options())(program)
      return after.entries[0].graph.nodes.compactMap { node in
        if case .linear(_, _, _, _, let tile) = node.op { tile } else { nil }
      }
    }
    #expect(try tiles(768) == [LinearTile(rowBlock: 2048)])
    #expect(try tiles(3072) == [LinearTile(rowBlock: 512)])
    #expect(try tiles(100_000) == [LinearTile(rowBlock: 64)])
  }

  @Test func schedulesThatWereChosenAreApplied() throws {
    let b = Builder()
    let x = b.input("x", [batch, 40])
    let program = b.program(b.linear(x, 96), b.linear(x, 8))
    let narrow =
      "linear(f32[batch, 40], weight: f32[1, 40, 32], bias: f32[8], columns: 8) : f32[batch, 8]"
    let tile = LinearTile(rowBlock: 64, panels: 2, isEven: true)
    var options = Pipeline.Options()
    options.disabled = ["fuse-projections"]
    options.schedules = Schedules([
      narrow: .linear(tile), "linear(elsewhere)": .linear(tile),
    ])
    let after = try Pipeline.standard(options)(program)
    let lines = after.text.split(separator: "\n").filter { $0.contains(" tile: ") }
    let spelled = " tile: rows 64 panels 2 even : f32[batch, 8]"
    #expect(lines.count == 2 && lines.count { $0.contains(spelled) } == 1)
    #expect(try Program(text: after.text).text == after.text)
    // One of another kind counts as none.
    options.schedules = Schedules([
      narrow: .attention(AttentionTile(queries: 64))
    ])
    #expect(try !Pipeline.standard(options)(program).text.contains("queries"))
  }

  @Test func candidatesAreDistinctAndBeginWithTheOwnSchedule() throws {
    let n = Dim(Symbol("n", maximum: 512))
    let tile = Schedule.linear(LinearTile(rowBlock: 1024))
    func count(_ rows: Dim, _ columns: Int) -> Int {
      let op = Op<TensorType>.linear(
        TensorType(.f32, [rows, 768]), weight: TensorType(.f32, [1, 768, 32]), columns: columns,
        epilogues: [], tile: nil)
      let candidates = tile.candidates(for: op)
      #expect(candidates[0] == tile && Set(candidates).count == candidates.count)
      return candidates.count
    }
    #expect(count(n, 3072) == 7)
    #expect(count(n, 64) == 5)
    #expect(count(n, 8) == 4)
    #expect(count(1, 3072) == 1)
  }
}
