package org.ralikit.demo

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test

class ScanTest {
    private fun lister(count: Int) =
        Lister { sink ->
            var at = 0
            while (at < count && sink(found(at))) at++
        }

    private fun told(library: Library): List<Pair<Double?, String?>> =
        library.entries().map { it.scored?.value to (it.outcome as? Outcome.Failed)?.message }

    private val expected = List(25) { if (it % 10 == 9) null to "photo $it cannot be read" else value(it) to null }

    @Test
    fun `a folder is listed and scored, failures beside scores`() {
        val library = library()
        val seen = ArrayList<Progress>()
        assertEquals(Phase.DONE, Scan(library, lister(25), MadeJudge()) { seen += it }.run())
        assertEquals(Progress(Phase.DONE, 25, 23, 2, null), library.progress)
        assertEquals(expected, told(library))
        assertEquals(
            (1..25).toList(),
            seen.filter { it.phase == Phase.SCORING }.map { it.scored + it.failed }.distinct(),
        )
        assertEquals("the last word", library.progress, seen.last())
    }

    @Test
    fun `a pause holds after any photo and over a process death, and resuming scores each photo once`() {
        for (stop in 1..24) {
            val folder = folder()
            val library = library(folder)
            lateinit var scan: Scan
            val judge = MadeJudge(during = { if (it == stop) scan.pause() })
            scan = Scan(library, lister(25), judge) {}
            val phase = scan.run()
            library.close()
            val again = checkNotNull(Library.open(folder))
            assertEquals(phase, again.progress.phase)
            assertEquals("stopped at $stop", Phase.PAUSED, phase)
            assertEquals(false, phase.goesOn)
            val rest = MadeJudge()
            assertEquals(Phase.DONE, Scan(again, lister(25), rest) {}.run())
            assertEquals((0..24).toList(), (judge.judged + rest.judged).sorted())
            assertEquals(expected, told(again))
        }
    }

    @Test
    fun `an interruption goes on by itself where it was`() {
        val folder = folder()
        library(folder).use { library ->
            lateinit var scan: Scan
            scan = Scan(library, lister(25), MadeJudge(during = { if (it == 7) scan.interrupt() })) {}
            assertEquals(Phase.SCORING, scan.run())
        }
        val again = checkNotNull(Library.open(folder))
        assertTrue(again.progress.phase.goesOn)
        // A judge that was cut off has read ahead: those photos are still to come.
        assertEquals(7, checkNotNull(again.pending(0)).index)
        assertEquals(Phase.DONE, Scan(again, lister(25), MadeJudge()) {}.run())
        assertEquals(expected, told(again))
    }

    @Test
    fun `a process that dies at any byte of the journal leaves a library that goes on`() {
        val folder = folder()
        library(folder).use { Scan(it, lister(12), MadeJudge()) {}.run() }
        val journal = folder.resolve("journal")
        val whole = journal.readBytes()
        var opened = 0
        for (cut in whole.indices step 7) {
            journal.writeBytes(whole.copyOf(cut))
            val library = Library.open(folder) ?: continue
            opened++
            library.use {
                assertEquals(Phase.DONE, Scan(it, lister(12), MadeJudge()) {}.run())
                assertEquals(expected.take(12), told(it))
            }
        }
        assertTrue("$opened opened", opened > 100)
    }

    @Test
    fun `a death while listing lists again and keeps each photo once`() {
        val folder = folder()
        library(folder).use { library ->
            lateinit var scan: Scan
            scan = Scan(library, lister(25), MadeJudge()) { if (it.total == 11) scan.interrupt() }
            assertEquals(Phase.LISTING, scan.run())
            assertEquals(Progress(Phase.LISTING, 11, 0, 0, null), library.progress)
        }
        val again = checkNotNull(Library.open(folder))
        assertEquals(Phase.DONE, Scan(again, lister(25), MadeJudge()) {}.run())
        assertEquals(expected, told(again))
    }

    @Test
    fun `a broken model stops the scan with its sentence, and another try goes on`() {
        val folder = folder()
        library(folder, 3).use { library ->
            val broken = Judge { _, _ -> throw ScanBroken("the model gave a score that is no number") }
            assertEquals(Phase.BROKEN, Scan(library, {}, broken) {}.run())
        }
        val again = checkNotNull(Library.open(folder))
        assertEquals("the model gave a score that is no number", again.progress.message)
        assertEquals(Phase.DONE, Scan(again, {}, MadeJudge()) {}.run())
        assertNull(again.progress.message)
    }

    @Test
    fun `failed photos get another turn, scored ones stay`() {
        val library = library()
        Scan(library, lister(25), MadeJudge()) {}.run()
        library.retryFailed()
        assertEquals(Progress(Phase.SCORING, 25, 23, 0, null), library.progress)
        val second = MadeJudge()
        Scan(library, lister(25), second) {}.run()
        assertEquals(listOf(9, 19), second.judged)
    }

    @Test
    fun `everything about a photo comes back from disk`() {
        val folder = folder()
        library(folder).use { Scan(it, lister(12), MadeJudge()) {}.run() }
        val again = checkNotNull(Library.open(folder))
        assertEquals(SOURCE, again.source)
        assertEquals(MODEL, again.model)
        val scored = checkNotNull(again.entry(11)?.scored)
        assertEquals(found(11), again.entry(11)?.found)
        assertEquals(4000 to 3000, scored.width to scored.height)
        assertArrayEquals(floatArrayOf(0.9f, 0.2f, 0.5f), scored.reasons, 0f)
        assertArrayEquals(scored(value(11), 11).fingerprint, scored.fingerprint)
        assertEquals(1100.0, checkNotNull(scored.taken), 0.0)
    }

    @Test
    fun `a pace looks at the last photos`() {
        val pace = Pace(window = 3)
        assertNull(pace.secondsLeft(10))
        listOf(0L, 9_000_000_000, 9_500_000_000, 10_000_000_000).forEach(pace::tick)
        assertEquals(5.0, checkNotNull(pace.secondsLeft(10)), 1e-12)
    }
}
