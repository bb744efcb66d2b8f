import BurinHub

extension ModelDirectory {
  /// The tokenizer in this directory as one tokenizer.json; nil without any.
  func tokenizer() throws(HubError) -> JSON? {
    guard let bytes = try TokenizerDefinition.file(in: self) else { return nil }
    var options = JSON.Options()
    // Vocabularies with a key twice exist; the last one counts, as it does for the original.
    options.duplicates = .keepLast
    do throws(JSONError) { return try JSON.parse(bytes, options: options) } catch {
      throw error.inFile(path + "/tokenizer.json")
    }
  }

  /// A model description that knows nothing but the tokenizer.
  public func tokenizerDescription() throws(HubError) -> ModelDescription {
    var description = ModelDescription(name: path)
    description.tokenizerConfig = try json("tokenizer_config.json")?.value ?? .null
    description.tokenizer = try tokenizer() ?? .null
    return description
  }
}
