/// From a graph's numbers to a score.
extension Facts {
  /// Named from this value on: as likely as not that a person would say so.
  private static let named = 0.5

  /// Read a graph's outputs.
  ///
  /// - Parameters:
  ///   - outputs: The numbers of every output that `outputs` names.
  ///   - photo: The photo they are of.
  ///   - embedding: Whether the caller wants it.
  ///   - notes: Sentences beside the photo's own.
  /// - Throws: ``ModelError`` if an output is missing, of another length, or not finite.
  package func score(
    _ outputs: [String: [Float]], of photo: Photo, embedding: Bool = false, notes: [String] = [],
    timings: Timings = Timings(decode: 0, resize: 0, inference: 0)
  ) throws(ModelError) -> Score {
    for name in self.outputs {
      guard let values = outputs[name], !values.isEmpty else {
        throw ModelError("the model gave no \(name), which its facts promise; export it again")
      }
      guard values.allSatisfy(\.isFinite) else {
        throw ModelError("the model gave a \(name) that is no number; export it again")
      }
    }
    guard let value = outputs["score"], value.count == 1 else {
      throw ModelError("the model gave \(outputs["score"]?.count ?? 0) scores, expected one")
    }
    let values = try reasonValues(outputs["reasons"] ?? [])
    return Score(
      value: Double(value[0]), minimum: scale.minimum, maximum: scale.maximum,
      tieWidth: model.tieWidth, reasons: namedReasons(values), reasonValues: values,
      embedding: embedding ? outputs["embedding"] : nil, width: photo.width, height: photo.height,
      notes: photo.notes + notes, timings: timings)
  }

  private func reasonValues(_ numbers: [Float]) throws(ModelError) -> [ReasonValue] {
    guard outputs.contains("reasons") else { return [] }
    guard numbers.count == reasons.count else {
      throw ModelError(
        "the model gave \(numbers.count) reasons, its facts name \(reasons.count); export it again")
    }
    return zip(reasons, numbers).map { ReasonValue(id: $0.id, value: Double($1)) }
  }

  /// Those of at least 0.5, the highest first, equal ones in the output's order.
  private func namedReasons(_ values: [ReasonValue]) -> [Reason] {
    zip(reasons, values).enumerated().filter { $0.element.1.value >= Self.named }
      .sorted { a, b in
        let (x, y) = (a.element.1.value, b.element.1.value)
        return x == y ? a.offset < b.offset : x > y
      }
      .map { Reason(id: $0.element.0.id, words: $0.element.0.words, value: $0.element.1.value) }
  }

  /// The good sides that the reasons speak against, in the order they first appear.
  public var qualities: [String] {
    reasons.reduce(into: []) { if !$0.contains($1.quality) { $0.append($1.quality) } }
  }

  /// 1 minus the highest reason against a quality; nil where the model has none against it.
  public func quality(_ quality: String, of score: Score) -> Double? {
    let ids = Set(reasons.filter { $0.quality == quality }.map(\.id))
    return score.reasonValues.filter { ids.contains($0.id) }.map(\.value).max().map { 1 - $0 }
  }
}
