import BurinIR
import CBurin

/// A dense tensor in memory, in row-major order: what a compiled model takes and gives.
public struct HostTensor: Sendable {
  /// The type of its elements.
  public let element: ElementType
  /// Its extents, outermost first.
  public let shape: [Int]
  private let storage: HostStorage

  /// The number of elements.
  public var count: Int { shape.reduce(1, *) }

  /// A tensor of `element`s whose memory, all zero, `initialize` fills.
  public init(
    _ element: ElementType, shape: [Int], initialize: (UnsafeMutableRawBufferPointer) -> Void
  ) {
    precondition(shape.allSatisfy { $0 >= 0 }, "a tensor cannot have the shape \(shape)")
    self.element = element
    self.shape = shape
    storage = HostStorage(byteCount: shape.reduce(element.bytes, *))
    _ = storage.buffer.initializeMemory(as: UInt8.self, repeating: 0)
    initialize(storage.buffer)
  }

  /// A tensor with a copy of some bytes, which must be as many as it takes.
  init(_ element: ElementType, shape: [Int], copying bytes: UnsafeRawBufferPointer) {
    self.element = element
    self.shape = shape
    storage = HostStorage(byteCount: shape.reduce(element.bytes, *))
    precondition(bytes.count == storage.buffer.count, "bytes do not fill the tensor")
    storage.buffer.copyMemory(from: bytes)
  }

  /// A tensor of f32; a shape that does not hold all values is a mistake of the caller.
  public init(
    _ values: [Float], shape: [Int], file: StaticString = #fileID, line: UInt = #line
  ) {
    self.init(values, .f32, shape, file, line)
  }

  /// A tensor of i32; a shape that does not hold all values is a mistake of the caller.
  public init(
    _ values: [Int32], shape: [Int], file: StaticString = #fileID, line: UInt = #line
  ) {
    self.init(values, .i32, shape, file, line)
  }

  /// A tensor of i64; a shape that does not hold all values is a mistake of the caller.
  public init(
    _ values: [Int64], shape: [Int], file: StaticString = #fileID, line: UInt = #line
  ) {
    self.init(values, .i64, shape, file, line)
  }

  private init<Value: BitwiseCopyable>(
    _ values: [Value], _ element: ElementType, _ shape: [Int], _ file: StaticString, _ line: UInt
  ) {
    precondition(
      values.count == shape.reduce(1, *), "\(values.count) values do not fill the shape \(shape)",
      file: file, line: line)
    self = values.withUnsafeBytes { HostTensor(element, shape: shape, copying: $0) }
  }

  /// Gives access to its bytes.
  public func withUnsafeBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try body(UnsafeRawBufferPointer(storage.buffer))
  }

  /// Its elements as f32, whatever number type they have.
  public var floats: [Float] {
    let bytes = UnsafeRawBufferPointer(storage.buffer)
    func load<Value>(_ type: Value.Type, _ convert: (Value) -> Float) -> [Float] {
      bytes.bindMemory(to: type).map(convert)
    }
    return switch element {
    case .f32: Array(bytes.bindMemory(to: Float.self))
    case .f16: load(UInt16.self) { Float(Float16(bitPattern: $0)) }
    case .bf16: load(UInt16.self) { Float(bitPattern: UInt32($0) << 16) }
    case .i64: load(Int64.self) { Float($0) }
    case .i32: load(Int32.self) { Float($0) }
    case .i8, .q8, .w8, .w4, .r8: load(Int8.self) { Float($0) }
    case .u8, .bool: load(UInt8.self) { Float($0) }
    }
  }

  /// Its elements as integers; `nil` if they are floating point.
  public var integers: [Int]? {
    let bytes = UnsafeRawBufferPointer(storage.buffer)
    return switch element {
    case .f32, .f16, .bf16, .q8, .w8, .w4, .r8: nil
    case .i64: bytes.bindMemory(to: Int64.self).map { Int($0) }
    case .i32: bytes.bindMemory(to: Int32.self).map { Int($0) }
    case .i8: bytes.bindMemory(to: Int8.self).map { Int($0) }
    case .u8, .bool: bytes.bindMemory(to: UInt8.self).map { Int($0) }
    }
  }
}

extension HostTensor: Equatable {
  /// Whether types, shapes and all bits are the same.
  public static func == (one: HostTensor, other: HostTensor) -> Bool {
    one.element == other.element && one.shape == other.shape
      && one.withUnsafeBytes { left in other.withUnsafeBytes { left.elementsEqual($0) } }
  }
}

/// Memory that is filled once, before anyone else sees it, and then only read.
private final class HostStorage: @unchecked Sendable {
  let buffer: UnsafeMutableRawBufferPointer

  init(byteCount: Int) {
    buffer = .allocate(byteCount: byteCount, alignment: 64)
  }

  deinit { buffer.deallocate() }
}

extension ElementType {
  /// Its number in the C interface.
  var interfaceCode: Int32 {
    let type =
      switch self {
      case .f32: BURIN_F32
      case .f16: BURIN_F16
      case .bf16: BURIN_BF16
      case .i8, .q8, .w8, .w4, .r8: BURIN_I8
      case .u8: BURIN_U8
      case .bool: BURIN_BOOL
      case .i32: BURIN_I32
      case .i64: BURIN_I64
      }
    return Int32(type.rawValue)
  }

  /// The type with this number in the C interface.
  init?(interfaceCode: Int32) {
    guard let type = ElementType.allCases.first(where: { $0.interfaceCode == interfaceCode }) else {
      return nil
    }
    self = type
  }
}
