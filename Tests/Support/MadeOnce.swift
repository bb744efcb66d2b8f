import Synchronization

/// Things that tests share, each made by whoever asks for it first: those of different names are made
/// side by side, and only who asks for one that is being made waits for it.
public final class MadeOnce<Value: Sendable>: Sendable {
  /// One of them, once it has been asked for.
  private final class Slot: Sendable {
    let result = Mutex<Result<Value, any Error>?>(nil)
  }

  private let slots = Mutex<[String: Slot]>([:])

  /// Nothing yet.
  public init() {}

  /// The thing of this name.
  ///
  /// - Throws: what `make` threw when it was asked for first.
  public func callAsFunction(_ name: String, _ make: () throws -> Value) throws -> Value {
    let slot = slots.withLock { slots in
      let slot = slots[name] ?? Slot()
      slots[name] = slot
      return slot
    }
    return try slot.result.withLock { result in
      let known = result ?? Result { try make() }
      result = known
      return known
    }.get()
  }
}
