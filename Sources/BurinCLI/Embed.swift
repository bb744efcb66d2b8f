import ArgumentParser
import Burin
import BurinHub

/// `burin embed`
struct Embed: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Turn texts or pictures into vectors.",
    discussion: """
      Texts with the pooling, the normalisation and the maximum length of the model's directory; \
      pictures, which are PNG or JPEG files, as the model itself pools and projects them. Writes a \
      line of numbers for each; with --json {"embeddings": [[...], ...]}.
      """)

  @OptionGroup var options: LibraryOptions
  @OptionGroup var input: TextOptions
  @OptionGroup var pictures: PictureOptions

  func run() throws {
    let vectors = try vectors()
    if options.json {
      let rows = vectors.map { JSON.array($0.map { JSON($0) }) }
      return try Standard.output(["embeddings": .array(rows)])
    }
    for vector in vectors {
      try Standard.output(vector.map { "\($0)" }.joined(separator: " ") + "\n")
    }
  }

  private func vectors() throws -> [[Float]] {
    let model = try options.model()
    if try pictures.areMeant(by: model, input) {
      return try PictureEmbedder(PictureModel(model))(pictures.files)
    }
    let embedder = try SentenceEmbedder(model)
    let texts = try input.texts()
    if !embedder.hasPooling {
      Standard.note("the model names no pooling: a vector is the mean over its tokens")
    }
    return try embedder(texts)
  }
}
