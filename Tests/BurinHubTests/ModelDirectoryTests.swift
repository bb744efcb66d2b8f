import BurinHub
import Glibc
import Testing

@Suite struct ModelDirectoryTests {
  let directory = TemporaryDirectory()

  /// A file with one tensor of floats for each name, filled with its number.
  func shard(_ names: [(String, Float)]) -> [UInt8] {
    var header = "{"
    var data: [UInt8] = []
    for (number, (name, value)) in names.enumerated() {
      header += number == 0 ? "" : ","
      header += #""\#(name)":{"dtype":"F32","shape":[2],"data_offsets":[\#(data.count),"#
      for _ in 0..<2 { withUnsafeBytes(of: value) { data.append(contentsOf: $0) } }
      header += "\(data.count)]}"
    }
    return safetensors(header + "}", data: data)
  }

  /// Two shards of three tensors and the index with this weight map.
  func sharded(_ map: String) throws -> ModelDirectory {
    directory.write(shard([("a", 1), ("b", 2)]), to: "model-1.safetensors")
    directory.write(shard([("c", 3)]), to: "model-2.safetensors")
    directory.write(
      #"{"metadata":{"total_size":24},"weight_map":\#(map)}"#, to: "model.safetensors.index.json")
    return try ModelDirectory(directory.path)
  }

  @Test func shardsLookLikeOneFile() throws {
    let sharded = try sharded(
      #"{"a":"model-1.safetensors","c":"model-2.safetensors","b":"model-1.safetensors"}"#
    ).weights()
    #expect(sharded.tensors.map(\.name) == ["a", "c", "b"])
    #expect(sharded.byteCount == 24)

    directory.write(shard([("a", 1), ("b", 2), ("c", 3)]), to: "model.safetensors")
    let single = try ModelDirectory(directory.path).weights()
    #expect(single.tensors.map(\.name) == ["a", "b", "c"])
    for weights in [sharded, single] {
      for (name, value) in [("a", 1), ("b", 2), ("c", 3)] as [(ByteString, Float)] {
        #expect(try weights.floats(of: name) == [value, value])
        var last: [Float] = [0]
        try last.withUnsafeMutableBufferPointer { buffer throws(HubError) in
          try weights.readFloats(of: name, from: 1, into: buffer)
        }
        #expect(last == [value])
        var high: [UInt8] = [0, 0]
        try high.withUnsafeMutableBytes { try weights.readBytes(of: name, from: 6, into: $0) }
        #expect(Float(bitPattern: UInt32(high[1]) << 24 | UInt32(high[0]) << 16) == value)
      }
      #expect(weights.unexpected(beyond: ["a", "c"]) == ["b"])
    }
  }

  @Test func readingFromManyTasks() async throws {
    directory.write(
      shard((0..<200).map { ("t\($0)", Float($0)) }), to: "model.safetensors")
    let weights = try ModelDirectory(directory.path).weights()
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for number in 0..<200 {
        group.addTask {
          try weights.floats(of: ByteString("t\(number)")) == [Float(number), Float(number)]
        }
      }
      for try await isRight in group { #expect(isRight) }
    }
  }

  @Test(arguments: [
    ("{\"a\":\"../x\"}", "expected the name of a file inside the model directory, found \"../x\""),
    ("{\"a\":\"sub/../../x\"}", "found \"sub/../../x\""),
    ("{\"a\":\"/etc/passwd\"}", "found \"/etc/passwd\""),
    ("{\"a\":\"\"}", "found \"\""),
    ("{\"a\":\"model-1.safetensors\\u0000\"}", "found \"model-1.safetensors\\u{0}\""),
    ("{\"a\":7}", "weight_map.a: expected a string, found 7"),
    ("[]", "weight_map: expected an object, found an array of 0"),
    (
      "{\"a\":\"model-3.safetensors\"}",
      "weight_map.a: expected a shard that is in the directory, found \"model-3.safetensors\""
    ),
    (
      "{\"c\":\"model-1.safetensors\"}",
      "weight_map.c: expected the shard that holds this tensor, found \"model-1.safetensors\""
    ),
    ("{\"a\":\"model-1.safetensors\",\"a\":\"model-2.safetensors\"}", "found \"a\" again"),
  ])
  func indexes(map: String, expected: String) throws {  // 26, 27, 30
    let model = try sharded(map)
    let refused = message { _ = try model.weights() }
    #expect(refused.hasSuffix(expected), "\(refused)")
    #expect(refused.hasPrefix(directory.path))
  }

  @Test func linksThatLeaveTheDirectory() throws {  // 28
    let outside = TemporaryDirectory()
    outside.write("{}", to: "secret.json")
    outside.write(shard([("a", 1)]), to: "x.safetensors")
    let model = try ModelDirectory(directory.path)
    #expect(symlink(outside("secret.json"), directory("config.json")) == 0)
    let refused = message { _ = try model.config() }
    #expect(
      refused.contains("config.json: expected a file inside the model directory, found a link"))
    #expect(refused.hasSuffix(outside("secret.json")))
    #expect(symlink(outside("x.safetensors"), directory("model.safetensors")) == 0)
    #expect(message { _ = try model.weights() }.contains("found a link to"))
    #expect(symlink(outside.path, directory("1_Pooling")) == 0)
    #expect(message { _ = try model.json("1_Pooling/secret.json") }.contains("found a link to"))
    #expect(message { _ = try model.subdirectory("1_Pooling") }.contains("found a link to"))
    #expect(symlink("nowhere", directory("vocab.txt")) == 0)
    #expect(message { _ = try model.bytes("vocab.txt") }.hasSuffix("found a link to nothing"))
    #expect(symlink("loop", directory("loop")) == 0)
    #expect(message { _ = try model.bytes("loop") }.contains("symbolic links"))
    // A link that stays inside is a file like any other.
    directory.write("abc", to: "sub/real.txt")
    #expect(symlink("sub/real.txt", directory("merges.txt")) == 0)
    #expect(try model.bytes("merges.txt") == Array("abc".utf8))
    // A directory whose name begins with this one's is not inside it.
    #expect(mkdir(directory.path + "x", 0o755) == 0)
    defer { rmdir(directory.path + "x") }
    #expect(symlink("../" + directory.path.split(separator: "/").last! + "x", directory("y")) == 0)
    #expect(message { _ = try model.subdirectory("y") }.contains("found a link to"))
  }

