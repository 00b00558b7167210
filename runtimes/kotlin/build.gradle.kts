// Nothing of this build has been run where the project is tested: there is no Gradle plugin there. The sources are
// compiled by tests/native/android/library.sh, with the same flags.

plugins {
    alias(libs.plugins.kotlin.jvm) apply false
    alias(libs.plugins.kotlin.android) apply false
    alias(libs.plugins.android.library) apply false
}

subprojects {
    group = "org.ralikit"
    version = "0.1.0"
}
