import Burin
import BurinHub

extension Meter {
  /// An encoder-decoder from a source to a whole target, as `generate` does it.
  func translation(
    _ text: TextModel, source: Int, count: Int, beams: Int
  ) throws -> Result {
    try check("--prompt", source, "seq")
    try check("--generate", count, "context")
    try check("--num-beams", beams, "batch")
    guard let port = model.entry("encode")?.inputs.first(where: { $0.name == "input_ids" })
    else { throw Failure.input("encode: expected the input input_ids, found none") }
    let range = Int32(clamping: port.range.lowerBound)...Int32(clamping: port.range.upperBound)
    let ids = (0..<source).map { _ in Int32.random(in: range) }
    let generator = try Generator(text)
    var options = GenerationOptions()
    options.maximumNewTokens = count
    options.ignoresEndTokens = true
    options.beams = beams
    var ceiling = Ceiling(threads: threads, precision: precision)
    ceiling.measure()
    let times = try times(atMost: 50) { _ = try generator(ids, options) }
    let profile = Profile(profiled?.takeLaps())
    ceiling.measure()
    let median = quantile(times, 0.5)
    let extents = ["batch": beams, "seq": source, "target": 1, "context": max(1, count / 2)]
    var least: Double?
    if let encode = work("encode", extents), let step = work("step", extents) {
      least = ceiling.seconds(for: encode) + Double(count) * ceiling.seconds(for: step)
    }
    let share = least.map { $0 / median }
    var result = Result()
    result.members = [
      ("median_ms", .score(median * 1e3)), ("min_ms", .score(times[0] * 1e3)),
      ("p25_ms", .score(quantile(times, 0.25) * 1e3)),
      ("p75_ms", .score(quantile(times, 0.75) * 1e3)), ("runs", JSON(times.count)),
      ("tokens_per_second", .score(Double(count) / median)), ("prompt", JSON(source)),
      ("generate", JSON(count)), ("num_beams", JSON(beams)), ("threads", JSON(threads)),
      ("dtype", JSON(precision.rawValue)), ("peak_share", JSON(share.map { .score($0) })),
      ("ceiling", ceiling.json),
    ]
    if let profile { result.members.append(("profile", profile.json)) }
    let part = share.map { ", \(decimal($0 * 100, 1)) % of the ceiling" } ?? ""
    result.text = """
      \(count) tokens from a source of \(source), \(beams == 1 ? "greedy" : "\(beams) beams"): \
      median \(decimal(median * 1e3, 1)) ms of \(times.count) runs\(part)
      \(threads) thread\(threads == 1 ? "" : "s"); ceiling: \(ceiling.text)

      """
    result.text += profile?.text(calls: times.count) ?? ""
    return result
  }
}
