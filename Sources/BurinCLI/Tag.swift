import ArgumentParser
import Burin
import BurinHub

/// `burin tag`
struct Tag: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Find entities in texts.",
    discussion: """
      Writes a line for each entity (label, score, start, end, text, separated by tabs) and an empty \
      line after each text; with --json {"results": [[{"entity", "score", "start", "end", "text"}, \
      ...], ...]}. Start and end count Unicode scalars.
      """)

  @OptionGroup var options: LibraryOptions
  @OptionGroup var input: TextOptions

  func run() throws {
    let tagger = try EntityTagger(options.model())
    let results = try tagger(input.texts())
    if options.json {
      let rows = results.map { entities in
        JSON.array(
          entities.map {
            [
              "entity": JSON($0.entity), "score": .score($0.score), "start": JSON($0.start),
              "end": JSON($0.end), "text": JSON($0.text),
            ]
          })
      }
      return try Standard.output(["results": .array(rows)])
    }
    for entities in results {
      for found in entities {
        try Standard.output(
          "\(line(found.entity))\t\(Float(found.score))\t\(found.start)\t\(found.end)\t"
            + line(found.text) + "\n")
      }
      try Standard.output("\n")
    }
  }
}
