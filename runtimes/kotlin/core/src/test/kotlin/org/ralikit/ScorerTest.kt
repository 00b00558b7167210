package org.ralikit

import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.flow.asFlow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.flow.onEach
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.runBlocking
import org.junit.Test
import java.io.File
import java.nio.ByteBuffer
import java.util.concurrent.ExecutionException
import java.util.concurrent.atomic.AtomicInteger
import kotlin.test.assertContains
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNull
import kotlin.test.assertTrue

/** The scorer around an engine that answers by a rule. */
class ScorerTest {
    /** Scores the mean of the views, 0 to 255; notes how many run at once. */
    private class MeanEngine(
        val reasons: FloatArray = floatArrayOf(0.2f, 0.9f, 0.9f),
        val score: (Double) -> Float = { it.toFloat() },
    ) : Engine,
        EngineFactory {
        val running = AtomicInteger()
        val most = AtomicInteger()
        val runs = AtomicInteger()
        val asked = ArrayList<List<String>>()
        var closed = 0

        override val format = ModelFormat.ONNX
        override val report =
            EngineReport("mean", "1", Accelerator.CPU, Accelerator.CPU, "rule", threads = 1, fallback = null)

        override fun open(
            file: File,
            facts: Facts,
            options: EngineOptions,
        ) = this

        override fun run(
            views: ByteBuffer,
            outputs: List<String>,
        ): Map<String, FloatArray> {
            most.accumulateAndGet(running.incrementAndGet(), ::maxOf)
            runs.incrementAndGet()
            asked += outputs
            var sum = 0L
            for (i in 0 until views.limit()) sum += views.get(i).toInt() and 0xff
            val value = score(sum.toDouble() / views.limit())
            running.decrementAndGet()
            val all = mapOf("score" to floatArrayOf(value), "embedding" to floatArrayOf(1f, 2f), "reasons" to reasons)
            return all.filterKeys { it in outputs }
        }

        override fun close() {
            closed++
        }
    }

    private fun open(
        engine: MeanEngine,
        facts: String = facts(),
    ) = RaliScorer.openBlocking(temporary(onnx(facts)), ScorerOptions(listOf(engine)))

    private fun plain(level: Int): Photo =
        Photo.argb(IntArray(8 * 7) { 0xff000000.toInt() or (level * 0x10101) }, 8, 7, "level $level")

    @Test
    fun aScoreHasWhatTheContractPromises() {
        val engine = MeanEngine()
        open(engine).use { scorer ->
            val score = scorer.scoreBlocking(plain(7))
            assertEquals(7.0, score.value)
            assertEquals(1.0 to 5.0, score.minimum to score.maximum)
            assertEquals(0.25, score.tieWidth)
            assertEquals(8 to 7, score.width to score.height)
            assertNull(score.embedding)
            assertEquals(listOf("score", "reasons"), engine.asked.last())
            assertContentEquals(floatArrayOf(1f, 2f), scorer.scoreBlocking(plain(7), embedding = true).embedding)
            // 0.9 twice: equal ones stand in the output's order; 0.2 is not named.
            assertEquals(listOf("noise", "too-dark"), score.reasons.map { it.id })
            assertEquals("too dark", score.reasons[1].words)
            assertEquals(listOf("out-of-focus", "noise", "too-dark"), score.reasonValues.map { it.id })
            assertTrue(score.timings.inference >= 0 && score.timings.decode > 0)
        }
    }

    @Test
    fun reasonsAreNamedFromOneHalfOnHighestFirst() {
        open(MeanEngine(reasons = floatArrayOf(0.5f, 0.49999997f, 0.75f))).use { scorer ->
            assertEquals(listOf("too-dark", "out-of-focus"), scorer.scoreBlocking(plain(1)).reasons.map { it.id })
        }
    }

    @Test
    fun aModelWithoutReasonsHasNone() {
        val file = temporary(onnx(facts { put("outputs", listOf("score")) }, graph = graph("score")))
        RaliScorer.openBlocking(file, ScorerOptions(listOf(MeanEngine()))).use { scorer ->
            val score = scorer.scoreBlocking(plain(1), embedding = true)
            assertEquals(emptyList(), score.reasonValues)
            assertEquals(emptyList(), score.reasons)
            assertNull(score.embedding)
        }
    }

