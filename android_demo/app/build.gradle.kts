import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    id("com.android.application")
    alias(libs.plugins.kotlin.android)
}

android {
    namespace = "org.ralikit.demo.app"
    compileSdk = 34

    defaultConfig {
        applicationId = "org.ralikit.demo.app"
        minSdk = 24
        targetSdk = 34
        versionCode = 1
        versionName = "0.1"
        ndk { abiFilters += "arm64-v8a" }
    }

    buildTypes {
        release {
            isMinifyEnabled = true
            proguardFiles("proguard-rules.pro")
        }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_1_8
        targetCompatibility = JavaVersion.VERSION_1_8
    }

    androidResources { noCompress += "onnx" }
}

kotlin {
    compilerOptions { jvmTarget.set(JvmTarget.JVM_1_8) }
}

dependencies {
    implementation(project(":logic"))
    implementation("org.ralikit:ralikit-android")
}

// The model is exported, not kept here: ./gradlew -Pralikit.model=FILE, or model/mini-int8.onnx.
val model = rootDir.resolve(providers.gradleProperty("ralikit.model").getOrElse("model/mini-int8.onnx"))
val copyModel =
    tasks.register<Copy>("copyModel") {
        val file = model
        doFirst { require(file.isFile) { "$file is missing: export it as android_demo/README.md says" } }
        from(file)
        into(layout.buildDirectory.dir("model"))
        rename { "mini-int8.onnx" }
    }
android.sourceSets["main"].assets.srcDir(layout.buildDirectory.dir("model"))
tasks.named("preBuild") { dependsOn(copyModel) }
