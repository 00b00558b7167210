package org.ralikit.photo

import org.ralikit.PhotoError
import kotlin.math.abs

/** A pass of an interlaced picture: first pixel, and step, in either direction. */
private class Pass(
    val x: Int,
    val y: Int,
    val dx: Int,
    val dy: Int,
)

private val ADAM7 =
    listOf(
        Pass(0, 0, 8, 8),
        Pass(4, 0, 8, 8),
        Pass(0, 4, 4, 8),
        Pass(2, 0, 4, 4),
        Pass(0, 2, 2, 4),
        Pass(1, 0, 2, 2),
        Pass(0, 1, 1, 2),
    )

/** A PNG's stored pixels, row by row: two rows in memory, or all pixels of an interlaced one. */
internal class PngRows(
    private val png: Png,
) : StoredRows {
    override val width: Int = png.head.width ?: 0
    override val height: Int = png.head.height ?: 0

    private val samples = PngSamples(png)
    override val alpha: Boolean = samples.alpha

    private val stream = PngStream(png.bytes, png.pixels)
    private val lines = PngLines(stream, png.channels * png.depth)
    private var sheet: Sheet? = null
    private var y = 0

    override fun next(
        rgb: ByteArray,
        alpha: ByteArray,
    ) {
        if (!png.interlaced) {
            samples.expand(lines.next(width), width, rgb, alpha)
            return
        }
        val whole = sheet ?: unlace().also { sheet = it }
        whole.rgb.copyInto(rgb, 0, y * width * 3, (y + 1) * width * 3)
        whole.alpha?.copyInto(alpha, 0, y * width, (y + 1) * width)
        y++
    }

    override fun close(): Unit = stream.close()

    private fun unlace(): Sheet {
        if (width.toLong() * height * 3 > Int.MAX_VALUE) throw PhotoError("is too large for an interlaced photo")
        val whole = Sheet(ByteArray(width * height * 3), if (alpha) ByteArray(width * height) else null)
        for (pass in ADAM7) {
            val across = (width - pass.x + pass.dx - 1) / pass.dx
            val down = (height - pass.y + pass.dy - 1) / pass.dy
            if (across <= 0 || down <= 0) continue
            lines.restart()
            val rgb = ByteArray(across * 3)
            val opacity = ByteArray(across)
            for (row in 0 until down) {
                samples.expand(lines.next(across), across, rgb, opacity)
                for (i in 0 until across) {
                    val to = (pass.y + row * pass.dy) * width + pass.x + i * pass.dx
                    rgb.copyInto(whole.rgb, to * 3, i * 3, i * 3 + 3)
                    whole.alpha?.set(to, opacity[i])
                }
            }
        }
        return whole
    }

    private class Sheet(
        val rgb: ByteArray,
        val alpha: ByteArray?,
    )
}

/** Lines of packed samples, filters undone. @param bits of a pixel. */
private class PngLines(
    private val stream: PngStream,
    private val bits: Int,
) {
    private val step = maxOf(1, bits / 8)
    private val filter = ByteArray(1)
    private var line = ByteArray(0)
    private var above = ByteArray(0)

    /** Nothing stands above the next line. */
    fun restart() {
        above.fill(0)
        line.fill(0)
        above = ByteArray(0)
    }

    /** The next line of [pixels]; the array is used again. */
    fun next(pixels: Int): ByteArray {
        val size = ((pixels.toLong() * bits + 7) / 8).toInt()
        if (above.size != size) {
            above = ByteArray(size)
            line = ByteArray(size)
        }
        stream.read(filter, 0, 1)
        stream.read(line, 0, size)
        when (filter[0].toInt()) {
            0 -> Unit
            1 -> for (i in step until size) line[i] = (line[i] + line[i - step]).toByte()
            2 -> for (i in 0 until size) line[i] = (line[i] + above[i]).toByte()
            3 -> average(size)
            4 -> paeth(size)
            else -> throw PhotoError("is damaged: its pixels cannot be unpacked; get a whole copy")
        }
        val done = line
        line = above
        above = done
        return done
    }

    private fun average(size: Int) {
        for (i in 0 until size) {
            val left = if (i >= step) line.u8(i - step) else 0
            line[i] = (line[i] + ((left + above.u8(i)) shr 1)).toByte()
        }
    }

    private fun paeth(size: Int) {
        for (i in 0 until size) {
            val a = if (i >= step) line.u8(i - step) else 0
            val b = above.u8(i)
            val c = if (i >= step) above.u8(i - step) else 0
            val toA = abs(b - c)
            val toB = abs(a - c)
            val toC = abs(a + b - c - c)
            val guess =
                if (toA <= toB && toA <= toC) {
                    a
                } else if (toB <= toC) {
                    b
                } else {
                    c
                }
            line[i] = (line[i] + guess).toByte()
        }
    }
}

