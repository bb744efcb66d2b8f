import CBurin
import Dispatch

// What the threads that compute weights share.

/// The values that several pieces of work need at once, until other ones are needed.
final class LastValues<Key: Equatable, Element>: @unchecked Sendable {
  private let lock = DispatchSemaphore(value: 1)
  private var last: (key: Key, values: [Element])?

  /// The values of a key, made if they are not those that were asked for last.
  func values(of key: Key, _ make: () throws -> [Element]) throws -> [Element] {
    lock.wait()
    defer { lock.signal() }
    if let last, last.key == key { return last.values }
    last = nil
    let values = try make()
    last = (key, values)
    return values
  }
}

/// The first error of several pieces of work.
final class FirstFailure: @unchecked Sendable {
  private let lock = DispatchSemaphore(value: 1)
  private var error: (any Error)?

  func record(_ body: () throws -> Void) {
    do { try body() } catch {
      lock.wait()
      self.error = self.error ?? error
      lock.signal()
    }
  }

  func rethrow() throws { if let error { throw error } }
}

/// How much rounding took off the weights of products and large tables.
final class LossCounter: @unchecked Sendable {
  private let lock = DispatchSemaphore(value: 1)
  private var total = burin_loss(error: 0, weights: 0)

  func add(_ loss: burin_loss) {
    lock.wait()
    total.error += loss.error
    total.weights += loss.weights
    lock.signal()
  }

  /// The root mean square of the error over that of the weights; `nil` if none were rounded. Sums
  /// may come in any order, so only six places are given.
  var relative: Double? {
    lock.wait()
    defer { lock.signal() }
    guard total.weights > 0 else { return nil }
    return ((total.error / total.weights).squareRoot() * 1e6).rounded() / 1e6
  }
}
