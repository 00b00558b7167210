package android.system;

/** As `Os`. */
public final class ErrnoException extends Exception {
    private ErrnoException() {}
}
