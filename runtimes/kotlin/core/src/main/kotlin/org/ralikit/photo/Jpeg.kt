package org.ralikit.photo

import org.ralikit.PhotoError

/** Zero bytes in a row that count as a hole in packed pixels. */
internal const val HOLE_RUN = 512

internal const val HOLE =
    "a run of empty bytes stands in its pixel data, as in a damaged copy: part of the picture may be lost"
internal const val NO_END = "its end mark is missing; every pixel was there"

private const val MOST_SCANS = 100 // of a progressive JPEG; encoders make about ten
private const val DHT = 0xc4
private const val SOS = 0xda
private const val EOI = 0xd9
private const val BITS_LEFT = 14

/** Put before a missing end mark: where pixels are missing too, these bytes become pixels. */
private val FILLERS =
    listOf(
        ByteArray(0),
        ByteArray(256) { intArrayOf(0xaa, 0x55, 0x33, 0xcc)[it % 4].toByte() },
        ByteArray(320) { intArrayOf(0x12, 0x9e, 0x4b, 0xd7, 0x60)[it % 5].toByte() },
    )

internal fun isFrame(marker: Int): Boolean = marker in 0xc0..0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc

/** What a walk along a JPEG's markers found, up to the end mark. */
internal class JpegMarks(
    val scans: Int,
    val ended: Boolean,
    val complete: Boolean,
    val hole: Boolean,
)

/** Follow the markers of a JPEG file; lengths are heeded, so what segments hold is not read. */
internal fun walkJpeg(data: ByteArray): JpegMarks = JpegWalk(data).run()

/** A JPEG's bytes with an end mark put behind them, after each filler; the first is the mended file. */
internal fun mendedJpegs(data: ByteArray): List<ByteArray> {
    var end = data.size
    while (end > 0 && data.u8(end - 1) == 0xff) end--
    val body = data.copyOf(end)
    return FILLERS.map { body + it + byteArrayOf(0xff.toByte(), EOI.toByte()) }
}

/** A few bytes make one more scan over all pixels: thousands would take minutes. @throws PhotoError */
internal fun refuseEndless(marks: JpegMarks) {
    if (marks.scans > MOST_SCANS) throw PhotoError("has ${marks.scans} scans, which no camera or program writes")
}

private class JpegWalk(
    private val data: ByteArray,
) {
    private var components = emptyList<Int>()
    private val left = HashMap<Pair<Int, Boolean>, Int>() // component, DC or not: bits still to come
    private val zeros = HashMap<Int, Int>() // table: what a run of zero bits means in it
    private var blocks = 0L
    private var plain = false
    private var hole = false

    fun run(): JpegMarks {
        var at = 2
        var scans = 0
        var scan = 0
        var ended = false
        while (!ended) {
            val start = next(at)
            if (start < 0) break
            if (scan > 0) look(scan, start)
            scan = 0
            at = start
            while (data.u8(at) == 0xff) at++
            val mark = data.u8(at++)
            ended = mark == EOI
            if (ended || mark == 0x01 || mark in 0xd0..0xd8) continue
            val length = if (at + 2 <= data.size) data.u16(at) else 0
            val body = Body(data, at + 2, minOf(at + length, data.size))
            if (isFrame(mark) && body.size > 5 && components.isEmpty()) frame(body)
            if (mark == DHT) tables(body)
            at += maxOf(length, 2)
            if (mark == SOS) {
                scans++
                scan = at
                plain = isPlain(body)
                cover(body)
            }
        }
        if (scan > 0) look(scan, data.size)
        val complete = components.isNotEmpty() && left.values.all { it == 0 }
        return JpegMarks(scans, ended, complete, hole)
    }

    /** Where the next marker begins. In a scan, FF 00 is a pixel's byte and FF D0..D7 a restart. */
    private fun next(from: Int): Int {
        var i = from
        while (i < data.size - 1) {
            if (data.u8(i) != 0xff) {
                i++
                continue
            }
            val start = i
            while (i < data.size && data.u8(i) == 0xff) i++
            if (i == data.size) return -1
            val mark = data.u8(i)
            if (mark in 0x01..0xcf || mark in 0xd8..0xfe) return start
        }
        return -1
    }

    private fun frame(body: Body) {
        val height = body[1] * 256 + body[2]
        val width = body[3] * 256 + body[4]
        components = (0 until body[5]).mapNotNull { body.orNull(6 + 3 * it) }
        blocks = components.size.toLong() * ((width + 7) / 8) * ((height + 7) / 8)
        for (c in components) {
            left[c to true] = BITS_LEFT
            left[c to false] = BITS_LEFT
        }
    }

    /** Of every Huffman table in a segment, the symbol whose code is all zeros. */
    private fun tables(body: Body) {
        var at = 0
        while (at + 18 <= body.size) {
            zeros[body[at]] = body[at + 17]
            at += 17 + (1..16).sumOf { body[at + it] }
        }
    }

    /** Whether zero bits in a scan mean no change and end of block. */
    private fun isPlain(body: Body): Boolean {
        val count = body.orNull(0) ?: 0
        if (body.size < 4 + 2 * count) return true
        val start = body[1 + 2 * count]
        val last = body[2 + 2 * count]
        if (start == 0 && body[3 + 2 * count] shr 4 > 0) return true // one more bit of every mean, as it is
        for (i in 0 until count) {
            val selector = body[2 + 2 * i]
            if (start == 0 && (zeros[selector shr 4] ?: 0) != 0) return false
            if (last > 0 && (zeros[0x10 or (selector and 15)] ?: 0) and 15 != 0) return false
        }
        return true
    }

    /** Take off what a scan brings: coefficients from its start on, down to its lowest bit. */
    private fun cover(body: Body) {
        val count = body.orNull(0) ?: 0
        if (body.size < 4 + 2 * count) return
        val low = body[3 + 2 * count] and 15
        for (i in 0 until count) {
            val component = body[1 + 2 * i]
            if (body[1 + 2 * count] == 0) left.computeIfPresent(component to true) { _, bits -> minOf(bits, low) }
            if (body[2 + 2 * count] > 0) left.computeIfPresent(component to false) { _, bits -> minOf(bits, low) }
        }
    }

    /** Where zero bits are how an encoder writes "as before", plain backgrounds are runs of zeros too. */
    private fun look(
        start: Int,
        end: Int,
    ) {
        val least = if (plain) HOLE_RUN + blocks / 4 else HOLE_RUN.toLong()
        hole = hole || (least < data.size && data.hasZeros(least.toInt(), start, end))
    }
}

/** A segment's bytes. */
private class Body(
    private val data: ByteArray,
    private val from: Int,
    to: Int,
) {
    val size: Int = maxOf(to - from, 0)

    operator fun get(i: Int): Int = data.u8(from + i)

    fun orNull(i: Int): Int? = if (i < size) this[i] else null
}
