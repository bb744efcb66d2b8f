import BurinIR
import Glibc
import Testing

@testable import BurinC

/// One kernel on operands in given places, to be compared with the interpreter.
struct KernelCase {
  let op: Op<Place>
  let kernel: Kernel
  /// Values for one operand; random ones by default.
  var values: @Sendable (_ operand: Int, _ count: Int) -> [Double]? = { _, _ in nil }
  /// How far a result may be from the exact one, for an exact value.
  var tolerance: @Sendable (Double) -> Double = { 4e-7 * max(1, abs($0)) }

  static let batch = Dim(Symbol("batch", maximum: 64))
  static let seq = Dim(Symbol("seq", maximum: 64))

  /// The extents for which every case runs.
  static let extents = [
    ["batch": 1, "seq": 1], ["batch": 2, "seq": 5], ["batch": 3, "seq": 17],
    ["batch": 1, "seq": 32],
  ]

  /// - Parameter name: what the kernel is called, where its own name may be another's too.
  init(_ op: Op<Place>, name: String? = nil) throws {
    self.op = op
    kernel = try BurinC.kernel(
      for: op, results: KernelCase.resultTypes(op).map(Place.init(dense:)), name: name)
  }

  /// What the type rule says.
  static func resultTypes(_ op: Op<Place>) throws -> [TensorType] {
    var graph = Graph()
    var number = 0
    let ids = try op.map { place in
      number += 1
      return try graph.append(.input(name: "\(number)", type: place.type, fallback: nil))
    }
    let id = try graph.append(ids)
    return switch graph[id].type {
    case .tensor(let type): [type]
    case .tuple(let types): types
    }
  }
}

extension Place {
  /// An operand whose axes were permuted: axis `i` is axis `permutation[i]` of a dense tensor.
  static func transposed(_ type: TensorType, _ permutation: [Int]) -> Place {
    let dense = Place(dense: type)
    return Place(
      TensorType(type.element, permutation.map { type.shape[$0] }),
      strides: permutation.map { dense.strides[$0] })
  }

  /// An operand that is a slice of wider rows.
  static func sliced(_ type: TensorType, from width: Dim) -> Place {
    Place(
      type, strides: Place(dense: TensorType(type.element, type.shape.dropLast() + [width])).strides
    )
  }

  /// An operand that is repeated along some axes.
  static func broadcast(_ type: TensorType, along axes: [Int]) -> Place {
    var shape = type.shape
    for axis in axes { shape[axis] = 1 }
    var strides = Place(dense: TensorType(type.element, shape)).strides
    for axis in axes { strides[axis] = 0 }
    return Place(type, strides: strides)
  }
}

/// Several kernels compiled into one library.
struct KernelLibrary {
  private let handle: UnsafeMutableRawPointer
  private let cases: [KernelCase]
  /// The C, for the reader of a failure.
  let source: String

