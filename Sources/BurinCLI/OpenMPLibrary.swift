import Burin
import Glibc

/// The libomp that compiled libraries would get.
enum OpenMPLibrary {
  /// Its path; nil if there is none.
  static var path: String? {
    OpenMPRegistration.prepare()
    guard dlopen("libomp.so.5", RTLD_LAZY | RTLD_LOCAL) != nil else { return nil }
    // The loader's own name for it is what we gave; the kernel knows the file.
    guard let file = fopen("/proc/self/maps", "r") else { return "libomp.so.5" }
    defer { fclose(file) }
    var line: UnsafeMutablePointer<CChar>?
    var room = 0
    defer { free(line) }
    while getline(&line, &room, file) > 0, let line {
      let text = String(cString: line)
      guard text.contains("libomp"), let start = text.firstIndex(of: "/") else { continue }
      return String(text[start...].prefix { $0 != "\n" })
    }
    return "libomp.so.5"
  }
}
