import ArgumentParser
import Burin
import BurinHub

/// `burin embed`
struct Embed: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Turn texts or pictures into vectors.",
    discussion: """
      Texts with the prompt, the pooling, the layers behind it, the normalisation and the maximum \
      length of the model's directory; pictures, which are PNG or JPEG files, as the model itself \
      pools and projects them. Writes a line of numbers for each; with --json {"embeddings": \
      [[...], ...]}.
      """)

  @OptionGroup var options: LibraryOptions
  @OptionGroup var input: TextOptions
  @OptionGroup var pictures: PictureOptions

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Which of the directory's prompts stands before each text, such as query or document (the "
        + "directory's default, mostly none).", valueName: "NAME"))
  var promptName: String?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("What stands before each text instead.", valueName: "TEXT"))
  var prompt: String?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Keep the first columns of each vector only; their length is not made 1 again.",
      valueName: "N"))
  var truncateDim: Int?
  @Flag(help: "Make the length of each vector 1 in the end.")
  var normalize = false

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
      guard promptName == nil, prompt == nil, truncateDim == nil, !normalize else {
        throw Failure.usage("--prompt-name, --prompt, --truncate-dim and --normalize are for texts")
      }
      return try PictureEmbedder(PictureModel(model))(pictures.files)
    }
    guard promptName == nil || prompt == nil else {
      throw Failure.usage("--prompt-name and --prompt exclude each other")
    }
    var embedder = try SentenceEmbedder(model)
    if let promptName { embedder.prompt = try embedder.prompt(named: promptName) }
    if let prompt { embedder.prompt = prompt }
    if let truncateDim { embedder.dimensions = truncateDim }
    embedder.normalizes = normalize
    let texts = try input.texts()
    if !embedder.hasPooling {
      Standard.note("the model names no pooling: a vector is the mean over its tokens")
    }
    return try embedder(texts)
  }
}
