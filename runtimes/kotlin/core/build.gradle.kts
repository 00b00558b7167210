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
    api(libs.coroutines.core) // Flow stands in the API
    testImplementation(libs.kotlin.test.junit)
    testImplementation(libs.junit)
}

tasks.test {
    systemProperty("ralikit.golden", rootDir.resolve("../golden").path)
    maxHeapSize = "800m"
}

publishing {
    publications.create<MavenPublication>("library") {
        artifactId = "ralikit-core"
        from(components["java"])
    }
}
