import BurinHub
import CBurin
import Glibc

/// A program to run: an absolute path and its arguments as they stand, with no shell in between.
struct Command: Sendable {
  var path: String
  var arguments: [String]
  /// Where it runs.
  var directory: String
  /// After so much processor time it is killed, with everything that it started; and after as much
  /// time on the clock, but for twenty times what it had of a processor: one that waits for ever
  /// hangs, one that waits for its turn on a busy machine does not.
  var timeLimit: Duration = .seconds(120)
}

/// How a command ended and what it said on standard output and standard error.
struct CommandResult: Sendable {
  enum End: Sendable, Equatable {
    case exited(Int32)
    case killed(signal: Int32)
    case timedOut
    case notStarted(String)
  }

  var end: End
  /// The first megabyte of what it said.
  var words: [UInt8] = []

  var succeeded: Bool { end == .exited(0) }
  var text: String { String(decoding: words, as: UTF8.self) }

  /// How it ended, for a message: `was killed by signal 9`.
  var fate: String {
    switch end {
    case .exited(let status): "ended with status \(status)"
    case .killed(let signal): "was killed by signal \(signal)"
    case .timedOut: "did not end within its time limit and was killed"
    case .notStarted(let reason): "could not be started: \(reason)"
    }
  }
}

extension Command {
  /// Runs commands side by side, at most `atMost` at a time; the results are in their order.
  ///
  /// Blocks the calling thread and uses no other, so it may be called from anywhere.
  static func run(_ commands: [Command], atMost: Int = 1) -> [CommandResult] {
    var results = [CommandResult?](repeating: nil, count: commands.count)
    var running: [RunningCommand] = []
    var next = 0
    while next < commands.count || !running.isEmpty {
      while next < commands.count, running.count < max(1, atMost) {
        switch RunningCommand.start(commands[next], index: next) {
        case .success(let command): running.append(command)
        case .failure(let failure): results[next] = CommandResult(end: failure.end)
        }
        next += 1
      }
      RunningCommand.waitForNews(running)
      running = running.filter { command in
        guard let result = command.poll() else { return true }
        results[command.index] = result
        return false
      }
    }
    return results.compactMap { $0 }
  }

  /// Runs this command alone.
  func run() -> CommandResult { Command.run([self])[0] }
}

/// A process that has been started and the pipe that it talks into.
private final class RunningCommand {
  struct Failure: Error {
    var end: CommandResult.End
  }

  let index: Int
  private let process: Int32
  private let pipe: Int32
  private let start = ContinuousClock.now
  private let timeLimit: Duration
  private var words: [UInt8] = []
  private var isPipeOpen = true

  private init(index: Int, process: Int32, pipe: Int32, timeLimit: Duration) {
    self.index = index
    self.process = process
    self.pipe = pipe
    self.timeLimit = timeLimit
  }

  deinit {
    close(pipe)
    Leftovers.remove(processGroup: process)
  }

  static func start(_ command: Command, index: Int) -> Result<RunningCommand, Failure> {
    let arguments = ([command.path] + command.arguments).map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var process: Int32 = 0
    var pipe: Int32 = -1
    var failure: Int32 = 0
    Leftovers.start {
      failure = burin_spawn(command.path, arguments, command.directory, &pipe, &process)
      return failure == 0 ? process : nil
    }
    guard failure == 0 else {
      return .failure(Failure(end: .notStarted(systemMessage(failure))))
    }
    return .success(
      RunningCommand(index: index, process: process, pipe: pipe, timeLimit: command.timeLimit))
  }

  /// Sleeps until one of the commands says something or ends, or a moment has passed.
  static func waitForNews(_ commands: [RunningCommand]) {
    var pipes = commands.filter(\.isPipeOpen).map {
      pollfd(fd: $0.pipe, events: Int16(POLLIN), revents: 0)
    }
    // A closed pipe means that the process is about to end: look again at once.
    let patience: Int32 = pipes.count < commands.count ? 1 : 50
    _ = Glibc.poll(&pipes, nfds_t(pipes.count), patience)
  }

  /// Reads what there is; the result once the process has ended or been killed.
  func poll() -> CommandResult? {
    readWords()
    var status: Int32 = 0
    if waitpid(process, &status, WNOHANG) == process {
      readWords()
      // Whatever it left behind holds the pipe open and must not run on.
      kill(-process, SIGKILL)
      let signal = status & 0x7f
      return CommandResult(
        end: signal == 0 ? .exited((status >> 8) & 0xff) : .killed(signal: signal), words: words)
    }
    guard isLate else { return nil }
    kill(-process, SIGKILL)
    waitpid(process, &status, 0)
    return CommandResult(end: .timedOut, words: words)
  }

  /// Whether its time is over.
  private var isLate: Bool {
    let elapsed = ContinuousClock.now - start
    guard elapsed >= timeLimit else { return false }
    // That of the compiler itself, which does the work of its own commands in one process; what it
    // starts besides has the time on the clock.
    var clock = clockid_t()
    var used = timespec()
    guard clock_getcpuclockid(process, &clock) == 0, clock_gettime(clock, &used) == 0 else {
      return true
    }
    let worked = Duration.seconds(used.tv_sec) + .nanoseconds(used.tv_nsec)
    return worked >= timeLimit || elapsed >= timeLimit + worked * 20
  }

  private func readWords() {
    let room = 65536
    var buffer = [UInt8](repeating: 0, count: room)
    while isPipeOpen {
      let count = read(pipe, &buffer, room)
      if count == 0 { isPipeOpen = false }
      if count < 0, errno == EINTR { continue }
      if count <= 0 { return }
      if words.count < 1 << 20 { words += buffer[..<count] }
    }
  }
}

/// What the system says about an error number, by default the latest one.
func systemMessage(_ code: Int32 = errno) -> String { String(cString: strerror(code)) }
