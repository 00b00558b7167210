package org.ralikit.photo

import org.ralikit.Filter

/** A rectangle of the resized photo, pixels; [width] and [height] of what is wanted. */
internal data class Window(
    val left: Long,
    val top: Long,
    val width: Int,
    val height: Int,
)

/**
 * Makes a window of the resized, upright photo while its stored rows go by: rows first, then columns, each rounded
 * to 8 bits, as Pillow does (docs/pixels.md, 5). Holds no more rows than one output row is made of. Turning costs
 * nothing: the weights are turned instead of the pixels.
 *
 * @param size width and height of the whole resized photo.
 * @param out RGB, of the window's size.
 */
internal class Resizer(
    width: Int,
    height: Int,
    orientation: Int,
    size: Size,
    filter: Filter,
    private val window: Window,
    private val out: ByteArray,
) {
    private val transposed = orientation >= 5

    // Which way the stored rows, and the pixels within them, run beside the upright axis that they become.
    private val rowsBackwards = orientation in setOf(3, 4, 6, 7)
    private val pixelsBackwards = orientation in setOf(2, 3, 7, 8)

    private val along: Taps // within a stored row
    private val down: Taps // over stored rows, outputs in the order in which they get ready
    private val ring: Array<ByteArray>
    private val sums: IntArray
    private val line: ByteArray
    private var next = 0

    init {
        val across = taps(if (transposed) height else width, size.width, filter, window.left, window.width)
        val upDown = taps(if (transposed) width else height, size.height, filter, window.top, window.height)
        val (within, over) = if (transposed) upDown to across else across to upDown
        along = if (pixelsBackwards) within.mirrored() else within
        down = if (rowsBackwards) over.mirrored().reversed() else over
        val held = if (transposed) width * 3 else along.outputs * 3
        ring = Array(minOf(down.reach, height)) { ByteArray(held) }
        sums = IntArray(held)
        line = ByteArray(held)
    }

    /** First stored row that is needed, and one past the last. */
    val begin: Int = down.begin
    val end: Int = down.end

    /** Take the stored row [y], RGB; rows come in order, each once. */
    fun row(
        y: Int,
        rgb: ByteArray,
    ) {
        if (y < begin || y >= end) return
        val slot = ring[y % ring.size]
        if (transposed) rgb.copyInto(slot, 0, 0, slot.size) else horizontal(rgb, along, slot)
        while (next < down.outputs && down.first[next] + down.count[next] == y + 1) {
            vertical(next)
            place(next)
            next++
        }
    }

    private fun vertical(i: Int) {
        sums.fill(HALF)
        val weights = down.weights
        val start = i * down.stride
        var k = 0
        // Two rows at a time: the sums are fetched and kept half as often.
        while (k < down.count[i] - 1) {
            val y = down.first[i] + k
            val at = start + k
            accumulate(ring[y % ring.size], weights[at], ring[(y + 1) % ring.size], weights[at + 1], sums)
            k += 2
        }
        if (k < down.count[i]) accumulate(ring[(down.first[i] + k) % ring.size], weights[start + k], sums)
        clip(sums, line)
    }

    private fun place(i: Int) {
        val at = if (rowsBackwards) down.outputs - 1 - i else i
        if (!transposed) {
            line.copyInto(out, at * window.width * 3)
            return
        }
        val column = ByteArray(along.outputs * 3)
        horizontal(line, along, column)
        var to = at * 3
        for (from in column.indices step 3) {
            out[to] = column[from]
            out[to + 1] = column[from + 1]
            out[to + 2] = column[from + 2]
            to += window.width * 3
        }
    }
}

/**
 * One row, interleaved RGB: three sums in locals, four taps at a time, so that the JIT checks the ends of the arrays
 * once for twelve values.
 */
private fun horizontal(
    row: ByteArray,
    taps: Taps,
    out: ByteArray,
) {
    val first = taps.first
    val count = taps.count
    val weights = taps.weights
    val stride = taps.stride
    var o = 0
    for (x in first.indices) {
        var p = first[x] * 3
        var k = x * stride
        val stop = k + count[x]
        var r = HALF
        var g = HALF
        var b = HALF
        while (k < stop - 3) {
            val w0 = weights[k]
            val w1 = weights[k + 1]
            val w2 = weights[k + 2]
            val w3 = weights[k + 3]
            r += (row[p].toInt() and 0xff) * w0 + (row[p + 3].toInt() and 0xff) * w1 +
                (row[p + 6].toInt() and 0xff) * w2 + (row[p + 9].toInt() and 0xff) * w3
            g += (row[p + 1].toInt() and 0xff) * w0 + (row[p + 4].toInt() and 0xff) * w1 +
                (row[p + 7].toInt() and 0xff) * w2 + (row[p + 10].toInt() and 0xff) * w3
            b += (row[p + 2].toInt() and 0xff) * w0 + (row[p + 5].toInt() and 0xff) * w1 +
                (row[p + 8].toInt() and 0xff) * w2 + (row[p + 11].toInt() and 0xff) * w3
            p += 12
            k += 4
        }
        while (k < stop) {
            val w = weights[k]
            r += (row[p].toInt() and 0xff) * w
            g += (row[p + 1].toInt() and 0xff) * w
            b += (row[p + 2].toInt() and 0xff) * w
            p += 3
            k++
        }
        out[o] = level(r)
        out[o + 1] = level(g)
        out[o + 2] = level(b)
        o += 3
    }
}

private fun accumulate(
    row: ByteArray,
    weight: Int,
    sums: IntArray,
) {
    var i = 0
    val n = sums.size
    while (i < n) {
        sums[i] += (row[i].toInt() and 0xff) * weight
        i++
    }
}

private fun accumulate(
    one: ByteArray,
    first: Int,
    other: ByteArray,
    second: Int,
    sums: IntArray,
) {
    var i = 0
    val n = sums.size
    while (i < n) {
        sums[i] += (one[i].toInt() and 0xff) * first + (other[i].toInt() and 0xff) * second
        i++
    }
}

private fun clip(
    sums: IntArray,
    out: ByteArray,
) {
    for (i in sums.indices) out[i] = level(sums[i])
}

private fun level(sum: Int): Byte {
    val value = sum shr BITS
    return (
        if (value < 0) {
            0
        } else if (value > 255) {
            255
        } else {
            value
        }
    ).toByte()
}