  init(_ cases: [KernelCase], flags: [String] = ["-mavx2", "-mfma"]) throws {
    self.cases = cases
    var names = CNames()
    var items: [CItem] = [
      .include(CRawLine("vectors.h"), isSystem: false),
      .include(CRawLine("vector_math.h"), isSystem: false),
      .include(CRawLine("tile.h"), isSystem: false),
      .include(CRawLine("attention_bf16.h"), isSystem: false),
      .include(CRawLine("tile_bf16.h"), isSystem: false),
      .include(CRawLine("tile_f16.h"), isSystem: false),
      .include(CRawLine("experts.h"), isSystem: false),
      // Some headers' functions are not used by every set of kernels.
      .pragma("clang diagnostic ignored \"-Wunused-function\""),
    ]
    for (number, item) in cases.enumerated() {
      var function = item.kernel.function
      function.name = names.make(function.name)
      items += item.kernel.helpers.map { .function($0) }
      items.append(.function(function))
      let pointers = item.kernel.arguments.enumerated().map { index, argument in
        switch argument {
        case .size: ("sizes" as CExpression)[.integer(index)]
        case .operand(let operand): ("operands" as CExpression)[.integer(operand)]
        case .result(let result): ("results" as CExpression)[.integer(result)]
        case .workspace: "workspace" as CExpression
        default: preconditionFailure("paged states are tested with attention")
        }
      }
      items.append(
        .function(
          CFunction(
            storage: .none, attributes: ["unused"],
            CIdentifier("case", sizes: [number]),
            [
              CParameter(.int, "threads"), CParameter(CType.int64.const.pointer, "sizes"),
              CParameter(CType.void.pointer.const.pointer, "operands"),
              CParameter(CType.void.pointer.const.pointer, "results"),
              CParameter(CType.char.pointer, "workspace"),
            ]
          ) {
            CStatement.raw(CRawLine("(void)sizes, (void)operands, (void)workspace;"))
            Pragma("omp parallel num_threads(threads)")
            CExpression.call(.name(function.name), pointers)
          }))
    }
    let text = CPrinter.print(CFile(items: items))
    source = text
    let loaded = try Folder.temporary { folder in
      try Clang.write(text, to: folder + "/kernels.c")
      let built = try Clang.run(
        [
          Clang.path ?? "clang", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC",
          "-shared", "-fopenmp", "-fno-math-errno", "-fsanitize=undefined",
          "-fsanitize-trap=undefined", "-I", KernelLibrary.headers, "-o", folder + "/kernels.so",
          folder + "/kernels.c", "-lm",
        ] + flags)
      guard built.status == 0 else { throw Clang.Failure(text: built.output + "\n" + text) }
      return dlopen(folder + "/kernels.so", RTLD_NOW | RTLD_LOCAL)
    }
    guard let loaded else { throw Clang.Failure(text: String(cString: dlerror())) }
    handle = loaded
  }

