package org.ralikit.demo

import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Test

class BurstsTest {
    private val hill = ByteArray(192) { it.toByte() }
    private val sea = ByteArray(192) { (it * it % 100).toByte() }

    private fun Library.shoot(
        taken: Double?,
        value: Double,
        fingerprint: ByteArray,
    ) {
        val index = progress.total
        add(found(index))
        came(index, Outcome.Scored(value, 1, 1, floatArrayOf(), fingerprint, taken))
    }

    @Test
    fun `bursts are the library's scenes, photos that failed left out`() {
        val library = library()
        library.shoot(5.0, 2.0, hill)
        library.add(found(1))
        library.came(1, Outcome.Failed("no photo"))
        library.shoot(9000.0, 4.0, hill)
        library.shoot(10.0, 4.0, hill)
        library.shoot(8.0, 3.0, sea)
        library.shoot(9005.0, 4.1, hill)
        val bursts = findBursts(library)
        assertEquals(listOf(Burst(listOf(0, 3), listOf(3)), Burst(listOf(2, 5), listOf(5, 2))), bursts.all)
        assertEquals(listOf(true, false), bursts.all.map { it.certain })
        assertEquals(bursts.all[0], bursts.of(3))
        assertNull(bursts.of(4))
    }

    @Test
    fun `a photo without a time joins its copies alone`() {
        val library = library()
        library.shoot(null, 3.0, hill)
        library.shoot(null, 2.0, hill)
        library.shoot(null, 2.0, sea)
        assertEquals(listOf(Burst(listOf(0, 1), listOf(0))), findBursts(library).all)
    }
}
