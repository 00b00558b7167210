import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    alias(libs.plugins.kotlin.jvm)
    `maven-publish`
}

kotlin {
    explicitApi()
    compilerOptions { jvmTarget.set(JvmTarget.JVM_1_8) }
}

java {
    sourceCompatibility = JavaVersion.VERSION_1_8
    targetCompatibility = JavaVersion.VERSION_1_8
    withSourcesJar()
}

dependencies {
    api(project(":ralikit-core"))
    // The Java API is the same in ONNX Runtime's two packages: which of them runs is the application's choice.
    compileOnly(libs.onnxruntime)
}

// The tests of this folder share the core's golden vectors: tests/native/android/library.sh compiles and runs both
// together.

publishing {
    publications.create<MavenPublication>("library") {
        artifactId = "ralikit-onnx"
        from(components["java"])
    }
}
