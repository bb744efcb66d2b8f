import BurinHub
import Glibc
import Testing

@Suite struct SafetensorsTests {
  let directory = TemporaryDirectory()

  /// What opening a file of these bytes says.
  func refusal(_ bytes: [UInt8]) -> String {
    let path = directory.write(bytes, to: "x.safetensors")
    return message { _ = try SafetensorsFile(path: path) }
  }

  /// What opening a file of this header and this many bytes of data says.
  func refusal(_ header: String, data: Int = 0) -> String {
    refusal(safetensors(header, data: [UInt8](repeating: 0, count: data)))
  }

  @Test func filesOfThePythonWriterAreRead() throws {
    let path = fixture("safetensors/types.safetensors")
    let file = try SafetensorsFile(path: path)
    #expect(file.metadata == ["format": "pt", "note": "é\n"])
    #expect(file.tensors.count == 14)

    let values: [Float] = [
      0, -0.0, 1, -2.5, 0.15625, 96, .infinity, -.infinity, 0x1p-20, -0x1p-24,
    ]
    for name in ["f64", "f32", "f16", "bf16"] as [ByteString] {
      let tensor = try #require(file.tensor(name))
      #expect(tensor.shape == [10])
      let floats = try file.floats(of: tensor)
      #expect(floats.map(\.bitPattern) == values.map(\.bitPattern), "\(name)")
    }
    for name in ["i64", "i32", "i16", "i8"] as [ByteString] {
      let tensor = try #require(file.tensor(name))
      #expect(tensor.shape == (name == "i32" ? [2, 3] : [6]))
      #expect(try file.floats(of: tensor) == [0, 1, -2, 100, -128, 127], "\(name)")
    }
    #expect(try file.floats(of: #require(file.tensor("u8"))) == [0, 1, 255])
    #expect(try file.floats(of: #require(file.tensor("bool"))) == [1, 0, 1])
    #expect(try file.floats(of: #require(file.tensor("é 中 \"q\" \\ \n"))) == [1])
    let scalar = try #require(file.tensor("scalar"))
    #expect(scalar.shape.isEmpty && scalar.count == 1)
    #expect(try file.floats(of: scalar) == [7])
    #expect(try file.floats(of: #require(file.tensor("empty"))).isEmpty)
    let f8 = try #require(file.tensor("f8"))
    #expect(try file.bytes(of: f8) == [0x38, 0x40])
    let refused = message { _ = try file.floats(of: f8) }
    #expect(refused.contains("f8.dtype: expected one of F64, F32"))
    #expect(refused.hasSuffix("found F8_E4M3"))
  }

