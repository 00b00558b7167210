package org.ralikit

import org.junit.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue

/** Sealed lines, as Python's and JavaScript's tests hold them. */
class RecordsTest {
    @Test
    fun goldenRecordsOpen() {
        val lines = Golden.lines("records.jsonl").map { numbers(Records.open(it)) as Map<*, *> }
        assertTrue(lines.size >= 4)
        assertEquals(lines[0], lines[1])
        assertEquals(lines[0], lines[2])
        assertTrue(lines.none { "schema" in it })
    }

    /** 1 and 1.0 are one number in JSON. */
    private fun numbers(value: Any?): Any? =
        when (value) {
            is Number -> value.toDouble()
            is Map<*, *> -> value.mapValues { numbers(it.value) }
            is List<*> -> value.map(::numbers)
            else -> value
        }

    @Test
    fun brokenRecordsDoNot() {
        var sealed = 0
        for (line in Golden.json("records-broken.json")["lines"] as List<*>) {
            val (why, refusedBy, text) = listOf("why", "refused_by", "line").map { (line as Map<*, *>)[it] as String }
            if (refusedBy == "seal") {
                assertFailsWith<RecordError>(why) { Records.open(text.toByteArray()) }
                sealed++
            }
        }
        println("broken records refused: $sealed")
        assertTrue(sealed > 5)
    }

    @Test
    fun whatIsSealedOpensAgain() {
        val values =
            mapOf(
                "kind" to "latency",
                "name" to "a \"quoted\" \\ text, \u2028 \u00e9 \ud83d\ude00 \ud800 \u0001",
                "samples" to mapOf("inference_s" to listOf(0.25, 1e-7, -3.0), "round" to listOf(1L, -2L)),
                "none" to null,
                "yes" to true,
            )
        val line = Records.seal(values)
        assertEquals('\n'.code.toByte(), line.last())
        assertEquals(values, Records.open(line.copyOf(line.size - 1)))
    }

    @Test
    fun everyChangedByteIsSeen() {
        val line = Records.seal(mapOf("kind" to "latency", "load_s" to 0.5)).let { it.copyOf(it.size - 1) }
        for (at in line.indices) {
            val edited = line.copyOf().also { it[at] = (it[at].toInt() xor 1).toByte() }
            assertFailsWith<RecordError>("byte $at") { Records.open(edited) }
        }
    }

    @Test
    fun whatCannotBeWrittenIsRefused() {
        assertFailsWith<UsageError> { Records.seal(mapOf("schema" to 1)) }
        assertFailsWith<UsageError> { Records.seal(mapOf("load_s" to Double.NaN)) }
        assertFailsWith<UsageError> { Records.seal(mapOf("where" to Any())) }
    }
}
