pluginManagement {
    repositories {
        google()
        mavenCentral()
        gradlePluginPortal()
    }
}

dependencyResolutionManagement {
    repositoriesMode.set(RepositoriesMode.FAIL_ON_PROJECT_REPOS)
    repositories {
        google()
        mavenCentral()
    }
}

rootProject.name = "ralikit-kotlin"

include(":core", ":onnx", ":android")
project(":core").name = "ralikit-core"
project(":onnx").name = "ralikit-onnx"
project(":android").name = "ralikit-android"
