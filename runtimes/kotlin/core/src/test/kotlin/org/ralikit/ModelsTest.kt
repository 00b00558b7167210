package org.ralikit

import org.junit.Test
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertNull
import kotlin.test.assertTrue

/** What is read out of a model's file, and what such a file is refused for. */
class ModelsTest {
    private fun read(bytes: ByteArray): Facts = RaliScorer.readFacts(temporary(bytes))

    private fun refused(bytes: ByteArray): String = assertFailsWith<ModelError> { read(bytes) }.message.orEmpty()

    private fun refused(change: MutableMap<String, Any?>.() -> Unit): String = refused(onnx(facts(change)))

    @Suppress("UNCHECKED_CAST")
    private fun MutableMap<String, Any?>.inner(name: String) = this[name] as MutableMap<String, Any?>

    @Test
    fun factsOfAnOnnxFile() {
        val bytes = onnx(facts())
        val facts = read(bytes)
        assertEquals("tiny", facts.name)
        assertEquals(0.25, facts.tieWidth)
        assertEquals("made up", facts.tieWidthNote)
        assertEquals(Preprocess(4, 6, listOf(Anchor(0.0, 0.0), Anchor(1.0, 1.0)), Filter.BICUBIC), facts.preprocess)
        assertEquals(Scale(1.0, 5.0, "MOS"), facts.scale)
        assertEquals(listOf("score", "embedding", "reasons"), facts.outputs)
        assertEquals(ReasonFact("noise", "noise", "cleanness"), facts.reasons[1])
        assertTrue(facts.digested)
        assertEquals(hash(bytes), facts.sha256)
        assertEquals(bytes.size.toLong(), facts.bytes)
        assertEquals(facts(), facts.text)
        assertEquals("int8", facts.written["precision"])
    }

    @Test
    fun factsOfATfliteFile() {
        val bytes = sealed(tflite("ralikit" to facts(), "ralikit.digest" to MARK + "0".repeat(64)))
        val read = RaliScorer.readFacts(temporary(bytes, ".tflite"))
        assertEquals("tiny", read.name)
        assertTrue(read.digested)
    }

    @Test
    fun olderFilesHaveOlderNamesAndNoDigest() {
        val text =
            facts {
                inner("model").apply {
                    remove("tie_width")
                    remove("tie_width_note")
                    put("resolution", 0.5)
                    put("resolution_note", "older")
                }
                remove("outputs")
                put("functions", listOf("score"))
            }
        val facts = read(onnx(text, digest = false, graph = graph("score")))
        assertEquals(0.5, facts.tieWidth)
        assertEquals("older", facts.tieWidthNote)
        assertEquals(listOf("score"), facts.outputs)
        assertEquals(emptyList(), facts.reasons)
        assertFalse(facts.digested)
    }

    @Test
    fun whatIsNotKnownIsIgnored() {
        read(onnx(facts { put("later", mapOf("a" to listOf(1, null))) }))
        assertNull(read(onnx(facts { inner("model").put("tie_width", null) })).tieWidth)
    }

    @Test
    fun oneChangedByteIsRefused() {
        // Without `digest` among the facts, one changed byte of its key would make a file that never had one.
        val whole = onnx(facts { put("digest", mapOf("sha256" to "file")) })
        for (at in whole.indices) {
            val broken = whole.copyOf().also { it[at] = (it[at].toInt() xor 1).toByte() }
            assertFailsWith<ModelError>("byte $at of ${whole.size}") { read(broken) }
        }
        val lite = sealed(tflite("ralikit" to facts(), "ralikit.digest" to MARK + "0".repeat(64)))
        for (at in lite.indices) {
            val broken = lite.copyOf().also { it[at] = (it[at].toInt() xor 1).toByte() }
            assertFailsWith<ModelError>("byte $at of ${lite.size}") { read(broken) }
        }
    }

