import ArgumentParser

/// The command `burin`.
@main
struct BurinCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "burin", abstract: "Compiles Transformers into shared libraries.")
}
