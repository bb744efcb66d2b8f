import BurinHub
import Glibc
import Testing

/// What the verbs write of pictures.
@Suite(.enabled(if: PictureLibrary.all.allSatisfy(\.isInstalled))) struct PictureVerbTests {
  private static let pictures = Burin.fixtures + "../pictures/"

  private let files = ["rgb.png", "photo.jpg"].map { Self.pictures + $0 }

  @Test("gives pictures the labels of a model")
  func classifies() throws {
    let library = try Burin.library("vit-picture")
    let outcome = try Burin.run(["classify", library] + files + ["--json"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    let results = try outcome.json()["results"].array()
    #expect(results.count == 2)
    let labels = try results[0].array().map { try $0["label"].string().utf8String }
    #expect(labels.sorted() == ["anger", "joy", "surprise"])
    let sum = try results[1].array().map { try $0["score"].double() }.reduce(0, +)
    #expect(abs(sum - 1) < 1e-6)
    let lines = try Burin.run(["classify", library] + files).text.split(separator: "\n")
    #expect(lines.count == 2 && lines[0].split(separator: "\t").count == 3)
  }

  @Test("gives pictures any labels")
  func zeroShot() throws {
    let clip = try Burin.library("clip")
    let outcome = try Burin.run([
      "classify", clip, files[0], "--labels", "a cat, a dog", "--labels", "bread", "--template",
      "the {}", "--json",
    ])
    #expect(outcome.status == 0, "\(outcome.errors)")
    let labels = try outcome.json()["results"][0].array().map { try $0["label"].string() }
    #expect(Set(labels) == ["a cat", "a dog", "bread"])
  }

  @Test("turns pictures and texts into vectors of one space")
  func embeds() throws {
    let clip = try Burin.library("clip")
    for input in [files, ["--text", "a cat", "--text", "bread"]] {
      let outcome = try Burin.run(["embed", clip] + input + ["--json"])
      #expect(outcome.status == 0, "\(outcome.errors)")
      let vectors = try outcome.json()["embeddings"].array()
      #expect(vectors.count == 2)
      let squares = try vectors[1].array().map { try $0.double() * $0.double() }
      #expect(squares.count == 19 && abs(squares.reduce(0, +) - 1) < 1e-5)
    }
  }

  @Test("says what is wrong with a command line or a picture")
  func refuses() throws {
    let clip = try Burin.library("clip")
    let vit = try Burin.library("vit-picture")
    let file = files[0]
    let cases: [(status: Int32, words: String, arguments: [String])] = [
      (64, "picture files", [vit]), (64, "exclude", [clip, file, "--text", "a"]),
      (64, "empty", [clip, file, "--labels", "a,,b"]),
      (64, "--template", [clip, file, "--labels", "a", "--template", "a"]),
      (64, "--template", [clip, file, "--template", "{}"]),
      (65, "labels", [clip, file]), (65, "captions", [vit, file, "--labels", "a"]),
      (65, "PNG or JPEG", [vit, Self.pictures + "preparations.json"]),
      (74, "nothing.png", [vit, "nothing.png"]),
      (65, "sees no pictures", [try Burin.library("bert"), file]),
    ]
    for (status, words, arguments) in cases {
      let outcome = try Burin.run(["classify"] + arguments)
      #expect(outcome.status == status, "\(arguments): \(outcome.errors)")
      #expect(outcome.errors.contains(words), "\(outcome.errors)")
      #expect(outcome.output.isEmpty)
    }
  }

  @Test("says that a model cannot take what its preparation makes")
  func warns() throws {
    let model = Burin.directory + "/vit-unfit"
    try copyModel("vit-picture", to: model, preparation: #"{"size": 20}"#)
    let compiled = try Burin.run(["compile", model, "-o", model + ".so"])
    #expect(compiled.status == 0)
    #expect(compiled.errors.contains("warning: ") && compiled.errors.contains("20 x 20"))
    let outcome = try Burin.run(["classify", model + ".so", files[0]])
    #expect(outcome.status == 65 && outcome.errors.contains("16 x 16"), "\(outcome.errors)")
  }

  private func copyModel(_ name: String, to target: String, preparation: String) throws {
    mkdir(target, 0o777)
    for file in ["config.json", "model.safetensors"] {
      let copy = try AtomicFile(path: target + "/" + file)
      try copy.write(
        RegularFile(path: Burin.fixtures + name + "/" + file).contents(limit: 1 << 26))
      try copy.commit()
    }
    let file = try AtomicFile(path: target + "/preprocessor_config.json")
    try file.write(Array(preparation.utf8))
    try file.commit()
  }
}
