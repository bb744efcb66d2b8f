/// The image processors of transformers that are known: what stands in the place of absent keys.
private struct ImageProcessor: Sendable {
  let name: String
  let resize: PicturePreparation.Resize
  let resampling: Resampling
  let crop: PictureSize?
  let mean, deviation: [Float]
  /// Whether one number is the length of the shorter side rather than of both.
  let isShortestEdge: Bool

  static let all = [vit, deit, clip, siglip, bit]

  private static let side = PictureSize(height: 224, width: 224)
  private static let half: [Float] = [0.5, 0.5, 0.5]
  private static let clipMean: [Float] = [0.48145466, 0.4578275, 0.40821073]
  private static let clipDeviation: [Float] = [0.26862954, 0.26130258, 0.27577711]

  static let vit = ImageProcessor(
    name: "ViT", resize: .exactly(side), resampling: .bilinear, crop: nil, mean: half,
    deviation: half, isShortestEdge: false)
  static let deit = ImageProcessor(
    name: "DeiT", resize: .exactly(PictureSize(height: 256, width: 256)), resampling: .bicubic,
    crop: side, mean: half, deviation: half, isShortestEdge: false)
  static let clip = ImageProcessor(
    name: "CLIP", resize: .shortestEdge(224), resampling: .bicubic, crop: side, mean: clipMean,
    deviation: clipDeviation, isShortestEdge: true)
  static let siglip = ImageProcessor(
    name: "Siglip", resize: .exactly(side), resampling: .bicubic, crop: nil, mean: half,
    deviation: half, isShortestEdge: false)
  static let bit = ImageProcessor(
    name: "Bit", resize: .shortestEdge(224), resampling: .bicubic, crop: side, mean: clipMean,
    deviation: clipDeviation, isShortestEdge: true)

  /// The one that a model type has where no file says another.
  static func standard(for modelType: String) -> ImageProcessor? {
    switch modelType {
    case "vit": vit
    case "deit": deit
    case "clip", "clip_vision_model": clip
    case "siglip", "siglip_vision_model": siglip
    case "dinov2", "dinov2_with_registers": bit
    default: nil
    }
  }
}

extension PicturePreparation {
  /// Reads `preprocessor_config.json`.
  ///
  /// - Parameter modelType: chooses the processor where the file does not name one.
  public init(_ config: JSONField, modelType: String) throws(HubError) {
    guard config.value?.object != nil else { throw config.error(expected: "an object") }
    let processor = try ImageProcessor(config, modelType: modelType)
    resize = nil
    if try config["do_resize"].flag(default: true) {
      resize =
        try config["size"].exists
        ? config["size"].resize(shortestEdge: processor.isShortestEdge) : processor.resize
    }
    let filter = try config["resample"].int(
      in: 0...5, default: processor.resampling.rawValue)
    resampling = Resampling(rawValue: filter) ?? processor.resampling
    crop = nil
    if processor.crop != nil, try config["do_center_crop"].flag(default: true) {
      crop = try config["crop_size"].exists ? config["crop_size"].pictureSize() : processor.crop
    }
    scale =
      try config["do_rescale"].flag(default: true)
      ? config["rescale_factor"].double(default: 1 / 255) : nil
    normalization =
      try config["do_normalize"].flag(default: true)
      ? Normalization(
        mean: config["image_mean"].colours(default: processor.mean, isDivisor: false),
        deviation: config["image_std"].colours(default: processor.deviation, isDivisor: true))
      : nil
  }
}

extension ImageProcessor {
  fileprivate init(_ config: JSONField, modelType: String) throws(HubError) {
    // Files of 2022 name a feature extractor.
    for key: ByteString in ["image_processor_type", "feature_extractor_type"]
    where config[key].exists {
      let name = try config[key].string().utf8String
      let known = ImageProcessor.all.first { processor in
        ["ImageProcessor", "ImageProcessorFast", "FeatureExtractor"]
          .contains { name == processor.name + $0 }
      }
      guard let known else {
        let names = ImageProcessor.all.map { $0.name + "ImageProcessor" }
        throw config[key].error(expected: "one of " + names.joined(separator: ", "))
      }
      self = known
      return
    }
    guard let standard = ImageProcessor.standard(for: modelType) else {
      throw config["image_processor_type"].error(expected: "the name of an image processor")
    }
    self = standard
  }
}

extension JSONField {
  private static let side = 1...1 << 14

  /// A size: one number, height and width, or the shorter side's length.
  fileprivate func resize(
    shortestEdge: Bool
  ) throws(HubError) -> PicturePreparation.Resize {
    if shortestEdge {
      if value?.object == nil, value?.array == nil {
        return .shortestEdge(try int(in: JSONField.side))
      }
      if self["shortest_edge"].exists {
        return .shortestEdge(try self["shortest_edge"].int(in: JSONField.side))
      }
    }
    return .exactly(try pictureSize())
  }

  /// The size of a picture: one number for a square, `[height, width]`, or the two by their names.
  fileprivate func pictureSize() throws(HubError) -> PictureSize {
    if value?.object != nil {
      return PictureSize(
        height: try self["height"].int(in: JSONField.side),
        width: try self["width"].int(in: JSONField.side))
    }
    if value?.array != nil {
      let sides = try array()
      guard sides.count == 2 else { throw error(expected: "height and width") }
      return PictureSize(
        height: try sides[0].int(in: JSONField.side), width: try sides[1].int(in: JSONField.side))
    }
    let side = try int(in: JSONField.side)
    return PictureSize(height: side, width: side)
  }

  /// A number for each of the three colours; a single one stands for all.
  fileprivate func colours(default absent: [Float], isDivisor: Bool) throws(HubError) -> [Float] {
    guard exists else { return absent }
    let fields = value?.array == nil ? [self, self, self] : try array()
    guard fields.count == 3 else { throw error(expected: "a number for each of three colours") }
    var colours: [Float] = []
    for field in fields {
      let number = Float(try field.double())
      guard number.isFinite, !isDivisor || number != 0 else {
        throw field.error(expected: "a number" + (isDivisor ? " other than 0" : ""))
      }
      colours.append(number)
    }
    return colours
  }
}
