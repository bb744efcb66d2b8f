import BurinHub
import Glibc

/// The mark by which libomp tells itself in one process from another one: a file in shared memory that
/// is named after the process.
public enum OpenMPRegistration {
  /// Makes loading libomp safe, and its mark a leftover; call it before each time that libomp may be
  /// loaded.
  ///
  /// A process that was killed leaves its mark behind, and one that was killed while it made it, an
  /// empty one: libomp would crash on that in a later process of the same number.
  public static func prepare() {
    let mark = "/dev/shm/__KMP_REGISTERED_LIB_\(getpid())_\(getuid())"
    if let loaded = dlopen("libomp.so.5", RTLD_LAZY | RTLD_NOLOAD) {
      dlclose(loaded)
    } else {
      unlink(mark)
    }
    Leftovers.add(mark)
  }
}
