// Nothing of this build has been run where the project is tested: there is no Gradle plugin there. The sources are
// compiled, shrunk, packed and signed by tests/native/android/app.sh, with the same flags.

plugins {
    alias(libs.plugins.kotlin.jvm) apply false
    alias(libs.plugins.kotlin.android) apply false
    id("com.android.application") version libs.versions.agp.get() apply false
}
