import BurinHub

extension ModelDirectory {
  /// A model description that knows nothing but the tokenizer.
  public func tokenizerDescription() throws(HubError) -> ModelDescription {
    var description = ModelDescription(name: path)
    description.tokenizerConfig = try json("tokenizer_config.json")?.value ?? .null
    description.tokenizer = try TokenizerDefinition.file(in: self) ?? .null
    return description
  }
}
