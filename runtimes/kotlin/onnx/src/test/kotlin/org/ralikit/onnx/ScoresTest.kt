package org.ralikit.onnx

import org.junit.Assume.assumeTrue
import org.junit.Test
import org.ralikit.Accelerator
import org.ralikit.EngineOptions
import org.ralikit.Golden
import org.ralikit.ImageIoDecoder
import org.ralikit.ModelError
import org.ralikit.Photo
import org.ralikit.RaliScorer
import org.ralikit.Score
import org.ralikit.ScorerOptions
import org.ralikit.child
import org.ralikit.entry
import org.ralikit.json.parseJson
import org.ralikit.onnx
import org.ralikit.temporary
import java.io.File
import kotlin.math.abs
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNotNull
import kotlin.test.assertTrue

/** Scores of the bundled model through ONNX Runtime's Java API, beside Python's with the same file. */
class ScoresTest {
    private val folder = File(System.getProperty("ralikit.models") ?: "nowhere")

    private fun model(precision: String): File = File(folder, "mini-$precision.onnx")

    private fun open(
        file: File,
        options: EngineOptions = EngineOptions(threads = 1),
    ) = RaliScorer.openBlocking(file, ScorerOptions(listOf(OnnxEngineFactory()), options, ImageIoDecoder))

    private fun python(precision: String): Map<String, Double> {
        @Suppress("UNCHECKED_CAST")
        val all = parseJson(File(folder, "scores-$precision.json").readText()) as Map<String, Any?>
        return all.child("precisions").child(precision).child("scores").mapValues { (it.value as Number).toDouble() }
    }

    private fun compare(
        precision: String,
        limit: Double,
    ) {
        assumeTrue("no ${model(precision)}: pass -Dralikit.models", model(precision).exists())
        val python = python(precision)
        assertEquals(Golden.photos.keys, python.keys)
        open(model(precision)).use { scorer ->
            assertEquals(precision, scorer.facts.precision)
            val apart = Golden.pngs.keys.associateWith { abs(value(scorer, Golden.bytes(it)) - python.getValue(it)) }
            // A JPEG's pixels are Pillow's here, so that the score alone is compared; the decoder's part is below.
            val jpegs =
                Golden.jpegs.associateWith {
                    abs(value(scorer, expected(it)) - python.getValue(it))
                }
            val decoded =
                (Golden.jpegs - "j_cmyk.jpg").associateWith {
                    abs(value(scorer, Golden.bytes(it)) - python.getValue(it))
                }
            println("$precision: ${scorer.report}")
            println(
                "$precision: largest difference from Python: PNG %.3g, JPEG from Pillow's pixels %.3g, by the JDK's decoder %.3g"
                    .format(apart.values.maxOrNull(), jpegs.values.maxOrNull(), decoded.values.maxOrNull()),
            )
            for ((name, difference) in apart + jpegs) assertTrue(difference <= limit, "$precision $name: $difference")
        }
    }

    private fun expected(name: String) = File(Golden.expected, name.replace(".jpg", ".upright.png")).readBytes()

    private fun score(
        scorer: RaliScorer,
        bytes: ByteArray,
    ): Score = scorer.scoreBlocking(Photo.bytes(bytes))

    private fun value(
        scorer: RaliScorer,
        bytes: ByteArray,
    ) = score(scorer, bytes).value

    @Test
    fun fp32ScoresAsInPython() = compare("fp32", 1e-4)

    @Test
    fun fp16ScoresAsInPython() = compare("fp16", 1e-4)

    @Test
    fun int8ScoresAsInPython() = compare("int8", 1e-3)

    @Test
    fun int8WeightsScoreAsInPython() = compare("int8-weights", 1e-3)

    @Test
    fun whatRanIsSaidAndWhy() {
        assumeTrue(model("int8").exists())
        open(model("int8"), EngineOptions(accelerator = Accelerator.NPU)).use {
            assertEquals(Accelerator.CPU, it.report.ran)
            assertContains(assertNotNull(it.report.fallback), "NPU was asked for, the CPU runs: ")
            println("asked for an NPU: ${it.report}")
            it.warmUpBlocking()
        }
    }

    @Test
    fun aProfileSaysWhichProviderRanEachNode() {
        assumeTrue(model("int8").exists())
        val facts = RaliScorer.readFacts(model("int8"))
        val nodes = profile(ai.onnxruntime.OrtEnvironment.getEnvironment(), model("int8"), facts, EngineOptions(), Provider.CPU)
        assertEquals(setOf("CPUExecutionProvider"), nodes.keys)
        assertTrue(nodes.values.sum() > 10, "$nodes")
    }

    @Test
    fun aGraphThatIsNoneIsAModelError() {
        val file = temporary(onnx(org.ralikit.facts()))
        assertContains(assertFailsWith<ModelError> { open(file) }.message.orEmpty(), "cannot be loaded")
    }

    @Test
    fun aGraphThatDoesNotFitItsFactsIsAModelError() {
        assumeTrue(model("fp32").exists())
        val bytes = model("fp32").readBytes()
        val text = RaliScorer.readFacts(model("fp32")).text
        // The same graph, facts of other views: cut the metadata off and write it anew.
        val other = text.replace("\"size\":", "\"size\":1")
        assertTrue(other != text)
        val stripped = withoutMetadata(bytes)
        val file = temporary(stripped + entry("ralikit", other.replace("\"digest\":\"sha256\",", "").replace(",\"digest\":\"sha256\"", "")))
        val message = assertFailsWith<ModelError> { open(file) }.message.orEmpty()
        assertTrue("does not fit its own facts" in message || "shortest_edge" in message, message)
    }

    private fun withoutMetadata(bytes: ByteArray): ByteArray {
        var at = 0
        val kept = java.io.ByteArrayOutputStream()
        while (at < bytes.size) {
            val start = at
            var tag = 0L
            var shift = 0
            do {
                tag = tag or ((bytes[at].toLong() and 0x7f) shl shift)
                shift += 7
            } while (bytes[at++] < 0)
            var length = 0L
            shift = 0
            do {
                length = length or ((bytes[at].toLong() and 0x7f) shl shift)
                shift += 7
            } while (bytes[at++] < 0)
            if (tag and 7 == 2L) at += length.toInt()
            if (tag shr 3 != 14L) kept.write(bytes, start, at - start)
        }
        return kept.toByteArray()
    }
}
