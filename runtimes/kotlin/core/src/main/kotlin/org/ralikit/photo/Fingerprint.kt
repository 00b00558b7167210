package org.ralikit.photo

import kotlin.math.sqrt

private const val CELLS = 8
private const val SAMPLES = 256

/** Bytes of a fingerprint: 8 x 8 cells of R, G, B. */
internal const val FINGERPRINT = CELLS * CELLS * 3

/** The mean colours of 8 x 8 cells of the upright photo, gathered while its stored rows go by. */
internal class Fingerprint(
    width: Int,
    height: Int,
    orientation: Int,
) {
    private val transposed = orientation >= 5
    private val step = maxOf(1, minOf(width, height) / SAMPLES)
    private val down = Axis(height, orientation in setOf(3, 4, 6, 7), step)
    private val along = Axis(width, orientation in setOf(2, 3, 7, 8), step)
    private val sums = LongArray(FINGERPRINT)
    private val counts = LongArray(CELLS * CELLS)

    /** Take the stored row [y], RGB. */
    fun row(
        y: Int,
        rgb: ByteArray,
    ) {
        if (down.cells[y] == 0) return
        for (x in along.sampled) {
            for (a in 0 until CELLS) {
                if (along.cells[x] shr a and 1 == 0) continue
                for (b in 0 until CELLS) {
                    if (down.cells[y] shr b and 1 == 1) add(if (transposed) a * CELLS + b else b * CELLS + a, rgb, x)
                }
            }
        }
    }

    private fun add(
        cell: Int,
        rgb: ByteArray,
        x: Int,
    ) {
        counts[cell]++
        for (c in 0..2) sums[cell * 3 + c] += rgb[x * 3 + c].toLong() and 0xff
    }

    /** 192 bytes: cells from left to right, rows from the top, R G B each. */
    fun bytes(): ByteArray =
        ByteArray(FINGERPRINT) {
            val n = counts[it / 3]
            ((2 * sums[it] + n) / (2 * n)).toByte()
        }

    /** Which cells each stored row (or column) counts for: bits, for a side under 8 pixels has it in several. */
    private class Axis(
        length: Int,
        backwards: Boolean,
        step: Int,
    ) {
        val cells = IntArray(length)

        init {
            for (cell in 0 until CELLS) {
                val start = (cell.toLong() * length / CELLS).toInt()
                val stop = maxOf(start + 1, ((cell + 1L) * length / CELLS).toInt())
                for (i in start until stop step step) {
                    val at = if (backwards) length - 1 - i else i
                    cells[at] = cells[at] or (1 shl cell)
                }
            }
        }

        /** Where anything is looked at. */
        val sampled: IntArray = cells.indices.filter { cells[it] != 0 }.toIntArray()
    }
}

/** Correlation of two fingerprints, -1 to 1; of one colour alone: 1 if both are equal, else 0. */
internal fun likenessOf(
    one: ByteArray,
    other: ByteArray,
): Double {
    if (one.contentEquals(other)) return 1.0
    val n = one.size.toLong()
    var a = 0L
    var b = 0L
    var aa = 0L
    var bb = 0L
    var ab = 0L
    for (i in one.indices) {
        val x = one[i].toLong() and 0xff
        val y = other[i].toLong() and 0xff
        a += x
        b += y
        aa += x * x
        bb += y * y
        ab += x * y
    }
    val spreadA = n * aa - a * a
    val spreadB = n * bb - b * b
    if (spreadA == 0L || spreadB == 0L) return 0.0
    return (n * ab - a * b) / (sqrt(spreadA.toDouble()) * sqrt(spreadB.toDouble()))
}