  @Test func stripsJoinAnywhere() throws {
    let count = 100_003
    let halves = (0..<count).map { UInt16(truncatingIfNeeded: $0 &* 7) & 0x7BFF }
    let path = directory("x.safetensors")
    let writer = try SafetensorsWriter(path: path, tensors: [.init("h", .f16, [count])])
    try writer.write(halves)
    try writer.finish()
    let file = try SafetensorsFile(path: path)
    let tensor = try #require(file.tensor("h"))
    let whole = try file.floats(of: tensor)
    #expect(whole == halves.map { Float(Float16(bitPattern: $0)) })
    for range in [0..<1, 1..<8, 32_767..<32_769, 99_999..<count, 7..<70_000, 5..<5] {
      var part = [Float](repeating: .nan, count: range.count)
      try part.withUnsafeMutableBufferPointer { buffer throws(HubError) in
        try file.readFloats(of: tensor, from: range.lowerBound, into: buffer)
      }
      #expect(part == Array(whole[range]))
    }
    var bytes = [UInt8](repeating: 0, count: 3)
    try bytes.withUnsafeMutableBytes { try file.readBytes(of: tensor, from: 5, into: $0) }
    #expect(
      bytes == [UInt8(halves[2] >> 8), UInt8(halves[3] & 255), UInt8(halves[3] >> 8)])
  }

  @Test func everyHalfAndEveryBfloatIsExact() {
    let all = (0...UInt16.max).map { $0 }
    var floats = [Float](repeating: 0, count: all.count)
    all.withUnsafeBytes { StoredType.f16.widen($0.baseAddress!, count: all.count, into: &floats) }
    for stored in all {
      let exact = Float(Float16(bitPattern: stored))
      let float = floats[Int(stored)]
      #expect(exact.isNaN ? float.isNaN : float.bitPattern == exact.bitPattern)
    }
    all.withUnsafeBytes { StoredType.bf16.widen($0.baseAddress!, count: all.count, into: &floats) }
    for stored in all { #expect(floats[Int(stored)].bitPattern == UInt32(stored) << 16) }
  }

  @Test func whatIsWrittenReadsBack() throws {
    let path = directory("out.safetensors")
    directory.write("old", to: "out.safetensors")
    let writer = try SafetensorsWriter(
      path: path,
      tensors: [.init("ids", .i64, [2]), .init("a\"\n", .f32, [1, 2]), .init("none", .f32, [0])],
      metadata: [("format", "pt")])
    try writer.write([Int64(3), -1])
    try writer.write([Float(0.5)])
    #expect(directory.names.count == 2)
    try writer.write([Float(-2)])
    try writer.finish()
    #expect(directory.names == ["out.safetensors"])
    let file = try SafetensorsFile(path: path)
    #expect(file.metadata == ["format": "pt"])
    #expect(file.tensors.map(\.name) == ["ids", "a\"\n", "none"])
    #expect(file.tensors.map(\.shape) == [[2], [1, 2], [0]])
    #expect(try file.floats(of: file.tensors[0]) == [3, -1])
    #expect(try file.floats(of: file.tensors[1]) == [0.5, -2])
    // The data begins at a multiple of eight.
    #expect(try RegularFile(path: path).size % 8 == 0)
  }

  @Test func whatIsNotFinishedLeavesNothing() throws {
    do {
      let writer = try SafetensorsWriter(path: directory("y"), tensors: [.init("a", .f32, [2])])
      try writer.write([Float(1)])
    }
    #expect(directory.names.isEmpty)
    let missing = message { _ = try AtomicFile(path: directory("no/y")) }
    #expect(missing.contains("expected a file that can be written, found \"No such file"))
    #expect(message { _ = try AtomicFile(path: "/dev/null") }.contains("found a device"))
    #expect(message { _ = try AtomicFile(path: directory.path) }.contains("found a directory"))
  }

  // MARK: Bad inputs 1 to 25

  @Test func lengthsThatCannotBe() {
    #expect(refusal([]).hasSuffix("at least 8 bytes, found an empty file"))  // 1
    #expect(refusal([1, 2, 3, 4, 5, 6, 7]).hasSuffix("found 7 bytes"))  // 2
    #expect(refusal([UInt8](repeating: 0, count: 8)).contains("header length: expected 1 to"))  // 3
    let huge = refusal([0, 0, 0, 0, 0, 0, 0, 0x80, 0x7B, 0x7D])  // 4
    #expect(
      huge.hasSuffix("header length: expected 1 to 100000000 bytes, found 9223372036854775808"))
    let long = refusal([3, 0, 0, 0, 0, 0, 0, 0, 0x7B, 0x7D])  // 5
    #expect(long.hasSuffix("expected at most 2 bytes, the rest of the file, found 3"))
  }

  @Test func aHeaderOver100MegabytesInASparseFile() {  // 6
    let path = directory.write(safetensors("{}"), to: "x.safetensors")
    let length: [UInt8] = [0x01, 0xE1, 0xF5, 0x05, 0, 0, 0, 0]  // 100,000,001
    let descriptor = open(path, O_WRONLY)
    #expect(pwrite(descriptor, length, 8, 0) == 8 && ftruncate(descriptor, 200_000_000) == 0)
    close(descriptor)
    let refused = message { _ = try SafetensorsFile(path: path) }
    #expect(refused.hasSuffix("expected 1 to 100000000 bytes, found 100000001"))
  }

  @Test func headersThatAreNotTheJSONTheyShouldBe() {
    let name: [UInt8] = [0x7B, 0x22, 0xFF, 0x22, 0x3A, 0x7B, 0x7D, 0x7D]
    #expect(refusal(safetensors(name)).contains("byte 10: expected UTF-8, found byte 0xff"))  // 7
    // 8
    #expect(refusal("[1]").contains("byte 8: expected '{', which begins a header, found \"[\""))
    #expect(refusal(" {}").contains("found \" \""))
    let deep = #"{"a":"# + String(repeating: "[", count: 100_000)
    #expect(refusal(deep).contains("expected an object, found '['"))  // 9
    let inner = #"{"a":{"x":"# + String(repeating: "[", count: 100_000)
    #expect(refusal(inner).contains("at most 512 levels of nesting"))
    let empty = #"{"dtype":"F32","shape":[0],"data_offsets":[0,0]}"#
    #expect(
      refusal("{\"a\":\(empty),\"a\":\(empty)}").hasSuffix(
        "a: expected each tensor once, found it again"))  // 10
    #expect(
      refusal(#"{"a":{"dtype":"F32","dtype":"F32"}}"#)
        .hasSuffix("a.dtype: expected this key once, found it again"))
    #expect(refusal("{} x").contains("expected the end of the text, found 'x'"))
    #expect(
      refusal(#"{"a":{"shape":[],"data_offsets":[0,4]}}"#).contains("a.dtype: expected a string"))
    #expect(refusal(#"{"a":{"dtype":"F32","data_offsets":[0,4]}}"#).contains("a.shape: expected"))
    #expect(refusal(#"{"a":{"dtype":"F32","shape":[]}}"#).contains("a.data_offsets: expected two"))
    #expect(
      refusal(#"{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4,8]}}"#, data: 4)
        .hasSuffix("expected two integers, found 3"))
    #expect(
      refusal(#"{"a":{"dtype":"F32","shape":7,"data_offsets":[0,4]}}"#)
        .hasSuffix("a.shape: expected an array, found '7'"))
  }

  @Test func namesAreEqualOnlyByBytes() throws {  // 11
    let header =
      "{\"\u{e9}\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
      + "\"e\u{301}\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}"
    let path = directory.write(safetensors(header, data: [1, 2]), to: "x.safetensors")
    let file = try SafetensorsFile(path: path)
    #expect(file.tensors.count == 2)
    #expect(try file.floats(of: #require(file.tensor("\u{e9}"))) == [1])
    #expect(try file.floats(of: #require(file.tensor("e\u{301}"))) == [2])
  }

  @Test(arguments: [
    ("[8,4]", "a.data_offsets: expected a begin before its end, found [8, 4]"),  // 12
    ("[-1,4]", "a.data_offsets: expected integers from 0 to 9223372036854775807, found -1"),  // 13
    ("[0,4.5]", "a.data_offsets: expected integers from 0 to 9223372036854775807, found 4.5"),
    ("[0,4.0]", "found 4.0"),
    ("[0,\"4\"]", "found \"4\""),
    ("[0,1e400]", "expected a number within the range of a double, found 1e400"),  // 14
    ("[0,18446744073709551616]", "found 1.8446744073709552e+19"),
    ("[0,9223372036854775807]", "expected 4 bytes of F32[1], found 9223372036854775807"),
    ("[4,8]", "expected data from byte 0, found 4, which leaves a hole"),
  ])
  func offsets(_ offsets: String, expected: String) {
    let refused = refusal(#"{"a":{"dtype":"F32","shape":[1],"data_offsets":\#(offsets)}}"#, data: 8)
    #expect(refused.hasSuffix(expected), "\(refused)")
  }

  /// Tensors of bytes by name, extent and offsets.
  func bytesHeader(_ tensors: [(String, Int, Int, Int)]) -> String {
    let members = tensors.map { name, extent, begin, end in
      #""\#(name)":{"dtype":"U8","shape":[\#(extent)],"data_offsets":[\#(begin),\#(end)]}"#
    }
    return "{" + members.joined(separator: ",") + "}"
  }

  @Test func dataMustBeCoveredOnce() throws {
    let overlap = refusal(bytesHeader([("a", 8, 0, 8), ("b", 8, 4, 12)]), data: 12)  // 15
    #expect(
      overlap.hasSuffix(
        "b.data_offsets: expected data from byte 8, where \"a\" ends, found 4, which leaves an overlap"
      ))
    let hole = refusal(bytesHeader([("b", 4, 8, 12), ("a", 4, 0, 4)]), data: 12)  // 16
    #expect(
      hole.hasSuffix(
        "b.data_offsets: expected data from byte 4, where \"a\" ends, found 8, which leaves a hole")
    )
    let trailing = refusal(bytesHeader([("a", 4, 0, 4)]), data: 5)  // 17
    #expect(trailing.contains("where its last tensor ends, found"))
    #expect(refusal("{}", data: 1).contains("expected 10 bytes"))
    let short = refusal(bytesHeader([("a", 4, 0, 4)]), data: 3)
    #expect(short.hasSuffix("a.data_offsets: expected an end within the 3 bytes of data, found 4"))
    // An empty tensor may stand where two others meet, and nowhere else (19).
    let empty = [("a", 4, 0, 4), ("z", 0, 4, 4), ("b", 4, 4, 8), ("y", 0, 8, 8), ("x", 0, 0, 0)]
    let path = directory.write(
      safetensors(bytesHeader(empty), data: [UInt8](repeating: 1, count: 8)), to: "e.safetensors")
    let file = try SafetensorsFile(path: path)
    #expect(file.tensors.map(\.name) == ["x", "a", "z", "b", "y"])
    #expect(file.tensor("z")?.count == 0 && file.tensor("b")?.count == 4)
    let inside = refusal(bytesHeader([("a", 4, 0, 4), ("z", 0, 2, 2)]), data: 4)
    #expect(
      inside.hasSuffix(
        "expected data from byte 4, where \"a\" ends, found 2, which leaves an overlap"))
    let shared = refusal(bytesHeader([("a", 4, 0, 4), ("z", 0, 0, 4)]), data: 4)
    #expect(shared.hasSuffix("z.data_offsets: expected 0 bytes of U8[0], found 4"))
  }

  @Test func shapesMustFitTheirData() {
    for shape in [
      "4194305,4194305,211106198978564", "9223372036854775807", "4294967296,4294967296,0",
    ] {  // 18
      let refused = refusal(
        #"{"a":{"dtype":"F32","shape":[\#(shape)],"data_offsets":[0,16]}}"#, data: 16)
      #expect(
        refused.contains("a.shape: expected a product that fits 63 bits, found ["), "\(refused)")
    }
    // 20
    let size = refusal(#"{"a":{"dtype":"F16","shape":[3,2],"data_offsets":[0,16]}}"#, data: 16)
    #expect(size.hasSuffix("a.data_offsets: expected 12 bytes of F16[3, 2], found 16"))
    let type = refusal(#"{"a":{"dtype":"F33","shape":[],"data_offsets":[0,4]}}"#, data: 4)  // 21
    #expect(
      type.contains("a.dtype: expected one of F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL"))
    #expect(type.hasSuffix("found \"F33\""))
    #expect(
      refusal(#"{"a":{"dtype":32,"shape":[],"data_offsets":[0,4]}}"#).hasSuffix("found 32"))
    let half = refusal(#"{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}}"#, data: 1)
    #expect(half.contains("a.data_offsets"))
  }

  @Test func metadataIsStrings() {  // 23
    #expect(
      refusal(#"{"__metadata__":{"a":1}}"#).hasSuffix("__metadata__.a: expected a string, found 1"))
    #expect(
      refusal(#"{"__metadata__":["a"]}"#).contains("__metadata__: expected an object of strings"))
    #expect(
      refusal(#"{"__metadata__":{},"__metadata__":{}}"#)
        .hasSuffix("__metadata__: expected this key once, found it again"))
    #expect(refusal(#"{"__metadata__":{"a":"1","a":"2"}}"#).contains("expected each key once"))
  }

  @Test func aFileThatShrinksWhileItIsRead() throws {  // 24
    let path = directory.write(
      safetensors(bytesHeader([("a", 100, 0, 100)]), data: [UInt8](repeating: 1, count: 100)),
      to: "x.safetensors")
    let file = try SafetensorsFile(path: path)
    #expect(truncate(path, off_t(try RegularFile(path: path).size - 60)) == 0)
    let refused = message { _ = try file.floats(of: file.tensors[0]) }
    #expect(refused.contains("its size when it was opened, found its end at byte"), "\(refused)")
  }

  @Test func dataNeedNotBeAligned() throws {  // 25
    let header =
      #"{"c":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"#
      + #""a":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}}"#
    let path = directory.write(
      safetensors(header, data: [9, 0, 0, 0x80, 0x3F, 0, 0, 0, 0x40]), to: "x.safetensors")
    let file = try SafetensorsFile(path: path)
    #expect(try file.floats(of: #require(file.tensor("a"))) == [1, 2])
  }

  @Test func aMillionEmptyTensors() throws {  // 22
    var header = Array("{".utf8)
    // Unoptimised code takes eight seconds for the whole million.
    #if DEBUG
      let count = 100_000
    #else
      let count = 1_000_000
    #endif
    for number in 0..<count {
      header.append(contentsOf: (number == 0 ? "\"" : ",\"").utf8)
      header.append(contentsOf: String(number, radix: 36).utf8)
      header.append(contentsOf: #"":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}"#.utf8)
    }
    header.append(UInt8(ascii: "}"))
    let path = directory.write(safetensors(header), to: "x.safetensors")
    let file = try SafetensorsFile(path: path)
    #expect(file.tensors.count == count)
    #expect(file.tensor(ByteString(String(count - 1, radix: 36)))?.shape == [0])
    #expect(file.tensor(ByteString(String(count, radix: 36))) == nil)
  }

  @Test func onlyRegularFilesAreRead() {
    let pipe = directory("pipe")
    #expect(mkfifo(pipe, 0o644) == 0)
    #expect(message { _ = try SafetensorsFile(path: pipe) }.hasSuffix("found a pipe"))
    #expect(message { _ = try SafetensorsFile(path: "/dev/zero") }.hasSuffix("found a device"))
    #expect(
      message { _ = try SafetensorsFile(path: directory.path) }.hasSuffix("found a directory"))
    let missing = #expect(throws: HubError.self) {
      try SafetensorsFile(path: directory("a\nb"))
    }
    #expect(missing?.kind == .cannotRead)
    #expect(
      missing?.description.hasSuffix(
        "a\\nb: expected a file that can be read, found \"No such file or directory\"") == true)
    #expect(message { _ = try SafetensorsFile(path: "a\0b") }.contains("without NUL"))
  }

  @Test func randomChangesNeverTrap() throws {
    let header =
      #"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"#
      + #""b\n":{"dtype":"F16","shape":[],"data_offsets":[8,10]}}"#
    let original = safetensors(header, data: [UInt8](0..<10))
    var random = SmallRandom(seed: 11)
    var accepted = 0
    for _ in 0..<3_000 {
      let path = directory.write(random.mutate(original), to: "x.safetensors")
      guard let file = try? SafetensorsFile(path: path) else { continue }
      accepted += 1
      for tensor in file.tensors where tensor.type.isReadable {
        #expect(try file.floats(of: tensor).count == tensor.count)
      }
    }
    #expect(accepted > 0 && accepted < 3_000)
  }
}

/// The path of a file in `Tests/Fixtures`.
func fixture(_ name: String, from file: String = #filePath) -> String {
  let tests = file.split(separator: "/").dropLast(2).joined(separator: "/")
  return "/\(tests)/Fixtures/\(name)"
}
