import Foundation

/// `mini`, the small scorer that comes with ralikit, as a resource of the app.
public enum RaliMini {
  /// Where the package lies; nil where `get-mini.sh` was not run before the app was built.
  public static var modelURL: URL? {
    let model = Bundle.module.resourceURL?.appendingPathComponent("Model/mini.mlpackage")
    return model.flatMap { FileManager.default.fileExists(atPath: $0.path) ? $0 : nil }
  }
}
