import BurinHub

/// Gives pictures labels that the model was never taught: each label is a caption, and the model says
/// how well it fits.
public struct ZeroShotClassifier {
  /// The model that sees the pictures and reads the captions.
  public let model: PictureModel
  /// What captions are made of labels by: the label stands in the place of `{}`.
  public var template: String

  /// A classifier over a model of pictures and captions.
  ///
  /// - Throws: `TaskError` if the library's model is another one.
  public init(_ model: PictureModel, template: String = "{}") throws {
    guard model.model.runner.outputs(of: "forward")?.contains("logits_per_image") == true else {
      throw TaskError("\(model.model.name): the model does not compare pictures with captions")
    }
    self.model = model
    self.template = template
  }

  /// For each picture file every label with its score, the highest score first: probabilities that
  /// exclude each other (CLIP), or one for each label alone (SigLIP).
  public func callAsFunction(_ files: [String], labels: [String]) throws -> [[LabelScore]] {
    let library = model.model
    guard let ports = library.runner.inputs(of: "forward") else { return [] }
    let limit = library.description.paddedTokens
    let pieces = template.split(separator: "{}", omittingEmptySubsequences: false)
    let captions = try library.encode(
      labels.map { pieces.joined(separator: $0) }, cutTo: limit)
    let padding = try library.specialID("pad_token") ?? library.tokenizer().savedPadding?.id
    let batches = library.batches(of: captions.map(\.count), padded: padding != nil)
    var logits = [[Float]](
      repeating: [Float](repeating: 0, count: labels.count), count: files.count)
    try model.batches(of: files, for: "forward") { pictures in
      for batch in batches {
        var inputs = library.inputs(
          ports, batch.places.map { captions[$0] }, padding: padding ?? 0)
        inputs["pixel_values"] = pictures.pixels
        let results = try library.runner.run("forward", inputs, outputs: ["logits_per_image"])
        guard let result = results["logits_per_image"]?.floats else { continue }
        for (row, picture) in pictures.places.enumerated() {
          for (column, label) in batch.places.enumerated() {
            logits[picture][label] = result[row * batch.places.count + column]
          }
        }
      }
    }
    return logits.map { library.description.scores(of: $0, labels: labels) }
  }
}
