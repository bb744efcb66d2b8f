import BurinHub
import Glibc

/// Ends the process on Ctrl-C and its like without leaving temporary files behind.
enum Interruption {
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
        while sigwait(waited, &signal) != 0 {}
        Leftovers.removeAllAndExit(128 + signal)
      }, waited)
  }
}
