import BurinHub
import Glibc
import Synchronization

/// Ends the process on Ctrl-C and its like without leaving temporary files behind; in a conversation
/// Ctrl-C ends only the answer.
enum Interruption {
  private struct State {
    var isConversing = false
    var isAnswering = false
    var wantsNoMore = false
  }

  private static let state = Mutex(State())

  /// Lets a thread of its own wait for the signals; call before any other thread is started, since
  /// threads inherit that they are blocked.
  static func watch() {
    var signals = sigset_t()
    sigemptyset(&signals)
    for signal in [SIGINT, SIGTERM, SIGHUP] {
      // What the parent had ignored, such as under nohup, stays so.
      var action = sigaction()
      sigaction(signal, nil, &action)
      let handler = unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
      if handler == unsafeBitCast(SIG_IGN, to: Int.self) { continue }
      sigaddset(&signals, signal)
    }
    pthread_sigmask(SIG_BLOCK, &signals, nil)
    var thread = pthread_t()
    let waited = UnsafeMutablePointer<sigset_t>.allocate(capacity: 1)
    waited.initialize(to: signals)
    pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        let waited = argument.assumingMemoryBound(to: sigset_t.self)
        var signal: Int32 = 0
        while true {
          while sigwait(waited, &signal) != 0 {}
          if signal != SIGINT || !Interruption.isTaken() { break }
        }
        Leftovers.removeAllAndExit(128 + signal)
      }, waited)
  }

  // MARK: Conversations

  /// Whether somebody converses, who may want to stop an answer, or has pressed the wrong key.
  static func isConversing(_ value: Bool) { state.withLock { $0.isConversing = value } }

  /// An answer begins, which can be stopped.
  static func beginAnswer() {
    state.withLock { ($0.isAnswering, $0.wantsNoMore) = (true, false) }
  }

  /// An answer has ended.
  static func endAnswer() { state.withLock { $0.isAnswering = false } }

  /// Whether the answer shall end.
  static var wantsNoMore: Bool { state.withLock { $0.wantsNoMore } }

  /// Whether Ctrl-C was meant for an answer, or came between two of them.
  private static func isTaken() -> Bool {
    state.withLock { state in
      if state.isAnswering {
        state.wantsNoMore = true
        return true
      }
      // The terminal has dropped what was typed so far.
      if state.isConversing { Standard.prompt("\n(Ctrl-D ends the conversation)\n> ") }
      return state.isConversing
    }
  }
}
