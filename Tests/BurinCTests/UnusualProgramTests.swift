import BurinIR
import BurinPasses
import Testing

@testable import BurinC

/// What a `.burin` file may ask of the code generator, and what it must not get.
@Suite("The C of unusual programs") struct UnusualProgramTests {
  /// The C of one entry, or why there is none.
  private func emitted(
    _ nodes: String, results: String = "output \"y\" = %3", entry: String = "e"
  ) throws -> String {
    let program = try Program(
      text: """
        program "p"
        symbol n <= 8
        symbol w <= 64
        entry "\(entry)" {
        \(nodes)
        \(results)
        }
        """)
    let lowered = try Pipeline.standard(Pipeline.Options())(program)
    let banner = Banner(passes: [], build: "clang", target: "x86-64-v3")
    do { return try ModuleWriter.write(lowered, banner: banner).source } catch let error as IRError
    {
      return error.description
    }
  }

  private let cache = """
    %0 = state("lengths") : i32[n]
    %1 = state("cache") : f32[n, w, 2, 4]
    %2 = input("values") : f32[n, n, 2, 4]
    %4 = append(%1, values: %2, start: %0, counts: %0)
    """

  @Test func onlyAttentionReadsCaches() throws {
    let reduced = try emitted(cache + "\n%3 = reduce(sum, %4, axes: [1])")
    #expect(reduced == "reduce: only attention reads a cache")
    let given = try emitted(cache + "\n%3 = transpose(%4, permutation: [1, 0, 2, 3])")
    #expect(given == "transpose: only attention reads a cache")
    let other = try emitted(cache, results: "output \"y\" = %4")
    #expect(other.contains("only attention reads a cache"))
  }

  @Test func cachesHoldOneThing() throws {
    let both = try emitted(
      cache + "\n%3 = attention(query: %2, key: %4, value: %4, scale: 1)")
    #expect(both == "attention: a cache holds keys for one reader and values for another")
    let reaches = try emitted(
      cache + """

        %5 = state("values") : f32[n, w, 2, 4]
        %6 = append(%5, values: %2, start: %0, counts: %0)
        %7 = state("keys") : f32[n, w, 2, 4]
        %8 = append(%7, values: %2, start: %0, counts: %0)
        %9 = attention(query: %2, key: %4, value: %6, scale: 1, masks: [window(3, start: %0)])
        %10 = attention(query: %2, key: %8, value: %6, scale: 1)
        %3 = add(%9, %10)
        """)
    #expect(reaches == "attention: readers of its keys look back farther than those of its values")
  }

  /// The library counts positions by symbols, and reserves as many for all caches.
  @Test func appendsAreCounted() throws {
    let one = try emitted(
      """
      %0 = state("lengths") : i32[n]
      %1 = state("cache") : f32[n, w, 2, 4]
      %2 = input("values") : f32[n, 1, 2, 4]
      %4 = append(%1, values: %2, start: %0, counts: %0)
      %3 = attention(query: %2, key: %4, value: %4, scale: 1)
      """)
    #expect(one == "%3 appends 1 positions, expected one symbol for all caches")
    let fixed = try emitted(
      """
      %0 = state("lengths") : i32[2]
      %1 = state("cache") : f32[2, 64, 2, 4]
      %2 = input("values") : f32[2, n, 2, 4]
      %4 = append(%1, values: %2, start: %0, counts: %0)
      %3 = attention(query: %2, key: %4, value: %4, scale: 1)
      """)
    #expect(fixed.contains("its first two extents are no symbols"))
  }

  /// States that take each other's values, or their own ones moved.
  @Test func successorsAreSimultaneous() throws {
    let nodes = """
      %0 = state("a") : f32[n, 8]
      %1 = state("b") : f32[n, 8]
      %3 = add(%0, %1)
      """
    let source = try emitted(
      nodes, results: "output \"y\" = %3\nsuccessor \"a\" = %1\nsuccessor \"b\" = %0")
    let copies = source.split(separator: "\n").filter { $0.contains("copy") && $0.contains("(n") }
    // The old values are put aside, then both are written.
    #expect(copies.count == 4 || source.components(of: "copied") >= 2, "\(source)")
  }

  /// Literals are those of their type, whatever the text says.
  @Test func literals() throws {
    #expect(ElementType.i64.literal(1e300) == .integer(Int(9_223_372_036_854_774_784)))
    #expect(ElementType.i32.literal(.nan) == 0)
    #expect(ElementType.bool.literal(0.5) == 1)
    #expect(ElementType.u8.literal(300) == 255)
    #expect(ElementType.bf16.literal(1) == .integer(0x3f80))
  }