  @Test func theHubsCacheLinksToItsBlobs() throws {  // 28
    let cache = "models--o--m"
    directory.write(#"{"model_type":"bert"}"#, to: "\(cache)/blobs/1234")
    directory.write(shard([("a", 5)]), to: "\(cache)/blobs/5678")
    directory.write("x", to: "\(cache)/blobs/deep/9")
    directory.write("x", to: "\(cache)/refs/main")
    directory.write("x", to: "\(cache)/snapshots/rev/1_Pooling/here.txt")
    let snapshot = directory("\(cache)/snapshots/rev")
    #expect(symlink("../../blobs/1234", snapshot + "/config.json") == 0)
    #expect(symlink("../../blobs/5678", snapshot + "/model.safetensors") == 0)
    #expect(symlink("../../../blobs/1234", snapshot + "/1_Pooling/config.json") == 0)
    #expect(symlink("../../refs/main", snapshot + "/vocab.txt") == 0)
    #expect(symlink("../../blobs/deep/9", snapshot + "/merges.txt") == 0)
    #expect(symlink(snapshot, directory("model")) == 0)
    for path in [snapshot, directory("model"), snapshot + "/"] {
      let model = try ModelDirectory(path)
      #expect(try model.config()["model_type"].string() == "bert")
      #expect(try model.weights().floats(of: "a") == [5, 5])
      #expect(try model.json("1_Pooling/config.json")?["model_type"].exists == true)
      let inner = try model.subdirectory("1_Pooling")
      #expect(try inner.config()["model_type"].exists)
      #expect(message { _ = try model.bytes("vocab.txt") }.contains("found a link to"))
      #expect(message { _ = try model.bytes("merges.txt") }.contains("found a link to"))
    }
  }

  @Test func filesThatAreNone() throws {  // 29
    let model = try sharded(#"{"a":"pipe"}"#)
    #expect(mkfifo(directory("pipe"), 0o644) == 0)
    #expect(
      message { _ = try model.weights() }.hasSuffix("pipe: expected a regular file, found a pipe"))
    #expect(mkdir(directory("model.safetensors"), 0o755) == 0)
    #expect(message { _ = try model.weights() }.hasSuffix("found a directory"))
    #expect(symlink("/dev/zero", directory("config.json")) == 0)
    #expect(message { _ = try model.config() }.hasSuffix("found a link to /dev/zero"))
  }

  @Test func directoriesWithoutWeights() throws {  // 31
    let model = try ModelDirectory(directory.path)
    #expect(
      message { _ = try model.weights() }
        .hasSuffix("expected model.safetensors or model.safetensors.index.json, found neither"))
    for name in ["pytorch_model.bin.index.json", "pytorch_model.bin"] {
      directory.write("x", to: name)
      let refused = message { _ = try model.weights() }
      #expect(refused.contains("found only \(name), a pickle, which can run code when it is read"))
      #expect(refused.contains("convert it with: python3 -c") && !refused.contains("\n"))
    }
  }

