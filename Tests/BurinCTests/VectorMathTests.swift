import Glibc
import Testing

@testable import BurinC

/// The elementary functions of the runtime against double precision, within the bounds that stand
/// beside them.
@Suite(.enabled(if: Clang.isPresent)) struct VectorMathTests {
  /// One function: where it is compared, and how far it may be off.
  struct Function: Sendable, CustomTestStringConvertible {
    let name: String
    let exact: @Sendable (Double) -> Double
    let domain: ClosedRange<Float>
    /// In units in the last place of the exact result.
    var ulps = 0.0
    /// Whether infinite arguments have their limits.
    var isWhole = true
    /// For an argument, absolutely.
    var absolute: @Sendable (Double) -> Double = { _ in 0 }
    var testDescription: String { name }
  }

  static let functions: [Function] = [
    Function(name: "exp2", exact: { exp2($0) }, domain: -126...128, ulps: 1.42),
    Function(
      name: "exp2_coarse", exact: { exp2($0) }, domain: -126...127.9, ulps: 1.1e-4 * 0x1p24,
      isWhole: false),
    Function(name: "exp", exact: { exp($0) }, domain: -86...88.7, ulps: 1.02),
    Function(name: "log", exact: { log($0) }, domain: .leastNonzeroMagnitude...3.4e38, ulps: 1),
    Function(name: "erf", exact: { erf($0) }, domain: -10...10, ulps: 6),
    Function(name: "tanh", exact: { tanh($0) }, domain: -20...20, ulps: 5.3),
    Function(name: "sigmoid", exact: { 1 / (1 + exp(-$0)) }, domain: -80...80, ulps: 3),
    Function(name: "silu", exact: { $0 / (1 + exp(-$0)) }, domain: -80...80, ulps: 3),
    Function(
      name: "gelu", exact: { 0.5 * $0 * erfc(-$0 * 0.5.squareRoot()) }, domain: -20...20,
      absolute: { 2.1e-7 * abs($0) + 1e-44 }),
    Function(
      name: "gelu_tanh",
      exact: { x in
        x / (1 + exp(-2 * (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
      }, domain: -20...20, absolute: { 2e-7 * abs($0) + 1e-44 }),
    Function(
      name: "gelu_coarse", exact: { 0.5 * $0 * erfc(-$0 * 0.5.squareRoot()) }, domain: -20...20,
      absolute: { 8e-5 * abs($0) }),
    Function(
      name: "gelu_tanh_coarse",
      exact: { x in
        x / (1 + exp(-2 * (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
      }, domain: -20...20, absolute: { 8e-5 * abs($0) }),
    Function(name: "sin", exact: { sin($0) }, domain: -2.6e8...2.6e8, absolute: { _ in 1e-7 }),
    Function(name: "cos", exact: { cos($0) }, domain: -2.6e8...2.6e8, absolute: { _ in 1e-7 }),
    Function(name: "sqrt", exact: { $0.squareRoot() }, domain: 0...3.4e38, ulps: 0.5),
    Function(
      name: "rsqrt", exact: { 1 / $0.squareRoot() }, domain: .leastNonzeroMagnitude...3.4e38,
      ulps: 2),
  ]

  /// A float below the normal ones.
  static let tiny = Float.leastNormalMagnitude / 100

  /// Floats of every size and both signs.
  static let samples: [Float] = (0..<(1 << 18)).map {
    Float(bitPattern: UInt32($0) &* 16381)
  }

  @Test(arguments: functions) func staysWithinItsBound(_ function: Function) throws {
    let values = try MathLibrary.shared.get().apply(function.name, Self.samples)
    var failures: [String] = []
    for (x, value) in zip(Self.samples, values) where function.domain.contains(x) {
      let exact = function.exact(Double(x))
      let size = max(Float(abs(exact)), .leastNormalMagnitude)
      if size.isInfinite, value == Float(exact) { continue }
      let bound = function.ulps * Double(size.ulp) + function.absolute(Double(x))
      if !(abs(Double(value) - exact) <= bound) {
        failures.append("\(function.name)(\(x)) is \(value), not \(exact)")
      }
    }
    let first = failures.first ?? ""
    #expect(failures.isEmpty, "\(failures.count) failures: \(first)")
  }

  @Test(arguments: functions) func passesOnWhatIsNoNumber(_ function: Function) throws {
    let special: [Float] = [.nan, -.nan, .infinity, -.infinity, 0, -0.0, Self.tiny, -Self.tiny]
    let payload = Float(bitPattern: 0x7fc0_0123)
    let values = try MathLibrary.shared.get().apply(
      function.name, special + [payload] + Array(repeating: Float.signalingNaN, count: 7))
    #expect(values[0].isNaN && values[1].isNaN && values[8...].allSatisfy(\.isNaN))
    // The limits at infinity, and the sides of zero, as the exact function has them.
    for index in 2..<6 where function.isWhole || special[index].isFinite {
      let exact = function.exact(Double(special[index]))
      // x / (1 + e^-x) at minus infinity is no number, but its limit is 0.
      let isLimit = exact.isNaN && values[index] == 0 && special[index] == -.infinity
      let isSame = exact.isNaN ? values[index].isNaN : values[index] == Float(exact)
      #expect(isSame || isLimit, "\(function.name)(\(special[index])) is \(values[index])")
    }
  }

  @Test func powersAreThoseOfC() throws {
    let library = try MathLibrary.shared.get()
    let special: [Float] = [
      0, -0.0, .infinity, -.infinity, .nan, 1, -1, 2, -2, 3, -3, 0.5, -0.5, Self.tiny, 1e30, -1e30,
    ]
    for x in special {
      let values = try library.apply(
        "power", Array(repeating: x, count: special.count), special)
      for (y, value) in zip(special, values) {
        let exact = powf(x, y)
        let isTiny = abs(exact) < .leastNormalMagnitude
        let isSame =
          exact.isNaN
          ? value.isNaN
          : isTiny
            ? value == 0 && value.sign == exact.sign
            : value == exact || abs(value - exact) <= 2 * exact.ulp
        #expect(isSame, "power(\(x), \(y)) is \(value), not \(exact)")
      }
    }
    var random = Splitmix(state: 11)
    let x = (0..<65536).map { _ in Float.random(in: 1e-4...1e4, using: &random) }
    let y = (0..<65536).map { _ in Float.random(in: -8...8, using: &random) }
    let values = try library.apply("power", x, y)
    let worst = zip(values, zip(x, y)).map { value, pair -> Double in
      let exact = pow(Double(pair.0), Double(pair.1))
      return abs(Double(value) - exact) / Double(Float(exact).ulp)
    }.max()
    #expect(try #require(worst) <= 2)
  }
}

/// The functions compiled for this machine's own instructions.
struct MathLibrary: @unchecked Sendable {
  static let shared = Result { try MathLibrary() }

  private typealias Function =
    @convention(c) (Int32, UnsafePointer<Float>, UnsafePointer<Float>, UnsafeMutablePointer<Float>)
    -> Void
  private let function: Function

  private init() throws {
    let calls = VectorMathTests.functions.enumerated().map { index, function in
      "    case \(index): result = vector_\(function.name)(vector_load(x)); break;\n"
    }
    let source = """
      #include "vector_math.h"
      void apply(int function, const float *x, const float *y, float *out) {
        f32x16 result = {0};
        switch (function) {
      \(calls.joined())    default: result = vector_power(vector_load(x), vector_load(y));
        }
        vector_store(out, result);
      }
      """
    let loaded = try Folder.temporary { folder in
      try Clang.write(source, to: folder + "/functions.c")
      let built = try Clang.run([
        Clang.path ?? "clang", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC",
        "-shared", "-march=native", "-ffp-contract=on", "-fno-math-errno", "-I",
        KernelLibrary.headers, "-o", folder + "/functions.so", folder + "/functions.c",
      ])
      guard built.status == 0 else { throw Clang.Failure(text: built.output) }
      return dlopen(folder + "/functions.so", RTLD_NOW | RTLD_LOCAL)
    }
    guard let loaded, let symbol = dlsym(loaded, "apply") else {
      throw Clang.Failure(text: String(cString: dlerror()))
    }
    function = unsafeBitCast(symbol, to: Function.self)
  }

  /// The named function, or the power, of arrays whose length is a multiple of 16.
  func apply(_ name: String, _ x: [Float], _ y: [Float]? = nil) throws -> [Float] {
    let names = VectorMathTests.functions.map(\.name)
    let index = Int32(names.firstIndex(of: name) ?? names.count)
    var out: [Float] = []
    out.reserveCapacity(x.count)
    var block = [Float](repeating: 0, count: 16)
    for start in stride(from: 0, to: x.count, by: 16) {
      let some = Array(x[start..<start + 16])
      function(index, some, y.map { Array($0[start..<start + 16]) } ?? some, &block)
      out += block
    }
    return out
  }
}