    @Test
    fun whatIsNoNumberIsAModelError() {
        for (bad in listOf(Float.NaN, Float.POSITIVE_INFINITY)) {
            open(MeanEngine { bad }).use { assertFailsWith<ModelError> { it.scoreBlocking(plain(1)) } }
        }
        open(MeanEngine { bad -> 1f }.let { MeanEngine(floatArrayOf(0f, 1.5f, 0f)) }).use {
            assertContains(
                assertFailsWith<ModelError> { it.scoreBlocking(plain(1)) }.message.orEmpty(),
                "outside of 0 to 1",
            )
        }
        open(MeanEngine(floatArrayOf(0f))).use { assertFailsWith<ModelError> { it.scoreBlocking(plain(1)) } }
    }

    @Test
    fun allPhotosComeInOrderAndBrokenOnesDoNotStopThem() =
        runBlocking {
            open(MeanEngine()).use { scorer ->
                val photos = (0 until 20).map { if (it == 5) Photo.bytes(byteArrayOf(1), "broken") else plain(it) }
                val entries = scorer.scoreAll(photos.asFlow()).toList()
                assertEquals((0 until 20).toList(), entries.map { it.index })
                assertEquals(
                    "broken: is no photo that can be read (expected JPEG, PNG, WebP, BMP, GIF or HEIC)",
                    entries[5].error?.message,
                )
                assertEquals((0 until 20).map { if (it == 5) null else it.toDouble() }, entries.map { it.score?.value })
            }
        }

    @Test
    fun onlyTheNextPhotoIsReadAheadOfTheOneThatIsScored() =
        runBlocking {
            val read = AtomicInteger()
            open(MeanEngine()).use { scorer ->
                var ahead = 0
                val photos = flow { repeat(50) { emit(counted(it, read)) } }
                scorer.scoreAll(photos).onEach { ahead = maxOf(ahead, read.get() - it.index - 1) }.toList()
                assertTrue(ahead <= 2, "$ahead photos were read ahead")
                read.set(0)
                // Who stops collecting begins no other photo.
                scorer.scoreAll(photos).take(3).toList()
                assertTrue(read.get() <= 5, "${read.get()} photos were read for 3 scores")
            }
        }

    private fun counted(
        level: Int,
        read: AtomicInteger,
    ): Photo {
        val inner = plain(level)
        return object : Photo {
            override val name = inner.name

            override fun content() = inner.content().also { read.incrementAndGet() }
        }
    }

    @Test
    fun threadsTakeTurns() =
        runBlocking {
            val engine = MeanEngine()
            open(engine).use { scorer ->
                val scores = (0 until 40).map { async(Dispatchers.IO) { scorer.score(plain(it)).value } }.awaitAll()
                assertEquals((0 until 40).map { it.toDouble() }, scores)
                assertEquals(1, engine.most.get())
            }
        }

    @Test
    fun aClosedScorerIsRefused() {
        val engine = MeanEngine()
        val scorer = open(engine)
        scorer.close()
        scorer.close()
        assertEquals(1, engine.closed)
        assertFailsWith<UsageError> { scorer.scoreBlocking(plain(1)) }
        assertFailsWith<UsageError> { scorer.warmUpBlocking() }
        assertFailsWith<UsageError> { runBlocking { scorer.scoreAll(listOf(plain(1)).asFlow()).toList() } }
        assertIs<UsageError>(assertFailsWith<ExecutionException> { scorer.scoreAsync(plain(1)).get() }.cause)
    }

    private inline fun <reified T> assertIs(value: Any?) = assertTrue(value is T, "$value")

    @Test
    fun javaIsServedToo() {
        open(MeanEngine()).use { scorer ->
            assertEquals(9.0, scorer.scoreAsync(plain(9)).get().value)
            val seen = ArrayList<Int>()
            scorer.scoreAllBlocking((0 until 9).map(::plain), { seen.add(it.index) && it.index < 3 })
            assertEquals(listOf(0, 1, 2, 3), seen)
        }
    }

    @Test
    fun warmingUpRunsOnceOnAnEmptyPicture() {
        val engine = MeanEngine()
        open(engine).use { it.warmUpBlocking() }
        assertEquals(1, engine.runs.get())
    }

    @Test
    fun theCallersMistakesAreUsageErrors() {
        assertFailsWith<UsageError> { Photo.argb(IntArray(5), 2, 3) }
        val options = ScorerOptions(listOf(MeanEngine()), EngineOptions(threads = -1))
        assertFailsWith<UsageError> { RaliScorer.openBlocking(temporary(onnx(facts())), options) }
        assertFailsWith<RuntimeLoadError> {
            RaliScorer.openBlocking(temporary(onnx(facts())), ScorerOptions(emptyList()))
        }
    }
}