/** From packed samples to 8-bit RGB and opacity. */
private class PngSamples(
    png: Png,
) {
    private val depth = png.depth
    private val channels = png.channels
    private val palette = if (png.colour == 3) png.palette ?: throw PhotoError("has no palette") else null
    private val transparency = png.transparency
    private val gray = palette == null && channels < 3
    private val key = if (palette == null) keyOf(transparency) else null

    val alpha: Boolean = channels == 2 || channels == 4 || (if (palette != null) transparency != null else key != null)

    private fun keyOf(chunk: ByteArray?): IntArray? {
        val wanted = if (gray) 1 else 3
        if (chunk == null || channels == 2 || channels == 4 || chunk.size < 2 * wanted) return null
        // 16-bit colours are compared by their high bytes, 16-bit gray as a whole.
        val shift = if (depth == 16 && !gray) 8 else 0
        return IntArray(wanted) { chunk.u16(2 * it) shr shift }
    }

    fun expand(
        line: ByteArray,
        pixels: Int,
        rgb: ByteArray,
        opacity: ByteArray,
    ) {
        if (depth == 8 && channels == 3 && key == null) {
            line.copyInto(rgb, 0, 0, pixels * 3)
            return
        }
        for (i in 0 until pixels) {
            if (palette != null) indexed(sample(line, i), i, palette, rgb, opacity) else direct(line, i, rgb, opacity)
        }
    }

    private fun indexed(
        index: Int,
        i: Int,
        colours: ByteArray,
        rgb: ByteArray,
        opacity: ByteArray,
    ) {
        if (index * 3 + 2 >= colours.size) throw PhotoError("is damaged: its palette is too short")
        colours.copyInto(rgb, i * 3, index * 3, index * 3 + 3)
        if (transparency != null) opacity[i] = if (index < transparency.size) transparency[index] else -1
    }

    private fun direct(
        line: ByteArray,
        i: Int,
        rgb: ByteArray,
        opacity: ByteArray,
    ) {
        for (c in 0..2) rgb[i * 3 + c] = level(sample(line, i * channels + if (gray) 0 else c))
        if (key != null) {
            val shift = if (depth == 16 && !gray) 8 else 0
            val clear = key.indices.all { sample(line, i * channels + it) shr shift == key[it] }
            opacity[i] = if (clear) 0 else -1
        } else if (alpha) {
            opacity[i] = level(sample(line, i * channels + channels - 1))
        }
    }

    private fun level(value: Int): Byte =
        when (depth) {
            16 -> value shr 8
            8 -> value
            else -> value * 255 / ((1 shl depth) - 1)
        }.toByte()

    private fun sample(
        line: ByteArray,
        i: Int,
    ): Int {
        if (depth == 8) return line.u8(i)
        if (depth == 16) return line.u16(2 * i)
        val bit = i * depth
        return line.u8(bit shr 3) shr (8 - depth - (bit and 7)) and ((1 shl depth) - 1)
    }
}
