import BurinC
import BurinIR
import Testing

@testable import Burin

/// What attention needs besides what it reads and writes.
@Suite struct AttentionMemoryTests {
  /// The scores of 12 heads of 8,192 positions would take 3.2 GB.
  @Test(
    "holds keys and values, and no scores", arguments: [ElementType.f32, .bf16],
    ["", ", masks: [causal]"])
  func scratch(element: ElementType, masks: String) throws {
    let isRounded = element == .bf16
    let casts = (0..<3).map { "%\($0 + 3) = cast(%\($0), to: bf16)" }
    let (query, key, value) = isRounded ? ("%3", "%4", "%5") : ("%0", "%1", "%2")
    let program = try Program(
      text: """
        program "attention"
        symbol seq <= 131072
        entry "forward" {
        %0 = input("query") : f32[1, seq, 12, 64]
        %1 = input("key") : f32[1, seq, 12, 64]
        %2 = input("value") : f32[1, seq, 12, 64]
        \(isRounded ? casts.joined(separator: "\n") : "")
        %6 = attention(query: \(query), key: \(key), value: \(value), scale: 0.125\(masks))
        output "attended" = %6
        }
        """)
    let lowered = try Compiler().lower(program)
    let report = try #require(lowered.module.memory.first)
    let extents = ["seq": 8192]
    let slots = report.slots.filter { slot in
      slot.tensors.contains { $0.hasPrefix("scratch ") }
    }
    let bytes = slots.reduce(0) { $0 + $1.bytes(extents) }
    #expect(bytes > 0 && bytes < 40_000_000, "\(bytes)")
    // Beside it in the arena is only what was rounded.
    let rounded = isRounded ? 3 * 8192 * 12 * 64 * 2 : 0
    #expect(report.bytes(extents) <= bytes + rounded)
  }
}