  /// The folder of the runtime's headers.
  static let headers: String = {
    let parts = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3)
    return parts.joined(separator: "/") + "/Runtime/kernels"
  }()

  /// Runs every case for every set of extents on one thread and on two, and compares.
  func check(
    _ extents: [[String: Int]] = KernelCase.extents,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    var random = Splitmix(state: 7)
    for (number, item) in cases.enumerated() {
      for extents in extents {
        let inputs = try item.inputs(extents, using: &random)
        let expected = try interpret(inputs.op, extents: extents)
        let single = try run(number, inputs.memory, expected, extents, threads: 1)
        let double = try run(number, inputs.memory, expected, extents, threads: 2)
        let name = "\(item.kernel.function.name) at \(extents)"
        for (part, want) in expected.enumerated() {
          #expect(
            zip(single[part], double[part]).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN },
            "\(name): two threads differ", sourceLocation: sourceLocation)
          let wrong = zip(single[part], want.values).enumerated().first { _, pair in
            let (got, want) = pair
            if got == want || got.isNaN && want.isNaN { return false }
            return !(abs(got - want) <= item.tolerance(want))
          }
          if let (place, (got, want)) = wrong {
            Issue.record(
              "\(name): element \(place) of result \(part) is \(got), expected \(want)",
              sourceLocation: sourceLocation)
          }
        }
      }
    }
  }

  private func run(
    _ number: Int, _ operands: [Memory], _ expected: [NumericArray], _ extents: [String: Int],
    threads: Int32
  ) throws -> [[Double]] {
    typealias Function =
      @convention(c) (
        Int32, UnsafePointer<Int64>, UnsafePointer<UnsafeMutableRawPointer?>,
        UnsafePointer<UnsafeMutableRawPointer?>, UnsafeMutableRawPointer?
      ) -> Void
    let kernel = cases[number].kernel
    let symbol = try #require(dlsym(handle, "case_\(number)"))
    let function = unsafeBitCast(symbol, to: Function.self)
    let sizes: [Int64] = try kernel.arguments.map { argument in
      if case .size(let dim) = argument { Int64(try #require(dim.evaluate(extents))) } else { 0 }
    }
    let results = expected.map { Memory($0.element, count: $0.count) }
    let workspace = Memory(.u8, count: try #require(kernel.workspace.evaluate(extents)))
    function(
      threads, sizes, operands.map(\.address) + [nil], results.map(\.address) + [nil],
      workspace.address)
    return zip(results, expected).map { memory, want in
      (0..<want.count).map { memory[$0] }
    }
  }
}

extension KernelCase {
  /// Random operands: as the interpreter takes them, and in memory as the places say.
  func inputs(
    _ extents: [String: Int], using random: inout Splitmix
  ) throws -> (op: Op<NumericArray>, memory: [Memory]) {
    var memory: [Memory] = []
    let op = try op.map { place in
      let shape = try place.shape.map { try #require($0.evaluate(extents)) }
      let strides = try place.strides.map { try #require($0.evaluate(extents)) }
      let count = shape.reduce(1, *)
      let element = place.type.element
      // Broadcast axes hold the same values.
      let span = zip(shape, strides).reduce(1) { $0 + ($1.0 - 1) * $1.1 }
      let given = values(memory.count, span)
      let all = (0..<span).map { index -> Double in
        if let given { return given[index] }
        switch element {
        case .f32: return Double(Float.random(in: -3...3, using: &random))
        case .bf16, .f16:
          return element.rounded(Double(Float.random(in: -3...3, using: &random)))
        case .bool: return Double(Int.random(in: 0...1, using: &random))
        default: return Double(Int.random(in: 0..<6, using: &random))
        }
      }
      let area = Memory(element, count: span)
      for (index, value) in all.enumerated() { area[index] = value }
      memory.append(area)
      var dense: [Double] = []
      for flat in 0..<count {
        var rest = flat
        var offset = 0
        for axis in shape.indices.reversed() {
          offset += rest % shape[axis] * strides[axis]
          rest /= shape[axis]
        }
        dense.append(all[offset])
      }
      return NumericArray(element, shape, dense)
    }
    return (op, memory)
  }
}

/// Elements that end where the memory ends, so that a kernel which goes beyond them stops.
final class Memory {
  private let base: UnsafeMutableRawPointer
  private let size: Int
  private let element: ElementType
  let address: UnsafeMutableRawPointer?

  init(_ element: ElementType, count: Int) {
    let page = 4096
    self.element = element
    let bytes = count * element.bytes
    size = (bytes + page - 1) / page * page + page
    guard
      let mapped = mmap(
        nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
      mapped != MAP_FAILED, mprotect(mapped + (size - page), page, PROT_NONE) == 0
    else { preconditionFailure("no memory") }
    base = mapped
    address = mapped + (size - page - bytes)
    memset(mapped, 0x7f, size - page)
  }

  deinit { munmap(base, size) }

  subscript(index: Int) -> Double {
    get {
      guard let address else { return .nan }
      let at = address + index * element.bytes
      return switch element {
      case .f32: Double(at.loadUnaligned(as: Float.self))
      case .bf16:
        Double(Float(bitPattern: UInt32(at.loadUnaligned(as: UInt16.self)) << 16))
      case .f16: Double(Float16(bitPattern: at.loadUnaligned(as: UInt16.self)))
      case .i32: Double(at.loadUnaligned(as: Int32.self))
      case .i64: Double(at.loadUnaligned(as: Int64.self))
      case .i8: Double(at.loadUnaligned(as: Int8.self))
      default: Double(at.loadUnaligned(as: UInt8.self))
      }
    }
    set {
      guard let address else { return }
      let at = address + index * element.bytes
      switch element {
      case .f32: at.storeBytes(of: Float(newValue), as: Float.self)
      // The value is one of a bf16, so nothing is rounded off.
      case .bf16:
        at.storeBytes(of: UInt16(Float(newValue).bitPattern >> 16), as: UInt16.self)
      case .f16: at.storeBytes(of: Float16(newValue).bitPattern, as: UInt16.self)
      case .i32: at.storeBytes(of: Int32(newValue), as: Int32.self)
      case .i64: at.storeBytes(of: Int64(newValue), as: Int64.self)
      case .i8: at.storeBytes(of: Int8(newValue), as: Int8.self)
      default: at.storeBytes(of: UInt8(newValue), as: UInt8.self)
      }
    }
  }
}
