/// Percentiles of samples, linear between neighbours: what numpy gives.
public enum Percentile {
  /// - Parameters:
  ///   - share: 0 to 1.
  ///   - values: Any order.
  /// - Returns: Nil where there are no values.
  public static func of(_ share: Double, in values: [Double]) -> Double? {
    of([share], in: values).first
  }

  /// Several at once; empty where there are no values.
  public static func of(_ shares: [Double], in values: [Double]) -> [Double] {
    guard !values.isEmpty else { return [] }
    let sorted = values.sorted()
    return shares.map { share in
      let at = min(max(share, 0), 1) * Double(sorted.count - 1)
      let low = Int(at)
      let high = min(low + 1, sorted.count - 1)
      return sorted[low] + (sorted[high] - sorted[low]) * (at - Double(low))
    }
  }
}
