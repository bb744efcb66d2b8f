import Burin
import Glibc
import Testing

/// Bad inputs 75 and 76: sessions that threads share, and many of them, on a model with a cache.
@Suite struct SessionTests {
  private func step(_ session: Session, _ ids: [Int64]) throws -> [Float] {
    let input = HostTensor(ids, shape: [1, ids.count])
    return try #require(try session.run("step", ["input_ids": input])["logits"]).floats
  }

  @Test("75: threads in one session take turns")
  func sharing() async throws {
    let model = try Fixture(name: "gpt2-lm").library()
    let session = try Session(model, threads: 2)
    let ids = HostTensor([5, 9, 2, 7] as [Int64], shape: [1, 4])
    let expected = try Session(model).run("forward", ["input_ids": ids])["logits"]?.floats
    try await withThrowingTaskGroup(of: Int.self) { group in
      for task in 0..<4 {
        group.addTask {
          for _ in 0..<25 where task > 0 {
            let logits = try session.run("forward", ["input_ids": ids])["logits"]?.floats
            #expect(logits == expected)
          }
          // One of them appends to the sequence meanwhile.
          for id in 0..<Int64(task > 0 ? 0 : 50) { _ = try self.step(session, [id]) }
          return task
        }
      }
      for try await _ in group {}
    }
    #expect(try session.length(of: 0) == 50)
    let fresh = try Session(model)
    _ = try step(fresh, (0..<50).map { $0 })
    #expect(try step(session, [7]) == step(fresh, [7]))
  }

  @Test("76: sessions made and freed 10,000 times take no more memory")
  func growth() throws {
    let model = try Fixture(name: "gpt2-lm").library()
    /// Kilobytes of address space, and of it those in memory.
    func memory() throws -> (space: Int, resident: Int) {
      let file = try #require(fopen("/proc/self/statm", "r"))
      defer { fclose(file) }
      var pages = [0, 0]
      for index in pages.indices {
        withUnsafeMutablePointer(to: &pages[index]) { pointer in
          _ = withVaList([pointer]) { vfscanf(file, "%ld", $0) }
        }
      }
      return (pages[0] * 4, pages[1] * 4)
    }
    func make(_ count: Int) throws { for _ in 0..<count { _ = try Session(model, threads: 1) } }
    try make(100)
    let before = try memory()
    try make(10_000)
    let after = try memory()
    // Other tests run in this process meanwhile. A session that stayed would cost 60 MiB of space,
    // and its tables some kilobytes.
    #expect(after.space - before.space < 4 << 20)
    #expect(after.resident - before.resident < 64 << 10)
  }
}
