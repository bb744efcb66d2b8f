import BurinIR
import Glibc

@testable import BurinC

/// Kernels compiled for this machine's own instructions, to be called one by one.
struct KernelProgram {
  private let handle: UnsafeMutableRawPointer
  private let kernels: [Kernel]

  /// The memory of a paged state.
  struct Paging {
    var pool: UnsafeMutableRawPointer?
    var table: [Int32] = []
    var stride = 0
  }

  init(_ kernels: [Kernel], flags: [String] = ["-march=native", "-fopenmp"]) throws {
    self.kernels = kernels
    var items: [CItem] = [
      .include(CRawLine("attention.h"), isSystem: false),
      .pragma("clang diagnostic ignored \"-Wunused-function\""),
    ]
    for (number, kernel) in kernels.enumerated() {
      items += (kernel.helpers + [kernel.function]).map { .function($0) }
      let arguments: [CExpression] = kernel.arguments.enumerated().map { index, argument in
        switch argument {
        case .size: ("sizes" as CExpression)[.integer(index)]
        case .operand(let operand): ("operands" as CExpression)[.integer(operand)]
        case .result: "result"
        case .workspace: "workspace"
        case .pool: "pool"
        case .table: "table"
        case .tableStride: "stride"
        }
      }
      items.append(
        .function(
          CFunction(
            storage: .none, CIdentifier("call", sizes: [number]),
            [
              CParameter(.int, "threads"), CParameter(CType.int64.const.pointer, "sizes"),
              CParameter(CType.void.pointer.const.pointer, "operands"),
              CParameter(CType.void.pointer, "result"),
              CParameter(CType.char.pointer, "pool"),
              CParameter(CType.int32.const.pointer, "table"), CParameter(.int64, "stride"),
              CParameter(CType.char.pointer, "workspace"),
            ]
          ) {
            CStatement.raw(
              CRawLine("(void)threads, (void)result, (void)pool, (void)table, (void)stride;"))
            CStatement.raw(CRawLine("(void)sizes, (void)operands, (void)workspace;"))
            Pragma("omp parallel num_threads(threads)")
            CExpression.call(.name(kernel.function.name), arguments)
          }))
    }
    let text = CPrinter.print(CFile(items: items))
    let loaded = try Folder.temporary { folder in
      try Clang.write(text, to: folder + "/kernels.c")
      let built = try Clang.run(
        [
          Clang.path ?? "clang", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC",
          "-shared", "-fno-math-errno",
        ] + flags + [
          "-I", KernelLibrary.headers, "-o", folder + "/kernels.so", folder + "/kernels.c",
        ])
      guard built.status == 0 else { throw Clang.Failure(text: built.output + "\n" + text) }
      return dlopen(folder + "/kernels.so", RTLD_NOW | RTLD_LOCAL)
    }
    guard let loaded else { throw Clang.Failure(text: String(cString: dlerror())) }
    handle = loaded
  }

  /// Runs one kernel.
  func call(
    _ number: Int, threads: Int32, _ extents: [String: Int],
    _ operands: [UnsafeMutableRawPointer?], _ result: UnsafeMutableRawPointer?,
    _ paging: Paging = Paging()
  ) throws {
    typealias Function =
      @convention(c) (
        Int32, UnsafePointer<Int64>, UnsafePointer<UnsafeMutableRawPointer?>,
        UnsafeMutableRawPointer?, UnsafeMutableRawPointer?, UnsafePointer<Int32>, Int64,
        UnsafeMutableRawPointer?
      ) -> Void
    guard let symbol = dlsym(handle, "call_\(number)") else {
      throw Clang.Failure(text: "no kernel")
    }
    let kernel = kernels[number]
    func size(_ dim: Dim) throws -> Int {
      guard let value = dim.evaluate(extents) else { throw Clang.Failure(text: "no \(dim)") }
      return value
    }
    let sizes: [Int64] = try kernel.arguments.map { argument in
      if case .size(let dim) = argument { Int64(try size(dim)) } else { 0 }
    }
    let workspace = Memory(.u8, count: try size(kernel.workspace))
    unsafeBitCast(symbol, to: Function.self)(
      threads, sizes, operands + [nil], result, paging.pool, paging.table + [0],
      Int64(paging.stride), workspace.address)
  }
}
