// Ranks the lines of a file by how close in meaning they are to a question.
//
//   rank-sample model.so sentences.txt "why does a candle go out?"

import Burin
import Glibc

/// Writes to standard error.
func note(_ text: String) {
  _ = Array(text.utf8).withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
}

func fail(_ message: String, _ status: Int32) -> Never {
  note("rank-sample: \(message)\n")
  exit(status)
}

/// What a piece of work took, in milliseconds.
func milliseconds(_ work: () throws -> Void) rethrows -> Int {
  let time = try ContinuousClock().measure(work).components
  return Int(time.seconds) * 1000 + Int(time.attoseconds / 1_000_000_000_000_000)
}

/// The cosine of the angle between two vectors.
func cosine(_ a: [Float], _ b: [Float]) -> Float {
  func dot(_ a: [Float], _ b: [Float]) -> Float { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
  return dot(a, b) / max(dot(a, a) * dot(b, b), .leastNormalMagnitude).squareRoot()
}

/// Tells people how far the work is; silent where nobody watches.
func progress(_ done: Int, of all: Int) {
  guard isatty(2) == 1 else { return }
  note(done < all ? "\r\(done) of \(all) sentences" : "\r\u{1B}[K")
}

func rank(library: String, sentences: [String], question: String) throws {
  let model = try SentenceEmbedder(TextModel(library))
  var vectors: [[Float]] = []
  let reading = try milliseconds {
    while vectors.count < sentences.count {
      vectors += try model(Array(sentences[vectors.count...].prefix(32)))
      progress(vectors.count, of: sentences.count)
    }
  }
  var asked: [Float] = []
  let asking = try milliseconds { asked = try model([question])[0] }
  print("\(sentences.count) sentences read in \(reading) ms, the question in \(asking) ms")
  print("\(question)")
  let scores = vectors.map { cosine($0, asked) }
  for place in scores.indices.sorted(by: { scores[$0] > scores[$1] }).prefix(5) {
    let hundredths = Int((scores[place] * 100).rounded())
    let score = "\(abs(hundredths) / 100).\(abs(hundredths) / 10 % 10)\(abs(hundredths) % 10)"
    print("  \(hundredths < 0 ? "-" : " ")\(score)  \(sentences[place])")
  }
}

guard CommandLine.arguments.count == 4 else {
  fail("expected a library, a file of sentences and a question", 64)
}
do {
  let text = try RegularFile(path: CommandLine.arguments[2]).contents(limit: 1 << 24)
  let sentences = text.split(separator: UInt8(ascii: "\n")).map {
    String(decoding: $0, as: UTF8.self)
  }
  try rank(
    library: CommandLine.arguments[1], sentences: sentences, question: CommandLine.arguments[3])
} catch {
  fail("\(error)", 65)
}
