import BurinHub
import BurinIR
import BurinPasses

extension Schedules {
  /// The schedules as a library's description has them, by kernel; `null` without any.
  var json: JSON {
    guard !chosen.isEmpty else { return .null }
    return .object(
      JSONObject(
        chosen.sorted { $0.key < $1.key }.map {
          JSONObject.Member(ByteString($0.key), JSON($0.value.description))
        }))
  }

  /// Reads the schedules of a description; none where nothing stands.
  init(_ field: JSONField) throws(HubError) {
    self.init()
    guard field.exists else { return }
    for (key, field) in try field.members() {
      guard let schedule = Schedule(try field.string().utf8String) else {
        throw field.error(expected: "a schedule such as rows 1024")
      }
      chosen[key.utf8String] = schedule
    }
  }
}

extension Duration {
  /// The duration in seconds.
  var seconds: Double {
    Double(components.seconds) + Double(components.attoseconds) * 1e-18
  }
}