  @Test func tensorsAreThereAndOfTheirShape() throws {  // 32
    directory.write(
      safetensors(
        #"{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"#
          + #""f":{"dtype":"F8_E5M2","shape":[1],"data_offsets":[24,25]}}"#,
        data: [UInt8](repeating: 0, count: 25)), to: "model.safetensors")
    let weights = try ModelDirectory(directory.path).weights()
    #expect(try weights.tensor("a", shape: [2, 3]).count == 6)
    #expect(
      message { _ = try weights.tensor("a", shape: [3, 2]) }
        .hasSuffix("a: expected the shape [3, 2], found [2, 3]"))
    #expect(
      message { _ = try weights.tensor("b\n", shape: [2]) }
        .hasSuffix("b\\n: expected a tensor of shape [2], found nothing"))
    #expect(message { _ = try weights.tensor("f", shape: [1]) }.hasSuffix("found F8_E5M2"))
    #expect(
      message { _ = try weights.floats(of: "b") }.hasSuffix("b: expected a tensor, found nothing"))
  }

  @Test func configsAreObjects() throws {
    let model = try ModelDirectory(directory.path)
    #expect(
      message { _ = try model.config() }.hasSuffix("config.json: expected a file, found nothing"))
    directory.write("[]", to: "config.json")
    #expect(message { _ = try model.config() }.contains("expected an object, found an array of 0"))
    directory.write("{\"a\":", to: "config.json")
    #expect(
      message { _ = try model.config() }
        .hasSuffix("config.json: byte 5: expected a JSON value, found the end of the text"))
    // 37
    directory.write("{\"eps\":NaN,\"a\":Infinity}", to: "config.json")
    let config = try model.config()
    #expect(
      message { _ = try config["eps"].double(above: 0) }
        .hasSuffix("config.json: eps: expected a finite number above 0.0, found nan"))
    #expect(try model.json("generation_config.json") == nil)
    #expect(try model.contains("config.json") && !model.contains("tokenizer.json"))
  }

  @Test func directoriesThatAreNone() {
    #expect(
      message { _ = try ModelDirectory(directory("no")) }.hasSuffix(
        "expected a model directory, found nothing"))
    directory.write("x", to: "file")
    #expect(message { _ = try ModelDirectory(directory("file")) }.hasSuffix("found a file"))
    #expect(message { _ = try ModelDirectory(directory("file/x")) }.hasSuffix("found nothing"))
    #expect(message { _ = try ModelDirectory("") }.contains("expected a model directory"))
    #expect(message { _ = try ModelDirectory("a\0") }.contains("without NUL"))
  }

  @Test func pathsOfAwkwardNames() throws {  // 62
    for name in ["a b", "q\"uote", "new\nline", "-x", "é中"] {
      directory.write("{\"a\":1}", to: name + "/config.json")
      let model = try ModelDirectory(directory(name))
      #expect(try model.config()["a"].int() == 1)
      #expect(!message { _ = try model.config()["a"].string() }.contains("\n"))
    }
  }
}
