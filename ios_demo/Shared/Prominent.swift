import SwiftUI

extension View {
  /// A screen's main button. The system writes white on the accent colour, which is too faint on the
  /// light accent of dark mode.
  func prominent() -> some View {
    buttonStyle(.borderedProminent).foregroundStyle(Color("OnAccent"))
  }
}
