package org.ralikit.demo

import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Test
import java.io.StringWriter
import java.util.Locale

class RankingTest {
    private val scores = listOf(3.0, 4.5, 4.5, 1.25, 2.0)

    private fun made(model: ModelInfo = MODEL): Library {
        val library = library(photos = 7, model = model)
        scores.forEachIndexed { at, value ->
            val reasons = floatArrayOf(if (value < 2.5) 0.6f else 0.1f, if (at == 3) 0.9f else 0f, 0.5f)
            library.came(at, scored(value, at, if (model.reasons.isEmpty()) floatArrayOf() else reasons))
        }
        library.came(5, Outcome.Failed("it is \"empty\""))
        return library
    }

    private fun order(
        library: Library,
        filter: Filter = Filter(),
        bursts: Bursts = Bursts.NONE,
    ) = ranked(library.entries(), library.model, bursts, filter).map { it.entry.index to it.rank }

    @Test
    fun `high to low, ties share the better place, then failures, then those that wait`() {
        val expected = listOf(1 to 1, 2 to 1, 0 to 3, 4 to 4, 3 to 5, 5 to null, 6 to null)
        assertEquals(expected, order(made()))
    }

    @Test
    fun `filters keep the ranks of the whole library`() {
        val library = made()
        assertEquals(listOf(0 to 3, 4 to 4), order(library, Filter(atLeast = 2.0, atMost = 3.0)))
        assertEquals(listOf(4 to 4, 3 to 5), order(library, Filter(reason = "noise")))
        assertEquals(listOf(3 to 5), order(library, Filter(reason = "too-dark")))
        assertEquals(emptyList<Any>(), order(library, Filter(reason = "nothing of the kind")))
    }

    @Test
    fun `best of each burst, all that tie, and photos of no burst`() {
        val bursts = Bursts(listOf(Burst(listOf(1, 2), listOf(1, 2)), Burst(listOf(0, 4), listOf(0))))
        assertEquals(listOf(1 to 1, 2 to 1, 0 to 3, 3 to 5), order(made(), Filter(bestOfBurst = true), bursts))
    }

    @Test
    fun `why, in words, highest first, from a half on`() {
        val library = made()
        val three = why(library.entry(3)?.outcome, MODEL) as Why.Named
        assertEquals(listOf("too-dark", "noise", "motion-blur"), three.reasons.map { it.reason.id })
        assertEquals(Why.Failed("it is \"empty\""), why(library.entry(5)?.outcome, MODEL))
        assertEquals(Why.Waiting, why(library.entry(6)?.outcome, MODEL))
        assertEquals(Why.NotTold, why(made(MODEL.copy(reasons = emptyList())).entry(0)?.outcome, MODEL))
        assertEquals(Why.NoneNamed, why(scored(3.0, 0, floatArrayOf(0.4999f, 0f, 0f)), MODEL))
    }

    @Test
    fun `two photos closer than the tie width are not told apart`() {
        val entries = made().entries()
        assertEquals(Comparison.Tie(0.25), compare(entries[1], entries[2], MODEL))
        assertEquals(Comparison.Ahead(entries[1], 1.5, true), compare(entries[0], entries[1], MODEL))
        assertEquals(Comparison.Unknown, compare(entries[0], entries[5], MODEL))
        val unmeasured = MODEL.copy(tieWidth = null)
        assertEquals(Comparison.Ahead(entries[1], 1.5, false), compare(entries[0], entries[1], unmeasured))
        assertEquals(Comparison.Tie(0.0), compare(entries[1], entries[2], unmeasured))
        // Exactly the width is told apart: the contract says closer.
        assertEquals(
            Comparison.Ahead(entries[4], 0.75, true),
            compare(entries[3], entries[4], MODEL.copy(tieWidth = 0.75)),
        )
    }

    @Test
    fun `the CSV, byte for byte, in whatever language the phone speaks`() {
        val before = Locale.getDefault()
        val out = StringWriter()
        try {
            Locale.setDefault(Locale.GERMANY)
            val bursts = Bursts(listOf(Burst(listOf(1, 2), listOf(1, 2)), Burst(listOf(0, 4), listOf(0))))
            val library = made()
            writeCsv(ranked(library.entries(), MODEL, bursts, Filter()), bursts, MODEL, out)
        } finally {
            Locale.setDefault(before)
        }
        val tail = "\"mini\",\"int8\",${MODEL.sha256}"
        val expected =
            listOf(
                "\uFEFFrank,file,score,minimum,maximum,burst,best_of_burst,reasons,width,height,error,model,precision,model_sha256",
                "1,\"IMG_1.jpg\",4.5000,1.0000,5.0000,1,tie,\"motion-blur\",4000,3000,\"\",$tail",
                "1,\"IMG_2.jpg\",4.5000,1.0000,5.0000,1,tie,\"motion-blur\",4000,3000,\"\",$tail",
                "3,\"IMG_0.jpg\",3.0000,1.0000,5.0000,2,yes,\"motion-blur\",4000,3000,\"\",$tail",
                "4,\"IMG_4.jpg\",2.0000,1.0000,5.0000,2,no,\"noise motion-blur\",4000,3000,\"\",$tail",
                "5,\"IMG_3.jpg\",1.2500,1.0000,5.0000,,,\"too-dark noise motion-blur\",4000,3000,\"\",$tail",
                ",\"IMG_5.jpg\",,1.0000,5.0000,,,\"\",,,\"it is \"\"empty\"\"\",$tail",
                ",\"IMG_6.jpg\",,1.0000,5.0000,,,\"\",,,\"\",$tail",
                "",
            )
        assertEquals(expected.joinToString("\r\n"), out.toString())
    }

    @Test
    fun `a name is never a formula`() {
        assertEquals("\"'=1+1.jpg\"", cell("=1+1.jpg"))
        assertEquals("\"' @x\"", cell(" @x"))
        assertEquals("\"'\tx\"", cell("\tx"))
        assertEquals("\"a=b\"", cell("a=b"))
        assertNull(Bursts.NONE.of(0))
    }
}
