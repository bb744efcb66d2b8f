import BurinIR
import BurinPasses
import Testing

@testable import BurinCLI

@Suite struct FailureTests {
  @Test("a pass that breaks a program is our own fault: its name, and the program before and after")
  func brokenPass() throws {
    let program = try Program(
      text: """
        program "small"
        entry "forward" {
          %0 = input("x") : f32[4]
          %1 = exp(%0) : f32[4]
          output "y" = %1
        }
        """)
    let broken = Pass("repeat-entries") { program in
      var program = program
      program.entries += program.entries
      return program
    }
    let error = #expect(throws: PassFailure.self) { try Pipeline([broken])(program) }
    let thrown = try #require(error)
    let failure = try #require(Failure(thrown))
    #expect(failure.status == 70)
    let lines = failure.message.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines[0].hasPrefix("the pass repeat-entries broke the program: "))
    #expect(failure.message.contains("before repeat-entries:\n\nprogram \"small\""))
    #expect(failure.message.contains("after repeat-entries:\n\nprogram \"small\""))
    #expect(lines.count { $0.hasPrefix("entry \"forward\"") } == 3)
  }
}
