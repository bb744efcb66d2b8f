import ArgumentParser
import Burin

/// The picture files that a verb may take in the place of texts.
struct PictureOptions: ParsableArguments {
  @Argument(help: ArgumentHelp("Pictures, PNG or JPEG.", valueName: "FILE"))
  var files: [String] = []

  /// Whether pictures are what the verb works on; a model that only sees them must be given some.
  func areMeant(by model: TextModel, _ texts: TextOptions) throws -> Bool {
    let hasTexts = !texts.text.isEmpty || texts.file != nil
    if !files.isEmpty {
      guard !hasTexts else {
        throw Failure.usage("pictures exclude --text and --file")
      }
      return true
    }
    guard !hasTexts, model.seesPictures else { return false }
    throw Failure.usage("expected picture files after the library")
  }
}
