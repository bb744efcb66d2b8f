import BurinHub

/// A compiled model together with what turns text into its inputs.
///
/// The tokenizer is read when a text is first encoded; nothing else of a library is slow to open.
public final class TextModel {
  /// What the library says of its model.
  public let description: ModelDescription
  /// Sequences in one call, at most.
  public let maximumBatch: Int
  /// Tokens of a sequence, at most.
  public let maximumLength: Int

  let runner: any EntryRunner
  private var openedTokenizer: Tokenizer?

  /// Opens a library with memory to work in.
  ///
  /// - Parameter threads: 0 for as many as OpenMP would take.
  /// - Throws: what `CompiledModel` and `Session` throw; `HubError` for a wrong description.
  public convenience init(_ path: String, threads: Int = 0) throws {
    try self.init(CompiledModel(path), threads: threads)
  }

  /// Takes a library that is loaded.
  public convenience init(_ model: CompiledModel, threads: Int = 0) throws {
    try self.init(
      LibraryRunner(model, threads: threads), ModelDescription(library: model.file))
  }

  init(_ runner: any EntryRunner, _ description: ModelDescription) {
    self.runner = runner
    self.description = description
    maximumBatch = runner.maximum(of: "batch") ?? 1
    maximumLength = runner.maximum(of: "seq") ?? 1
  }

  // MARK: Text to tokens

  /// Whether the library carries a tokenizer.
  public var hasTokenizer: Bool { description.tokenizer != .null }

  /// The library's tokenizer.
  ///
  /// - Throws: `TaskError` if it has none; `HubError` if it is wrong.
  public func tokenizer() throws -> Tokenizer {
    if let openedTokenizer { return openedTokenizer }
    guard hasTokenizer else {
      throw TaskError("\(name): the library has no tokenizer, so it takes no text")
    }
    let tokenizer = try Tokenizer(JSONField(description.tokenizer, file: "tokenizer.json"))
    openedTokenizer = tokenizer
    return tokenizer
  }

  /// The model's name, fit for a message.
  var name: String { printable(description.name.utf8) }

  /// Encodes texts; one that is longer than the model takes is an error, unless it is cut to
  /// `limit`.
  ///
  /// - Throws: `TaskError` saying which of the texts has no tokens, or too many.
  func encode(_ texts: [String], cutTo limit: Int? = nil) throws -> [Encoding] {
    let side: Truncation.Side =
      description.tokenizerConfig["truncation_side"]?.string == "left" ? .left : .right
    let truncation = limit.map { Truncation(maxLength: min($0, maximumLength), side: side) }
    return try texts.enumerated().map { place, text in
      let encoding = try tokenizer().encode(text, truncation: truncation)
      try check(count: encoding.count, ofText: place, among: texts.count)
      return encoding
    }
  }

  /// Refuses a text without tokens, or with more than the library takes.
  func check(count: Int, ofText place: Int, among texts: Int) throws {
    let which = texts == 1 ? "the text" : "text \(place + 1) of \(texts)"
    guard count > 0 else { throw TaskError("\(which) has no tokens") }
    guard count <= maximumLength else {
      throw TaskError("\(which) has \(count) tokens, the library takes at most \(maximumLength)")
    }
  }

  /// The id of a token that the tokenizer's configuration names, such as `pad_token`.
  func specialID(_ key: ByteString) throws -> Int32? {
    let named = description.tokenizerConfig[key]
    guard let content = named?.string ?? named?["content"]?.string else { return nil }
    return try tokenizer().id(of: content)
  }

  /// The ids of all tokens that the tokenizer's configuration calls special.
  func specialIDs() throws -> Set<Int32> {
    let keys: [ByteString] = [
      "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
    ]
    var ids = Set(try keys.compactMap { try specialID($0) })
    for token in description.tokenizerConfig["additional_special_tokens"]?.array ?? [] {
      guard let content = token.string ?? token["content"]?.string else { continue }
      if let id = try tokenizer().id(of: content) { ids.insert(id) }
    }
    return ids
  }

  // MARK: Batches

  /// Texts that are run in one call: their places among all, and the longest one's length.
  struct Batch: Equatable {
    var places: [Int]
    var length: Int
  }

  /// Tokens in one call, about; more would only take memory.
  private static let tokensPerBatch = 8192

  /// Sorts texts into batches of similar length, or of the same one where nothing may be filled up.
  func batches(of lengths: [Int], padded: Bool) -> [Batch] {
    var batches: [Batch] = []
    for place in lengths.indices.sorted(by: { (lengths[$1], $0) < (lengths[$0], $1) }) {
      let length = lengths[place]
      if let last = batches.indices.last, batches[last].places.count < maximumBatch,
        (batches[last].places.count + 1) * batches[last].length <= Self.tokensPerBatch,
        padded || batches[last].length == length
      {
        batches[last].places.append(place)
      } else {
        batches.append(Batch(places: [place], length: length))
      }
    }
    return batches
  }

