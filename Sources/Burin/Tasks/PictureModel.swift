import BurinHub

/// A compiled model together with what turns picture files into its inputs.
public final class PictureModel {
  /// The model, as it is to texts.
  public let model: TextModel
  let preparation: PicturePreparation

  /// Pictures in one call, at most; more would only take memory.
  private static let picturesPerBatch = 8

  /// A library's model that sees pictures.
  ///
  /// - Throws: `TaskError` if it sees none, or the library does not know how they are prepared;
  ///   `HubError` if what it knows is wrong.
  public init(_ model: TextModel) throws {
    guard model.seesPictures else {
      throw TaskError("\(model.name): the model sees no pictures")
    }
    let description = model.description
    guard description.preprocessor != .null else {
      throw TaskError(
        "\(model.name): the model's directory had no preprocessor_config.json, so it takes no pictures"
      )
    }
    self.model = model
    preparation = try PicturePreparation(
      JSONField(description.preprocessor, file: "preprocessor_config.json"),
      modelType: description.modelType ?? "")
  }

  /// Opens a library with memory to work in.
  ///
  /// - Parameter threads: 0 for as many as OpenMP would take.
  public convenience init(_ path: String, threads: Int = 0) throws {
    try self.init(TextModel(path, threads: threads))
  }

  /// Picture files that are run in one call: which of all, and their pixels.
  struct Batch {
    var places: Range<Int>
    var pixels: HostTensor
  }

  /// Reads picture files, some at a time, and hands them to `visit` as the input `pixel_values` of an
  /// entry.
  func batches(
    of files: [String], for entry: String, visit: (Batch) throws -> Void
  ) throws {
    let size = try size(of: entry)
    let maximum = model.runner.maximum(of: "images") ?? model.maximumBatch
    let step = min(maximum, Self.picturesPerBatch)
    for start in stride(from: 0, to: files.count, by: step) {
      let places = start..<min(start + step, files.count)
      var values: [Float] = []
      for file in files[places] {
        let prepared = try preparation(Picture(path: file), file: file)
        guard prepared.size == size else {
          throw TaskError(
            "\(model.name): expected pictures of \(size) pixels, found one of \(prepared.size): "
              + file)
        }
        values += prepared.values
      }
      let shape = [places.count, 3, size.height, size.width]
      try visit(Batch(places: places, pixels: HostTensor(values, shape: shape)))
    }
  }

  /// Runs picture files through an entry and hands each one's output to `visit` with its place.
  func run(
    _ files: [String], entry: String, output: String,
    visit: (_ place: Int, _ output: ArraySlice<Float>) throws -> Void
  ) throws {
    try batches(of: files, for: entry) { batch in
      let results = try model.runner.run(
        entry, ["pixel_values": batch.pixels], outputs: [output])
      guard let result = results[output] else {
        throw TaskError("\(model.name): expected the output \(output) of \(entry), found none")
      }
      let width = result.count / batch.places.count
      for (row, place) in batch.places.enumerated() {
        try visit(place, result.floats[row * width..<(row + 1) * width])
      }
    }
  }

  /// The entry for pictures as they come from the preparation.
  var entry: String { model.runner.inputs(of: "picture") == nil ? "forward" : "picture" }

  /// The size of the pictures that an entry takes.
  private func size(of entry: String) throws -> PictureSize {
    let ports = model.runner.inputs(of: entry) ?? []
    guard let port = ports.first(where: { $0.name == "pixel_values" }), port.shape.count == 4,
      case .fixed(3) = port.shape[1], case .fixed(let height) = port.shape[2],
      case .fixed(let width) = port.shape[3]
    else {
      throw TaskError("\(model.name): expected pictures of three colours as input of \(entry)")
    }
    return PictureSize(height: height, width: width)
  }
}

extension TextModel {
  /// Whether the model takes pictures, alone or with texts.
  public var seesPictures: Bool {
    runner.inputs(of: "forward")?.contains { $0.name == "pixel_values" } ?? false
  }
}

/// Gives pictures labels, as transformers' `ImageClassificationPipeline` does.
public struct PictureClassifier {
  /// The model that sees the pictures.
  public let model: PictureModel

  /// A classifier over a model with an image classification head.
  ///
  /// - Throws: `TaskError` if the library's model has another task.
  public init(_ model: PictureModel) throws {
    let head = model.model.description.head
    guard head == .imageClassification || head == .distilledImageClassification else {
      throw TaskError(
        "\(model.model.name): classify needs a model for \(Head.imageClassification.rawValue), or "
          + "labels for one that reads captions too, found one for "
          + (head == .bare ? "no task" : head.rawValue))
    }
    self.model = model
  }

  /// For each picture file every label with its score, the highest score first.
  public func callAsFunction(_ files: [String]) throws -> [[LabelScore]] {
    var results = [[LabelScore]](repeating: [], count: files.count)
    try model.run(files, entry: model.entry, output: "logits") {
      results[$0] = model.model.description.scores(of: $1)
    }
    return results
  }
}

/// Turns pictures into vectors.
public struct PictureEmbedder {
  /// The model that sees the pictures.
  public let model: PictureModel
  private let entry, output: String

  /// An embedder over a model without a task head.
  ///
  /// - Throws: `TaskError` if the library's model has another task, or gives a picture no one vector.
  public init(_ model: PictureModel) throws {
    self.model = model
    let library = model.model
    entry = library.runner.inputs(of: "embed_image") == nil ? model.entry : "embed_image"
    let outputs = library.runner.outputs(of: entry) ?? []
    // A projected vector where there is one.
    guard library.description.head == .bare || library.description.head == .projection,
      let output = ["image_embeds", "pooler_output"].first(where: outputs.contains)
    else {
      throw TaskError(
        "\(library.name): embed needs a model that gives a picture one vector, found one for "
          + (library.description.head == .bare ? "no task" : library.description.head.rawValue))
    }
    self.output = output
  }

  /// One vector for each picture file: the model's `image_embeds`, else its `pooler_output`.
  public func callAsFunction(_ files: [String]) throws -> [[Float]] {
    var vectors = [[Float]](repeating: [], count: files.count)
    try model.run(files, entry: entry, output: output) { vectors[$0] = Array($1) }
    return vectors
  }
}