  /// Rows that no thread's stack has room for, and counts that arithmetic would overflow on.
  @Test func rowsAreBounded() throws {
    func attention(heads: Int, width: Int, valueWidth: Int) throws -> String {
      try emitted(
        """
        %0 = input("q") : f32[1, 1, \(heads), \(width)]
        %1 = input("k") : f32[1, 1, \(heads), \(width)]
        %2 = input("v") : f32[1, 1, \(heads), \(valueWidth)]
        %3 = attention(query: %0, key: %1, value: %2, scale: 1)
        """)
    }
    #expect(
      try attention(heads: 1, width: 1 << 20, valueWidth: 1)
        == "attention: heads of 1048576 and 1 values are too wide for a thread's stack")
    let immense: Int = 1 << 56
    for (heads, width, valueWidth) in [(immense, 1, 1), (1, immense, 1), (1, 1, immense)] {
      let text = try attention(heads: heads, width: width, valueWidth: valueWidth)
      #expect(
        text == "attention: \(immense) heads or values of a head, expected at most 16777216")
    }
    let rotary = try emitted(
      """
      %0 = input("x") : f32[1, 1, 1, 262144]
      %1 = input("positions") : i32[1, 1]
      %2 = input("frequencies") : f32[131072]
      %3 = rotary(%0, positions: %1, frequencies: %2)
      """)
    #expect(rotary == "rotary: 131072 frequencies, expected at most 65536")
  }

  /// Weights that nobody writes are refused before any are.
  @Test(
    "weights in layouts that are not written",
    arguments: [
      "%2 = cast(%1, to: w8)\n%4 = pack(%2, width: 32)",
      "%2 = cast(%1, to: w4)\n%5 = transpose(%2, permutation: [1, 0])\n%4 = pack(%5, width: 16)",
    ])
  func weightsOfBlocks(nodes: String) throws {
    let text = try emitted(
      """
      %0 = input("x") : f32[n, 64]
      %1 = weight("w") : f32[64, 64]
      \(nodes)
      %6 = cast(%0, to: r8)
      %3 = linear(%6, weight: %4, columns: 64)
      """)
    #expect(
      text.hasPrefix("the weight ")
        && text.contains("is not written: expected f32, f16, bf16, integers, or blocks of rows"))
  }

  /// Expressions over weights are followed without recursion.
  @Test func deepWeights() throws {
    var graph = Graph()
    var id = try graph.append(.weight(name: "w", type: TensorType(.f32, [4])))
    for number in 0..<100_000 {
      id = try graph.append(.unary(number % 2 == 0 ? .tanh : .exp, id))
    }
    var layout = WeightLayout()
    #expect(try layout.add(id, of: graph, role: "w") == 0)
    #expect(layout.graph.nodes.count == 100_001 && layout.bytes == 64)
  }

  /// Names that differ where they are cut, and names that the C has use for itself.
  @Test func names() throws {
    let long = String(repeating: "long_", count: 20)
    let source = try emitted(
      "%0 = input(\"int64_t\") : f32[w, 4]\n%3 = tanh(%0)", entry: long)
    #expect(source.contains("_inputs[]") && source.contains("_outputs[]"))
    #expect(!source.contains("*int64_t = ") && !source.contains(" w = call->symbols"))
    let epilogues = "scale: 2, scale: 3, scale: 4, scale: 5, scale: 6, scale: 7, scale: 8"
    let two = try emitted(
      """
      %0 = input("x") : f32[n, 4]
      %1 = weight("w") : f32[4, 4]
      %2 = linear(%0, weight: %1, \(epilogues), tanh, columns: 4)
      %3 = linear(%2, weight: %1, \(epilogues), gelu, columns: 4)
      """)
    #expect(two.contains("vector_tanh") && two.contains("vector_gelu"))
  }

  @Test func portsHaveAsManyAxesAsTheInterface() throws {
    let source = try emitted("%3 = input(\"x\") : f32[1, 1, 1, 1, 1, 1, 1, 1, n]")
    #expect(source.contains("inputs and outputs have at most 8 axes"))
  }

  /// What nothing reads still says how large the call is.
  @Test func unusedInputsArePorts() throws {
    let source = try emitted(
      "%0 = input(\"unused\") : f32[n]\n%3 = iota(axis: 0) : i32[n]")
    #expect(source.contains("\"unused\""))
  }

  /// An append rounds what goes into its pages, and so takes the place of a cast that does; not of one
  /// that widens what was rounded elsewhere.
  @Test func appendsRoundButDoNotWiden() throws {
    func kernels(_ element: String, _ values: String) throws -> [String] {
      let source = try emitted(
        """
        %0 = state("lengths") : i32[n]
        %1 = state("keys") : \(element)[n, w, 2, 4]
        %2 = state("values") : \(element)[n, w, 2, 4]
        %4 = input("x") : f32[n, n, 2, 4]
        %5 = cast(%4, to: bf16)
        %6 = cast(%5, to: f32)
        %7 = append(%1, values: \(values), start: %0, counts: %0)
        %8 = append(%2, values: \(values), start: %0, counts: %0)
        %3 = attention(query: %4, key: %7, value: %8, scale: 1)
        """)
      let run = source.split(separator: "#pragma omp parallel\n").last ?? ""
      return run.split(separator: "\n").compactMap { line in
        let call = line.drop { $0 == " " }
        return call.hasPrefix("cast") || call.hasPrefix("append")
          ? call.split(separator: "(").first.map(String.init) : nil
      }
    }
    let appends = ["append_keys_2x4", "append_values_2x4"]
    #expect(try kernels("f32", "%6") == ["cast_to_bf16_f32", "cast_to_f32_bf16"] + appends)
    #expect(try kernels("bf16", "%5").allSatisfy { $0.hasPrefix("append") })
    #expect(try kernels("f32", "%4") == appends)
  }

  /// A counted matrix can be packed: it follows from nothing but its type.
  @Test func countedWeights() throws {
    let source = try emitted(
      """
      %0 = input("x") : f32[n, 8]
      %1 = iota(axis: 0) : f32[8, 8]
      %2 = iota(axis: 1) : f32[8, 8]
      %4 = less_or_equal(%1, %2)
      %5 = cast(%4, to: f32)
      %3 = matmul(%0, %5)
      """)
    #expect(source.contains("linear_8x8"))
  }
}

extension String {
  fileprivate func components(of part: String) -> Int {
    var count = 0
    var rest = self[...]
    while let place = rest.firstRange(of: part) {
      count += 1
      rest = rest[place.upperBound...]
    }
    return count
  }
}
