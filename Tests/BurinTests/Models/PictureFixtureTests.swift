import BurinHub
import Glibc
import Testing

@testable import Burin

/// The verbs on pictures against transformers.
@Suite(.enabled(if: PictureLibrary.all.allSatisfy(\.isInstalled))) struct PictureFixtureTests {
  static let fixtures = Fixture.all(with: "pictures.json")

  private func recorded(_ fixture: Fixture) throws -> (JSONField, files: [String], TextModel) {
    let root = try #require(try ModelDirectory(fixture.path).json("pictures.json"))
    let files = try root["files"].array().map { field in
      String(Fixture.root) + "pictures/" + (try field.string().utf8String)
    }
    return (root, files, try TextModel(fixture.library()))
  }

  private func rows(_ field: JSONField) throws -> [[Double]] {
    try field.array().map { row in try row.array().map { try $0.double() } }
  }

  private func expect(_ vectors: [[Float]], _ expected: [[Double]]) {
    #expect(vectors.count == expected.count)
    for (vector, reference) in zip(vectors, expected) {
      let largest = reference.map(abs).max() ?? 0
      #expect(vector.count == reference.count)
      #expect(zip(vector, reference).allSatisfy { abs(Double($0) - $1) < 1e-4 * largest })
    }
  }

  /// Scores by label, in the order of the labels.
  private func expect(
    _ results: [[LabelScore]], _ labels: [String], _ expected: [[Double]]
  ) throws {
    for (result, reference) in zip(results, expected) {
      #expect(result.map(\.score) == result.map(\.score).sorted(by: >))
      for (label, score) in zip(labels, reference) {
        let found = try #require(result.first { $0.label == label })
        #expect(abs(found.score - score) < 1e-5)
      }
    }
  }

  @Test("gives pictures labels and vectors as transformers does", arguments: fixtures)
  func agrees(fixture: Fixture) throws {
    let (root, files, model) = try recorded(fixture)
    let pictures = try PictureModel(model)
    if root["pictures"].exists {
      expect(try PictureEmbedder(pictures)(files), try rows(root["pictures"]))
    }
    guard root["scores"].exists else {
      #expect(throws: TaskError.self) { try PictureClassifier(pictures) }
      return
    }
    let scores = try rows(root["scores"])
    guard root["labels"].exists else {
      try expect(PictureClassifier(pictures)(files), model.description.labels, scores)
      #expect(throws: TaskError.self) { try PictureEmbedder(pictures) }
      #expect(throws: TaskError.self) { try ZeroShotClassifier(pictures) }
      return
    }
    let labels = try root["labels"].array().map { try $0.string().utf8String }
    for (label, ids) in zip(labels, try rows(root["ids"])) {
      let own = try model.tokenizer().encode(label).ids
      #expect(own.map(Double.init) == Array(ids.prefix(own.count)))
    }
    try expect(ZeroShotClassifier(pictures)(files, labels: labels), labels, scores)
    expect(try SentenceEmbedder(model)(labels), try rows(root["texts"]))
  }

  @Test("takes more labels and pictures than go into one call")
  func manyLabels() throws {
    let pictures = try PictureModel(TextModel(Fixture(name: "clip").library()))
    let file = String(Fixture.root) + "pictures/rgb.png"
    let labels = (0..<70).map { "picture \($0)" }
    let results = try ZeroShotClassifier(pictures, template: "a {}.")(
      Array(repeating: file, count: 19), labels: labels)
    #expect(results.count == 19 && results.allSatisfy { $0 == results[0] })
    #expect(Set(results[0].map(\.label)) == Set(labels))
    #expect(abs(results[0].map(\.score).reduce(0, +) - 1) < 1e-9)
  }

  @Test("says why a model takes no pictures")
  func refuses() throws {
    let text = try TextModel(Fixture(name: "bert").library())
    #expect(throws: TaskError.self) { try PictureModel(text) }
    let unprepared = try TextModel(Fixture(name: "vit").library())
    #expect(throws: TaskError.self) { try PictureModel(unprepared) }
  }
}
