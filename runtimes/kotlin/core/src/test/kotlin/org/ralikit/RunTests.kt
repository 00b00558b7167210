package org.ralikit

import org.junit.runner.Description
import org.junit.runner.JUnitCore
import org.junit.runner.notification.Failure
import org.junit.runner.notification.RunListener
import java.io.File
import java.util.jar.JarFile
import kotlin.system.exitProcess

/** Runs every class of a jar whose name ends in `Test`; the last line is `N passed, N failed`. */
public fun main(args: Array<String>) {
    val names =
        JarFile(File(args[0])).use { jar ->
            jar
                .entries()
                .asSequence()
                .map { it.name }
                .filter { it.endsWith("Test.class") && (args.size < 2 || args.drop(1).any { wanted -> wanted in it }) }
                .map { it.removeSuffix(".class").replace('/', '.') }
                .sorted()
                .toList()
        }
    var skipped = 0
    val core = JUnitCore()
    core.addListener(
        object : RunListener() {
            override fun testFailure(failure: Failure) {
                println("FAILED ${failure.testHeader}: ${failure.trace.lines().take(MOST_LINES).joinToString("\n  ")}")
            }

            override fun testAssumptionFailure(failure: Failure) {
                skipped++
                println("SKIPPED ${failure.testHeader}: ${failure.message}")
            }

            override fun testFinished(description: Description) = println("done ${description.displayName}")
        },
    )
    val result = core.run(*names.map { Class.forName(it) }.toTypedArray())
    val passed = result.runCount - result.failureCount - skipped
    println("${result.runTime / 1000} s, $skipped skipped")
    println("$passed passed, ${result.failureCount} failed")
    exitProcess(if (result.failureCount > 0 || result.runCount == 0) 1 else 0)
}

private const val MOST_LINES = 12
