import BurinHub

/// The text of a growing sequence of tokens, given out as soon as no later token can change it.
struct GeneratedText {
  /// What has been given out; nil without a tokenizer.
  private(set) var all: String?
  /// Whether one of the stops has been met.
  private(set) var hasStopped = false

  private var decoder: StreamingDecoder?
  private let stops: [[UInt8]]
  private let cleansUp: Bool
  /// All decoded text, and how much of it, cleaned up, has been given out.
  private var raw = ""
  private var given = 0

  /// The longest thing that cleaning up changes, less one byte: `" n't"`.
  private static let reach = 3

  init(_ model: TextModel, stops: [String]) throws {
    guard !stops.contains("") else {
      throw TaskError(.badOption, "stop: expected a text, found an empty one")
    }
    self.stops = stops.map { Array($0.utf8) }
    cleansUp =
      model.description.tokenizerConfig["clean_up_tokenization_spaces"]?.bool ?? false
    if model.hasTokenizer {
      decoder = StreamingDecoder(try model.tokenizer())
      all = ""
    } else if !stops.isEmpty {
      _ = try model.tokenizer()
    }
  }

  /// Takes a token; gives the text that is certain by now.
  mutating func append(_ token: Int32) throws -> String {
    guard decoder != nil else { return "" }
    raw += try decoder!.append(token)
    return advance(isLast: false)
  }

  /// Gives the rest.
  mutating func finish() throws -> String {
    guard decoder != nil, !hasStopped else { return "" }
    raw += try decoder!.finish()
    return advance(isLast: true)
  }

  private mutating func advance(isLast: Bool) -> String {
    guard !hasStopped else { return "" }
    let text = Array((cleansUp ? Tokenizer.cleanUpSpaces(raw) : raw).utf8)
    var end = text.count
    if let stop = stops.compactMap({ firstPlace(of: $0, in: text) }).min() {
      hasStopped = true
      end = stop
    } else if !isLast {
      if cleansUp { end -= Self.reach }
      // What may be the beginning of a stop waits for what follows.
      end = stops.map { text.count - overlap(text, $0) }.reduce(end, min)
      while end > given, end < text.count, text[end] & 0xC0 == 0x80 { end -= 1 }
    }
    guard end > given else { return "" }
    let piece = String(decoding: text[given..<end], as: UTF8.self)
    given = end
    all? += piece
    return piece
  }

  /// Where a stop begins in text that has not been given out.
  private func firstPlace(of stop: [UInt8], in text: [UInt8]) -> Int? {
    guard text.count - stop.count >= given else { return nil }
    return (given...text.count - stop.count).first {
      text[$0..<$0 + stop.count].elementsEqual(stop)
    }
  }

  /// How many bytes at the end of a text are the beginning of a stop.
  private func overlap(_ text: [UInt8], _ stop: [UInt8]) -> Int {
    let longest = min(stop.count - 1, text.count - given)
    guard longest > 0 else { return 0 }
    return (1...longest).reversed().first { text.suffix($0).elementsEqual(stop.prefix($0)) } ?? 0
  }
}
