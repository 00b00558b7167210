import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    alias(libs.plugins.android.library)
    alias(libs.plugins.kotlin.android)
    `maven-publish`
}

android {
    namespace = "org.ralikit.android"
    compileSdk = 34

    defaultConfig {
        minSdk = 24
        consumerProguardFiles("consumer-rules.pro")
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_1_8
        targetCompatibility = JavaVersion.VERSION_1_8
    }

    publishing {
        singleVariant("release") { withSourcesJar() }
    }
}

kotlin {
    explicitApi()
    compilerOptions { jvmTarget.set(JvmTarget.JVM_1_8) }
}

dependencies {
    api(project(":ralikit-core"))
    api(project(":ralikit-onnx"))
    implementation(libs.coroutines.android)
    // No native code of our own. ONNX Runtime's libraries from 1.22 on are aligned to 16 KB pages.
    implementation(libs.onnxruntime.android)
    compileOnly(libs.litert) // optional: an application that opens .tflite files adds it
}

publishing {
    publications.register<MavenPublication>("release") {
        artifactId = "ralikit-android"
        afterEvaluate { from(components["release"]) }
    }
}
