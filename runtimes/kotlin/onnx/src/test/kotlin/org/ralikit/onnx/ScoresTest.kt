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
import org.ralikit.RuntimeLoadError
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

    /** Set where the native library is later than the Java half that names its version. */
    private val exactSums = System.getProperty("ralikit.exactSums")?.toBoolean()

    private fun model(precision: String): File = File(folder, "mini-$precision.onnx")

    private fun open(
        file: File,
        options: EngineOptions = EngineOptions(threads = 1),
    ) = RaliScorer.openBlocking(file, ScorerOptions(listOf(OnnxEngineFactory({ }, exactSums)), options, ImageIoDecoder))

    private fun python(precision: String): Map<String, Double> =
        table("scores-$precision.json", precision).child("scores").mapValues { (it.value as Number).toDouble() }

    private fun table(
        file: String,
        precision: String,
    ): Map<String, Any?> {
        @Suppress("UNCHECKED_CAST")
        val all = parseJson(File(folder, file).readText()) as Map<String, Any?>
        return all.child("precisions").child(precision)
    }

    private fun compare(
        precision: String,
        limit: Double,
    ) {
        assumeTrue("no ${model(precision)}: pass -Dralikit.models", model(precision).exists())
        val whole = precision != "int8" || exactSums == true
        assumeTrue("ONNX Runtime 1.29 cannot run int8 on x86; a later native library was not found", whole)
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

    /** Of a model with a bank of reasons, `mini-free`: every golden photo's score, and its reasons in words and numbers. */
    @Test
    fun reasonsAreThoseOfPython() {
        val model = File(folder, "mini-free-fp16.onnx")
        assumeTrue("no $model: pass -Dralikit.models", model.exists())
        val python = table("scores-mini-free-fp16.json", "fp16")
        val ids = (python["reason_ids"] as List<*>).map { it as String }
        val reasons = python.child("reasons").mapValues { (it.value as List<*>).map { v -> (v as Number).toDouble() } }
        assertEquals(Golden.photos.keys, reasons.keys)
        var scoreApart = 0.0
        var reasonApart = 0.0
        val everNamed = mutableSetOf<String>()
        val everHighest = mutableSetOf<String>()
        open(model).use { scorer ->
            assertEquals(ids, scorer.facts.reasons.map { it.id })
            val words = scorer.facts.reasons.associate { it.id to it.words }
            for ((name, wanted) in reasons) {
                val score = score(scorer, if (name in Golden.jpegs) expected(name) else Golden.bytes(name))
                val value = (python.child("scores")[name] as Number).toDouble()
                assertTrue(abs(score.value - value) <= 1e-4, "$name: ${score.value}, not $value")
                assertEquals(ids, score.reasonValues.map { it.id }, name)
                for ((given, expected) in score.reasonValues.zip(wanted)) {
                    assertTrue(abs(given.value - expected) <= 1e-3, "$name: $given, not $expected")
                    reasonApart = maxOf(reasonApart, abs(given.value - expected))
                }
                // Python's own rule, from Python's own numbers: what a person would as likely as not name, highest first.
                val named = ids.zip(wanted).filter { it.second >= 0.5 }.sortedByDescending { it.second }
                assertEquals(named.map { it.first }, score.reasons.map { it.id }, name)
                assertEquals(named.map { words[it.first] }, score.reasons.map { it.words }, name)
                scoreApart = maxOf(scoreApart, abs(score.value - value))
                everNamed += score.reasons.map { it.id }
                everHighest += score.reasonValues.maxBy { it.value }.id
            }
        }
        // Photos that are all highest in the same would hide outputs in another order; so would none that names any.
        assertTrue(everHighest.size >= 2, "$everHighest")
        assertTrue(everNamed.isNotEmpty())
        println(
            "mini-free fp16: largest difference from Python: score %.3g, reasons %.3g; named: %s"
                .format(scoreApart, reasonApart, everNamed),
        )
    }

    @Test
    fun whatRanIsSaidAndWhy() {
        assumeTrue(model("fp16").exists())
        open(model("fp16"), EngineOptions(accelerator = Accelerator.NPU)).use {
            assertEquals(Accelerator.CPU, it.report.ran)
            assertContains(assertNotNull(it.report.fallback), "NPU was asked for, the CPU runs: ")
            println("asked for an NPU: ${it.report}")
            it.warmUpBlocking()
        }
    }

    @Test
    fun whatWouldMiscountIsRefused() {
        assumeTrue(model("int8").exists() && System.getProperty("os.arch") == "amd64")
        val factory = OnnxEngineFactory({ }, exactSums = false)
        val error =
            assertFailsWith<RuntimeLoadError> {
                RaliScorer.openBlocking(model("int8"), ScorerOptions(listOf(factory)))
            }
        assertContains(error.message.orEmpty(), "miscounts int8 models on x86")
    }

    @Test
    fun aProfileSaysWhichProviderRanEachNode() {
        assumeTrue(model("fp16").exists())
        val facts = RaliScorer.readFacts(model("fp16"))
        val nodes =
            profile(ai.onnxruntime.OrtEnvironment.getEnvironment(), model("fp16"), facts, EngineOptions(), Provider.CPU)
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
        // The same graph, facts of fewer views: the metadata is cut off and written anew, without a digest.
        val other =
            text
                .replace(
                    Regex("\"anchors\":\\[.*?\\]\\]"),
                    "\"anchors\":[[0.5,0.5]]",
                ).replace("\"digest\"", "\"former\"")
        assertTrue(other != text)
        val stripped = withoutMetadata(bytes)
        val file = temporary(stripped + entry("ralikit", other))
        val message = assertFailsWith<ModelError> { open(file) }.message.orEmpty()
        assertContains(message, "does not fit its own facts")
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
