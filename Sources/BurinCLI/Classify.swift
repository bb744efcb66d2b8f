import ArgumentParser
import Burin
import BurinHub

/// `burin classify`
struct Classify: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Give texts or pictures labels.",
    discussion: """
      Pictures are PNG or JPEG files, prepared as the model's directory says. A model of pictures and \
      captions (CLIP, SigLIP) takes any --labels. Writes a line for each text or picture: every label \
      and its score, the highest first, separated by tabs; with --json {"results": [[{"label", \
      "score"}, ...], ...]}.
      """)

  @OptionGroup var options: LibraryOptions
  @OptionGroup var input: TextOptions
  @OptionGroup var pictures: PictureOptions
  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "Labels for pictures, separated by commas; repeatable.", valueName: "a,b,..."))
  var labels: [String] = []
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The caption that a label becomes, in the place of {}.", valueName: "TEXT"))
  var template: String?

  func validate() throws {
    if let template, template.split(separator: "{}", omittingEmptySubsequences: false).count != 2 {
      throw Failure.usage("--template: expected a text with one {}, found \(quoted(template))")
    }
    if template != nil, labels.isEmpty { throw Failure.usage("--template needs --labels") }
  }

  func run() throws {
    let results = try results()
    if options.json {
      let rows = results.map { labels in
        JSON.array(labels.map { ["label": JSON($0.label), "score": .score($0.score)] })
      }
      return try Standard.output(["results": .array(rows)])
    }
    for labels in results {
      let columns = labels.map { "\(line($0.label)) \(Float($0.score))" }
      try Standard.output(columns.joined(separator: "\t") + "\n")
    }
  }

  private func results() throws -> [[LabelScore]] {
    let names = try names()
    let model = try options.model()
    guard try pictures.areMeant(by: model, input) else {
      guard names.isEmpty else { throw Failure.usage("--labels needs pictures") }
      return try TextClassifier(model)(input.texts())
    }
    let pictureModel = try PictureModel(model)
    if names.isEmpty { return try PictureClassifier(pictureModel)(pictures.files) }
    return try ZeroShotClassifier(pictureModel, template: template ?? "{}")(
      pictures.files, labels: names)
  }

  /// The labels, without the white space around them.
  private func names() throws -> [String] {
    let names = labels.flatMap { $0.split(separator: ",", omittingEmptySubsequences: false) }
      .map { name in
        let inner = name.drop(while: \.isWhitespace)
        return String(inner.reversed().drop(while: \.isWhitespace).reversed())
      }
    guard !names.contains("") else {
      throw Failure.usage("--labels: expected labels separated by commas, found an empty one")
    }
    return names
  }
}
