import BurinHub

extension ModelDirectory {
  /// A model description that knows nothing but the tokenizer.
  public func tokenizerDescription() throws(HubError) -> ModelDescription {
    var description = ModelDescription(name: path)
    let directory = try subdirectory(sentencePipeline()?.transformer ?? "")
    description.tokenizerConfig = try directory.json("tokenizer_config.json")?.value ?? .null
    description.tokenizer = try TokenizerDefinition.file(in: directory) ?? .null
    return description
  }
}
