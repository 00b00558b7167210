package org.ralikit.demo

import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import java.io.OutputStream
import java.io.OutputStreamWriter

private const val PHOTOS = 10_000

/** Run with -Xmx48m. */
class LargeTest {
    private val lister =
        Lister { sink ->
            var at = 0
            while (at < PHOTOS && sink(long(at))) at++
        }

    /** Addresses as long as a document provider's. */
    private fun long(index: Int) =
        Found(
            "content://com.android.externalstorage.documents/tree/primary%3ADCIM/document/${"x".repeat(90)}$index",
            "IMG_$index.jpg",
        )

    @Test
    fun `ten thousand photos, paused, killed, resumed, ranked, grouped and written out`() {
        val folder = folder()
        library(folder).use { library ->
            lateinit var scan: Scan
            scan = Scan(library, lister, MadeJudge(during = { if (it == 4000) scan.pause() })) {}
            assertEquals(Phase.PAUSED, scan.run())
        }
        val again = checkNotNull(Library.open(folder))
        assertEquals(4000, again.progress.scored + again.progress.failed)
        assertEquals(Phase.DONE, Scan(again, lister, MadeJudge()) {}.run())
        assertEquals(Progress(Phase.DONE, PHOTOS, 9000, 1000, null), again.progress)
        val bursts = findBursts(again)
        val rows = ranked(again.entries(), again.model, bursts, Filter())
        assertEquals(PHOTOS, rows.size)
        val scores = rows.mapNotNull { it.entry.scored?.value }
        assertEquals(scores.sortedDescending(), scores)
        var bytes = 0L
        val count =
            object : OutputStream() {
                override fun write(one: Int) {
                    bytes++
                }
            }
        OutputStreamWriter(count).use { writeCsv(rows, bursts, again.model, it) }
        assertTrue("$bytes bytes", bytes > PHOTOS * 100)
    }
}
