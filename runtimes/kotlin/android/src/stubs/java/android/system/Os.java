package android.system;

/** The one method that is called, for the compiler: this part of Android's API is in none of the lists at hand. */
public final class Os {
    private Os() {}

    public static native void setenv(String name, String value, boolean overwrite) throws ErrnoException;
}