  /// Runs encoded texts through an entry, in batches, and hands each one's outputs to `visit` with
  /// its place among the texts; padding is cut off outputs that have a row for each position.
  ///
  /// - Parameter promptLength: of how many tokens the prompt of all texts is, for entries that ask.
  func run(
    _ encodings: [Encoding], entry: String = "forward", outputs: [String], byPosition: Bool,
    promptLength: Int = 0, visit: (_ place: Int, _ outputs: [TextOutput]) throws -> Void
  ) throws {
    guard let ports = runner.inputs(of: entry) else {
      throw TaskError("\(name): expected the entry \(entry), found none")
    }
    let paddingID = try specialID("pad_token") ?? tokenizer().savedPadding?.id
    for batch in batches(of: encodings.map(\.count), padded: paddingID != nil) {
      var inputs = inputs(ports, batch.places.map { encodings[$0] }, padding: paddingID ?? 0)
      if ports.contains(where: { $0.name == "prompt_length" }) {
        let count = batch.places.count
        inputs["prompt_length"] = HostTensor(
          [Int32](repeating: Int32(promptLength), count: count), shape: [count])
      }
      let results = try runner.run(entry, inputs, outputs: outputs)
      let values = try outputs.map { output in
        guard let result = results[output] else {
          throw TaskError("\(name): expected the output \(output) of \(entry), found none")
        }
        return (shape: Array(result.shape.dropFirst()), values: result.floats)
      }
      for (row, place) in batch.places.enumerated() {
        try visit(
          place,
          values.map { shape, values in
            TextOutput(
              row: row, of: values, shape, used: byPosition ? encodings[place].count : nil)
          })
      }
    }
  }
}

extension TextModel {
  /// The inputs of an entry for these texts, filled up to the longest, or to the length that the model
  /// wants of all.
  func inputs(
    _ ports: [CompiledModel.Port], _ encodings: [Encoding], padding: Int32
  ) -> [String: HostTensor] {
    let longest = encodings.map(\.count).max() ?? 0
    let length = max(longest, min(description.paddedTokens ?? 0, maximumLength))
    func tensor(_ column: (Encoding) -> [Int32], _ filling: Int32) -> HostTensor {
      var values: [Int32] = []
      for encoding in encodings {
        let row = column(encoding)
        values += row
        values += repeatElement(filling, count: length - row.count)
      }
      return HostTensor(values, shape: [encodings.count, length])
    }
    var inputs = ["input_ids": tensor(\.ids, padding)]
    // The files of models that read their padding say that no mask goes with the ids.
    let named = description.tokenizerConfig["model_input_names"]?.array ?? ["attention_mask"]
    let isMasked = description.paddedTokens == nil || named.contains("attention_mask")
    if isMasked, ports.contains(where: { $0.name == "attention_mask" }) {
      inputs["attention_mask"] = tensor(\.attentionMask, 0)
    }
    // A table of one token type takes only the first, whatever the tokenizer says.
    if let types = ports.first(where: { $0.name == "token_type_ids" }), types.range.upperBound > 0 {
      inputs["token_type_ids"] = tensor(\.typeIDs, 0)
    }
    return inputs
  }
}

/// One text's part of an output: `values` row by row, without the axis of the batch.
struct TextOutput {
  var shape: [Int]
  var values: ArraySlice<Float>

  /// One sequence's part of the values of a batch; of its positions, if there are any, those that
  /// are used.
  fileprivate init(row: Int, of all: [Float], _ shape: [Int], used: Int?) {
    self.shape = shape
    let count = shape.reduce(1, *)
    var kept = count
    if let used, let positions = shape.first, positions > 0 {
      kept = count / positions * used
      self.shape[0] = used
    }
    values = all[row * count..<row * count + kept]
  }
}

/// What the tasks need of a session; tests have stand-ins.
protocol EntryRunner: AnyObject {
  /// The inputs of an entry; nil if there is no such entry.
  func inputs(of entry: String) -> [CompiledModel.Port]?

  /// The names of an entry's outputs; nil if there is no such entry.
  func outputs(of entry: String) -> [String]?

  /// The largest value of a symbol; nil if there is no such symbol.
  func maximum(of symbol: String) -> Int?

  /// Runs an entry.
  func run(
    _ entry: String, _ inputs: [String: HostTensor], outputs: [String]?
  ) throws -> [String: HostTensor]

  /// Lets the first sequence hold only what it has in common with `tokens`, the last one never
  /// included; gives how many positions that are.
  func reset(to tokens: [Int32]) throws -> Int

  /// Makes each of the first sequences a copy of what was the sequence at its place in `sources`.
  func reorder(_ sources: [Int]) throws
}

/// A library and a session of it.
private final class LibraryRunner: EntryRunner {
  private let model: CompiledModel
  private let session: Session

  init(_ model: CompiledModel, threads: Int) throws {
    self.model = model
    session = try Session(model, threads: threads)
  }

  func inputs(of entry: String) -> [CompiledModel.Port]? { model.entry(entry)?.inputs }

  func outputs(of entry: String) -> [String]? { model.entry(entry)?.outputs.map(\.name) }

  func maximum(of symbol: String) -> Int? {
    model.symbols.first { $0.name == symbol }?.maximum
  }

  func run(
    _ entry: String, _ inputs: [String: HostTensor], outputs: [String]?
  ) throws -> [String: HostTensor] {
    try session.run(entry, inputs, outputs: outputs)
  }

  func reset(to tokens: [Int32]) throws -> Int { try session.reset(to: tokens) }

  func reorder(_ sources: [Int]) throws { try session.reorder(sources) }
}

extension ModelDescription {
  /// Reads what a library says of its model.
  ///
  /// - Throws: `HubError` if its description is not one.
  public init(library file: LibraryFile) throws(HubError) {
    let json: JSON
    do throws(JSONError) { json = try JSON.parse(file.description) } catch {
      throw error.inFile(file.path)
    }
    try self.init(JSONField(json, file: file.path))
  }
}
