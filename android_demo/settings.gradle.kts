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
    versionCatalogs {
        create("libs") { from(files("../runtimes/kotlin/gradle/libs.versions.toml")) }
    }
}

rootProject.name = "ralikit-demo"

// The library as it stands beside: org.ralikit:ralikit-android is built from there.
includeBuild("../runtimes/kotlin")
include(":logic", ":app")
