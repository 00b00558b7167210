package org.ralikit.demo

import org.ralikit.EngineReport
import org.ralikit.Facts
import org.ralikit.Records

/** The value below which [share] (0 to 1) of [values] lies, linear between samples; NaN where there are none. */
fun percentile(
    values: List<Double>,
    share: Double,
): Double {
    if (values.isEmpty()) return Double.NaN
    val sorted = values.sorted()
    val at = share * (sorted.size - 1)
    val low = at.toInt()
    return sorted[low] + (sorted[minOf(low + 1, sorted.size - 1)] - sorted[low]) * (at - low)
}

/** The phone that ran a benchmark; thermal state as the system names it, before and after. */
data class Phone(
    val name: String,
    val os: String,
    val chip: String,
    val cores: Int,
    val memoryBytes: Long,
    val emulated: Boolean,
)

/** State before or after: `unknown` is honest. */
data class Condition(
    val thermal: String = "unknown",
    val power: String = "unknown",
)

/** What a benchmark measured, seconds and bytes. */
class Measured(
    val warmups: Int,
    val inference: List<Double>,
    val endToEnd: List<Double>,
    val decode: List<Double>,
    val resize: List<Double>,
    val load: Double,
    val first: Double,
    val peakBytes: Long,
    val steadyBytes: Long,
    val privateBytes: Long,
    val photo: String,
)

/** A final figure has 60 seconds or this many queries (docs/records.md); anything else is a quick look. */
private const val FINAL_S = 60.0
private const val FINAL_QUERIES = 1024

/**
 * The line of a benchmark record, sealed, with its line feed. [time]: UTC, ISO 8601; [run] and [command] as the
 * record's fields of that name.
 */
fun record(
    facts: Facts,
    report: EngineReport,
    phone: Phone,
    before: Condition,
    after: Condition,
    measured: Measured,
    time: String,
    run: String,
    command: String,
): ByteArray =
    Records.seal(
        mapOf(
            "kind" to "latency",
            "run" to run,
            "time" to time,
            "commit" to "",
            "model" to modelOf(facts),
            "device" to deviceOf(phone),
            "runtime" to runtimeOf(report),
            "protocol" to protocolOf(measured, report, command),
            "samples" to
                mapOf(
                    "inference_s" to measured.inference,
                    "end_to_end_s" to measured.endToEnd,
                    "decode_s" to measured.decode,
                    "resize_s" to measured.resize,
                ),
            "load_s" to measured.load,
            "first_s" to measured.first,
            "memory" to memoryOf(measured),
            "state" to
                mapOf(
                    "thermal_before" to before.thermal,
                    "thermal_after" to after.thermal,
                    "power_before" to before.power,
                    "power_after" to after.power,
                ),
            "figures" to emptyMap<String, Any?>(),
            "photos" to emptyList<Any?>(),
        ),
    )

private fun modelOf(facts: Facts): Map<String, Any?> {
    val views = facts.preprocess
    return mapOf(
        "name" to facts.name,
        "hash" to facts.sha256,
        "bundle" to facts.bundle,
        "format" to facts.target,
        "precision" to facts.precision,
        "size_bytes" to facts.bytes,
        "weights" to facts.weights,
        "input" to listOf(views.anchors.size, views.size, views.size, 3),
    )
}

private fun deviceOf(phone: Phone): Map<String, Any?> =
    mapOf(
        "kind" to "phone",
        "name" to phone.name,
        "os" to phone.os,
        "chip" to phone.chip,
        "cores" to phone.cores,
        "memory_bytes" to phone.memoryBytes,
        "emulated" to phone.emulated,
    )

private fun runtimeOf(report: EngineReport): Map<String, Any?> =
    mapOf(
        "name" to report.engine,
        "version" to report.version,
        "unit" to report.ran.name.lowercase(),
        "threads" to report.threads,
        "batch" to 1,
    )

private fun protocolOf(
    measured: Measured,
    report: EngineReport,
    command: String,
): Map<String, Any?> =
    mapOf(
        "quick" to (measured.endToEnd.sum() < FINAL_S && measured.inference.size < FINAL_QUERIES),
        "rounds" to 1,
        "warmups" to measured.warmups,
        "cooldown_s" to 0.0,
        "command" to command,
        "note" to listOfNotNull("photo: ${measured.photo}", report.fallback).joinToString("; "),
    )

private fun memoryOf(measured: Measured): Map<String, Any?> =
    mapOf(
        "peak_bytes" to measured.peakBytes,
        "steady_bytes" to measured.steadyBytes,
        "private_bytes" to measured.privateBytes,
        "how" to "VmHWM and VmRSS of /proc/self/status, and Debug.MemoryInfo; the whole app",
    )
