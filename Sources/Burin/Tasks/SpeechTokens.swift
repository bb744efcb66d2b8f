import BurinHub

/// What Whisper is to do with sound.
public enum SpeechTask: String, Sendable, CaseIterable {
  /// Write what is said.
  case transcribe
  /// Write it in English.
  case translate
}

/// The tokens that tell Whisper what to do, as `generation_config.json` names them.
struct SpeechTokens {
  private let file: JSONField
  /// The token that begins every text.
  private let start: Int32
  /// The tokens of languages, such as `<|en|>`, in the file's order.
  private let languages: [(token: String, id: Int32)]
  /// The task and the language that the file itself asks for.
  private let task, language: String?
  /// The token that says that no timestamps are wanted; they follow it.
  let noTimestamps: Int?
  /// Whether timestamps are wanted where nothing else is said.
  let wantsTimestamps: Bool
  /// How far after the first timestamp a window may begin.
  let latestStart: Int?
  /// The token before what was said earlier.
  let startOfPrevious: Int32?
  /// Whether a window begins with what was said earlier where nothing else is said.
  let conditionsOnPrevious: Bool
  /// The thresholds of silence that the file itself names.
  let noSpeechThreshold, logProbabilityThreshold: Double?

  /// Reads the file.
  init(_ file: JSONField, start: Int32) throws(HubError) {
    self.file = file
    self.start = start
    let ids = 0...Int(Int32.max)
    var languages: [(String, Int32)] = []
    if file["lang_to_id"].exists {
      for (name, field) in try file["lang_to_id"].members() {
        languages.append((name.utf8String, Int32(try field.int(in: ids))))
      }
    }
    self.languages = languages
    func text(_ key: ByteString) throws(HubError) -> String? {
      file[key].exists ? try file[key].string().utf8String : nil
    }
    task = try text("task")
    language = try text("language")
    let field = file["no_timestamps_token_id"]
    noTimestamps = field.exists ? try field.int(in: ids) : nil
    wantsTimestamps = try file["return_timestamps"].bool(default: false)
    let latest = file["max_initial_timestamp_index"]
    latestStart = latest.exists ? try latest.int(in: ids) : nil
    startOfPrevious = try Self.startOfPrevious(file)
    conditionsOnPrevious = try file["condition_on_prev_tokens"].bool(default: false)
    func number(_ key: ByteString) throws(HubError) -> Double? {
      file[key].exists ? try file[key].double() : nil
    }
    noSpeechThreshold = try number("no_speech_threshold")
    logProbabilityThreshold = try number("logprob_threshold")
  }

  /// `prev_sot_token_id`; in older files it is the last but one of the tokens that are never written.
  private static func startOfPrevious(_ file: JSONField) throws(HubError) -> Int32? {
    if file["prev_sot_token_id"].exists {
      return Int32(try file["prev_sot_token_id"].int(in: 0...Int(Int32.max)))
    }
    return file["suppress_tokens"].value?.array?.dropLast().last?.int.flatMap {
      Int32(exactly: $0)
    }
  }

  /// The token that says that nobody speaks.
  var noSpeech: Int? { noTimestamps.flatMap { $0 > 0 ? $0 - 1 : nil } }

  /// The id of the first timestamp.
  var firstTimestamp: Int { noTimestamps.map { $0 + 1 } ?? Int.max }

  /// The language of a token, such as `en`; nil for a token of no language.
  func language(of id: Int32) -> String? {
    guard let token = languages.first(where: { $0.id == id })?.token else { return nil }
    return token.hasPrefix("<|") && token.hasSuffix("|>")
      ? String(token.dropFirst(2).dropLast(2)) : token
  }

  /// The tokens before a text, as transformers' `generate` puts them together.
  ///
  /// - Parameters:
  ///   - task: what to do; nil for what the file says.
  ///   - language: a code such as `en`, or a language's English name; nil for what the file says.
  ///   - detect: finds the language of the sound among tokens; called where nothing says it.
  func prompt(
    task: SpeechTask?, language: String?, timestamps: Bool,
    detect: (_ languages: [Int32]) throws -> Int32
  ) throws -> [Int32] {
    if try !file["is_multilingual"].bool(default: true), task != nil || language != nil {
      throw TaskError(
        .badOption, "language, task: the model knows one language only, and takes neither")
    }
    let task = task?.rawValue ?? self.task
    let language = language ?? self.language
    var tokens: [Int32?] = [start]
    if task == nil, language == nil { tokens += try forced() }
    if let language {
      put(try id(ofLanguage: language), into: &tokens)
    } else if !languages.isEmpty, tokens.count < 2 || tokens[1] == nil {
      put(try detect(languages.map(\.id)), into: &tokens)
    }
    let tasks = file["task_to_id"]
    func taskID(_ name: String) throws(HubError) -> Int32 {
      Int32(try tasks[ByteString(name)].int(in: 0...Int(Int32.max)))
    }
    if let task {
      guard SpeechTask(rawValue: task) != nil else {
        throw file["task"].error(expected: "transcribe or translate")
      }
      guard tasks.exists else {
        throw TaskError(
          .badOption, "task: generation_config.json has no task_to_id, so none can be chosen")
      }
      tokens.append(try taskID(task))
    } else if language != nil, tasks.exists {
      let known = try tasks.members().map { Int32(try $0.field.int(in: 0...Int(Int32.max))) }
      if !tokens.contains(where: { $0.map(known.contains) == true }) {
        tokens.append(try taskID("transcribe"))
      }
    }
    if let noTimestamps = noTimestamps.map(Int32.init) {
      if timestamps, tokens.last == .some(noTimestamps) { tokens.removeLast() }
      if !timestamps, tokens.last != .some(noTimestamps) { tokens.append(noTimestamps) }
    }
    return tokens.compactMap { $0 }
  }

  private func put(_ language: Int32, into tokens: inout [Int32?]) {
    if tokens.count > 1 { tokens[1] = language } else { tokens.append(language) }
  }

  /// The tokens of the old `forced_decoder_ids`, which count places from 1 on; nil is a language to
  /// be detected.
  private func forced() throws(HubError) -> [Int32?] {
    guard file["forced_decoder_ids"].exists else { return [] }
    var tokens: [Int32?] = []
    let pairs = try file["forced_decoder_ids"].array()
    guard let first = pairs.first, try first[0].int() == 1 else { return [] }
    for (index, pair) in pairs.enumerated() {
      _ = try pair[0].int(in: index + 1...index + 1)
      tokens.append(pair[1].exists ? Int32(try pair[1].int(in: 0...Int(Int32.max))) : nil)
    }
    return tokens
  }

  private func id(ofLanguage name: String) throws -> Int32 {
    let name = name.lowercased()
    let code = speechLanguages.first { $0.key == name }?.value ?? name
    if let id = languages.first(where: { $0.token == name || $0.token == "<|\(code)|>" })?.id {
      return id
    }
    if languages.isEmpty {
      throw TaskError(
        .badOption, "language: generation_config.json has no lang_to_id, so none can be chosen")
    }
    let known = languages.compactMap { language(of: $0.id) }.joined(separator: ", ")
    throw TaskError(
      .badOption, "language: expected one of \(known), found \"\(printable(name.utf8))\"")
  }
}
