import ArgumentParser
import Burin
import BurinHub

/// `burin embed`
struct Embed: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Turn texts into vectors.",
    discussion: """
      With the pooling, the normalisation and the maximum length of the model's directory. Writes a \
      line of numbers for each text; with --json {"embeddings": [[...], ...]}.
      """)

  @OptionGroup var options: LibraryOptions
  @OptionGroup var input: TextOptions

  func run() throws {
    let embedder = try SentenceEmbedder(options.model())
    let texts = try input.texts()
    if !embedder.hasPooling {
      Standard.note("the model names no pooling: a vector is the mean over its tokens")
    }
    let vectors = try embedder(texts)
    if options.json {
      let rows = vectors.map { JSON.array($0.map { JSON($0) }) }
      return try Standard.output(["embeddings": .array(rows)])
    }
    for vector in vectors {
      try Standard.output(vector.map { "\($0)" }.joined(separator: " ") + "\n")
    }
  }
}
