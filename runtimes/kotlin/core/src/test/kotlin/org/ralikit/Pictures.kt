package org.ralikit

import org.ralikit.photo.RgbRows
import org.ralikit.photo.StoredRows
import java.io.ByteArrayOutputStream
import java.util.zip.CRC32
import java.util.zip.Deflater
import java.util.zip.DeflaterOutputStream

/** Rows of pixels in memory. */
internal fun rows(
    pixels: ByteArray,
    width: Int,
    height: Int,
): RgbRows =
    RgbRows(
        object : StoredRows {
            override val width = width
            override val height = height
            override val alpha = false
            private var y = 0

            override fun next(
                rgb: ByteArray,
                alpha: ByteArray,
            ) {
                pixels.copyInto(rgb, 0, y * width * 3, (y + 1) * width * 3)
                y++
            }

            override fun close() = Unit
        },
        null,
    )

/** A block of a PNG, its checksum right. */
internal fun block(
    kind: String,
    body: ByteArray,
): ByteArray {
    val named = kind.toByteArray(Charsets.ISO_8859_1) + body
    return int(body.size) + named + int(CRC32().also { it.update(named) }.value.toInt())
}

internal fun int(value: Int): ByteArray = ByteArray(4) { (value ushr (24 - 8 * it)).toByte() }

/** An 8-bit RGB PNG, its rows made one by one; [extra] blocks stand before the pixels. */
internal fun png(
    width: Int,
    height: Int,
    extra: ByteArray = ByteArray(0),
    row: (Int, ByteArray) -> Unit,
): ByteArray {
    val packed = ByteArrayOutputStream()
    DeflaterOutputStream(packed, Deflater(Deflater.BEST_SPEED)).use { out ->
        val line = ByteArray(width * 3)
        for (y in 0 until height) {
            row(y, line)
            out.write(0)
            out.write(line)
        }
    }
    val header = int(width) + int(height) + byteArrayOf(8, 2, 0, 0, 0)
    val start = byteArrayOf(0x89.toByte(), 'P'.code.toByte(), 'N'.code.toByte(), 'G'.code.toByte(), 13, 10, 26, 10)
    return start + block("IHDR", header) + extra + block("IDAT", packed.toByteArray()) + block("IEND", ByteArray(0))
}