    @Test
    fun aLostDigestIsRefused() {
        assertContains(refused(onnx(facts { put("digest", "sha256") }, digest = false)), "is damaged")
        val odd = onnx(facts(), digest = false, extra = entry("ralikit.digest", "$MARK${"A".repeat(64)}"))
        assertContains(refused(odd), "is damaged")
        assertContains(refused(tflite("ralikit" to facts())), "carries no ralikit metadata")
    }

    @Test
    fun whatStandsTwiceIsRefused() {
        assertContains(refused(onnx(facts(), extra = entry("ralikit", facts()))), "twice: it was altered")
        val digest = entry("ralikit.digest", MARK + "0".repeat(64))
        assertContains(refused(onnx(facts(), extra = digest)), "twice: it was altered")
        val lite =
            tflite("ralikit" to facts(), "ralikit" to facts(), "ralikit.digest" to MARK + "0".repeat(64))
        assertContains(refused(sealed(lite)), "twice: it was altered")
    }

    @Test
    fun weightsInOtherFilesAreRefused() {
        val beside = field(13, field(1, "location".toByteArray()) + field(2, "weights.bin".toByteArray()))
        assertContains(refused(onnx(facts(), graph = field(5, beside) + GRAPH)), "keeps weights in another file")
        val deep = field(1, field(5, field(6, field(5, beside) + GRAPH))) // a node's attribute's graph's tensor
        assertContains(refused(onnx(facts(), graph = deep + GRAPH)), "keeps weights in another file")
    }

    @Test
    fun aGraphWithOtherEndsIsRefusedBeforeAnythingLoadsIt() {
        assertContains(refused(onnx(facts(), graph = graph("score", "embedding"))), "does not fit its own facts")
        assertContains(refused(onnx(facts { put("outputs", listOf("score")) })), "it goes from [image] to [score, ")
        assertContains(refused(onnx(facts(), graph = field(2, "g".toByteArray()))), "it goes from [] to []")
    }

    @Test
    fun foreignFilesAreRefused() {
        assertContains(refused(ByteArray(0)), "is empty")
        assertContains(refused("no model at all".toByteArray()), "damaged or no ONNX file")
        assertContains(refused(onnx(null)), "carries no ralikit metadata")
        assertContains(refused(onnx("{")), "not valid JSON")
        assertContains(refused(onnx("[".repeat(100_000))), "nested")
        val error = assertFailsWith<ModelError> { RaliScorer.readFacts(java.io.File("nowhere.onnx")) }
        assertEquals("nowhere.onnx: there is no such file", error.message)
    }

    @Test
    fun factsThatCannotBeAreRefused() {
        assertContains(refused { put("schema", 2) }, "of schema 2, this version reads 1")
        assertContains(refused { put("schema", 1.0) }, "of schema 1.0")
        assertContains(refused { put("kind", "preprocess") }, "makes a scorer's views and gives no score")
        assertContains(refused { remove("model") }, "names no model")
        assertContains(refused { remove("scale") }, "no score scale")
        assertContains(refused { inner("scale").put("maximum", 0) }, "its scale goes from 1.0 to 0.0")
        assertContains(refused { put("outputs", listOf("embedding")) }, "its outputs are")
        assertContains(refused { remove("reasons") }, "does not say which")
        assertContains(refused { inner("preprocess").put("crop", "centre") }, "a setting \"crop\"")
        assertContains(refused { inner("preprocess").put("size", 0) }, "size 0")
        assertContains(
            refused {
                inner("preprocess").putAll(mapOf("size" to 30_000, "shortest_edge" to null))
            },
            "30000 x 30000 pixels",
        )
        assertContains(refused { inner("preprocess").put("shortest_edge", 3) }, "shortest_edge 3")
        assertContains(refused { inner("preprocess").put("resample", "nearest") }, "the resize \"nearest\"")
        assertContains(refused { inner("preprocess").put("anchors", listOf(listOf(0.5, 1.5))) }, "outside of 0..1")
        assertContains(refused { inner("preprocess").put("anchors", emptyList<Any>()) }, "no view")
        assertContains(refused { inner("preprocess").put("std", listOf(1.0)) }, "std")
    }
}
