package org.ralikit.photo

import org.ralikit.PixelSource

private const val STRIP = 1 shl 18 // pixels fetched from a decoder at a time: 1 MB

/** A photo's stored pixels, from the top row down, each row once. */
internal interface StoredRows : AutoCloseable {
    val width: Int
    val height: Int

    /** Whether there is opacity at all. */
    val alpha: Boolean

    /** The next row: RGB, and opacity where there is any. */
    fun next(
        rgb: ByteArray,
        alpha: ByteArray,
    )
}

/** Rows of a decoder's pixels, fetched in strips. */
internal class SourceRows(
    private val source: PixelSource,
) : StoredRows {
    override val width: Int = source.width
    override val height: Int = source.height
    override val alpha: Boolean = true

    private val strip = IntArray(width * (STRIP / width).coerceIn(1, height))
    private val rows = strip.size / width
    private var y = 0

    override fun next(
        rgb: ByteArray,
        alpha: ByteArray,
    ) {
        if (y % rows == 0) source.read(y, minOf(rows, height - y), strip)
        val from = y % rows * width
        y++
        var o = 0
        for (x in 0 until width) {
            val pixel = strip[from + x]
            rgb[o] = (pixel shr 16).toByte()
            rgb[o + 1] = (pixel shr 8).toByte()
            rgb[o + 2] = pixel.toByte()
            alpha[x] = (pixel shr 24).toByte()
            o += 3
        }
    }

    override fun close(): Unit = source.close()
}

/** A photo's stored pixels in sRGB over white, from the top row down, each row once. */
internal class RgbRows(
    private val stored: StoredRows,
    private val conversion: Conversion?,
) : AutoCloseable {
    val width: Int = stored.width
    val height: Int = stored.height

    /** Time that decoding and colours took so far. */
    var nanos: Long = 0
        private set

    private val alpha = ByteArray(if (stored.alpha) width else 0)

    fun next(rgb: ByteArray) {
        val start = System.nanoTime()
        stored.next(rgb, alpha)
        conversion?.convert(rgb, width)
        if (stored.alpha) overWhite(rgb, alpha)
        nanos += System.nanoTime() - start
    }

    override fun close(): Unit = stored.close()
}

private fun overWhite(
    rgb: ByteArray,
    alpha: ByteArray,
) {
    for (x in alpha.indices) {
        val a = alpha[x].toInt() and 0xff
        if (a == 255) continue
        for (i in x * 3 until x * 3 + 3) {
            val t = (rgb[i].toInt() and 0xff) * a + 255 * (255 - a) + 128
            rgb[i] = ((t + (t shr 8)) shr 8).toByte()
        }
    }
}
