extension JSONField {
  /// Reads the `type` of a part of a tokenizer, and looks for keys that parts of that type do not
  /// have: what they mean is unknown, so the ids could not be trusted.
  ///
  /// - Parameter keys: the keys of each type besides `type`.
  /// - Throws: for an unknown type or key, naming those that are known.
  func type(
    of keys: KeyValuePairs<ByteString, [ByteString]>
  ) throws(HubError) -> ByteString {
    guard let type = self["type"].value?.string, let known = keys.first(where: { $0.key == type })
    else {
      throw self["type"].error(expected: JSONField.list(keys.map(\.key)))
    }
    try requireKeys(["type"] + known.value)
    return type
  }

  /// Throws for a key that is not among those known, unless `null` stands there.
  func requireKeys(_ known: [ByteString]) throws(HubError) {
    for (key, field) in try members() where field.exists && !known.contains(key) {
      throw HubError(
        file: file, key: field.path, expected: "no key but \(JSONField.list(known))",
        found: field.value?.summary ?? "nothing")
    }
  }

  private static func list(_ names: [ByteString]) -> String {
    let names = names.map(\.description)
    guard let last = names.last, names.count > 1 else { return names.first ?? "none" }
    return names.dropLast().joined(separator: ", ") + " or " + last
  }
}
