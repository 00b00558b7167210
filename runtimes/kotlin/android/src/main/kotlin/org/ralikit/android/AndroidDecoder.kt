package org.ralikit.android

import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.graphics.BitmapRegionDecoder
import android.graphics.ColorSpace
import android.graphics.Rect
import android.os.Build
import org.ralikit.PhotoDecoder
import org.ralikit.PhotoError
import org.ralikit.PhotoHeader
import org.ralikit.PhotoKind
import org.ralikit.PixelSource
import java.nio.ByteBuffer

private const val MOST_PIXELS = 100L shl 20
private const val WHOLE = 25L shl 20 // pixels decoded at once: 100 MB of the phone's memory
private const val STRIP = 4 shl 20 // pixels of a strip of a larger photo

/**
 * The platform's decoder: stored samples as they are, no colours converted unless asked, nothing scaled.
 *
 * A bitmap carries its photo's own colours from Android 8 on, and `getPixels` would convert them to sRGB by another
 * arithmetic than the one that golden vectors hold; so they are read as though they were sRGB.
 */
internal object AndroidDecoder : PhotoDecoder {
    override fun decode(
        bytes: ByteArray,
        header: PhotoHeader,
    ): PixelSource {
        val bounds = options(header).apply { inJustDecodeBounds = true }
        BitmapFactory.decodeByteArray(bytes, 0, bytes.size, bounds)
        val pixels = bounds.outWidth.toLong() * bounds.outHeight
        if (bounds.outWidth < 1 || bounds.outHeight < 1) {
            throw PhotoError("is ${header.kind}, damaged or of a kind that this phone does not read")
        }
        if (pixels > MOST_PIXELS) {
            throw PhotoError("is ${bounds.outWidth} x ${bounds.outHeight} pixels; the limit is 100 megapixels")
        }
        if (pixels > WHOLE) return RegionSource(bytes, header)
        val bitmap =
            BitmapFactory.decodeByteArray(bytes, 0, bytes.size, options(header))
                ?: throw PhotoError("is damaged or of a kind that this phone does not read")
        return BitmapSource(
            bitmap,
            owned = true,
            converted = header.toSrgb && Build.VERSION.SDK_INT >= Build.VERSION_CODES.O,
            upright = header.kind == PhotoKind.HEIC,
        )
    }
}

private fun options(header: PhotoHeader) =
    BitmapFactory.Options().apply {
        inPreferredConfig = Bitmap.Config.ARGB_8888
        inPremultiplied = false // multiplying and dividing loses the colour under transparent pixels
        inScaled = false
        if (header.toSrgb && Build.VERSION.SDK_INT >= Build.VERSION_CODES.O) {
            inPreferredColorSpace = ColorSpace.get(ColorSpace.Named.SRGB)
        }
    }

/** Pixels of a bitmap. @property converted whether `getPixels` gives what is wanted: sRGB. */
internal class BitmapSource(
    private val bitmap: Bitmap,
    private val owned: Boolean,
    override val converted: Boolean,
    override val upright: Boolean,
) : PixelSource {
    override val width: Int = bitmap.width
    override val height: Int = bitmap.height
    override val notes: List<String> = emptyList()

    private val raw: ByteBuffer? = if (converted) null else asStored(bitmap)

    override fun read(
        top: Int,
        rows: Int,
        into: IntArray,
    ) {
        val bytes = raw
        if (bytes == null) {
            bitmap.getPixels(into, 0, width, 0, top, width, rows)
        } else {
            unpack(bytes, top * width, rows * width, into)
        }
    }

    override fun close() {
        if (owned) bitmap.recycle()
    }
}

/** A photo too large to be decoded at once, in strips. */
private class RegionSource(
    bytes: ByteArray,
    private val header: PhotoHeader,
) : PixelSource {
    @Suppress("DEPRECATION") // the one there is before Android 12
    private val decoder = BitmapRegionDecoder.newInstance(bytes, 0, bytes.size, false)
    override val width: Int = decoder.width
    override val height: Int = decoder.height
    override val converted: Boolean = header.toSrgb && Build.VERSION.SDK_INT >= Build.VERSION_CODES.O
    override val upright: Boolean = header.kind == PhotoKind.HEIC
    override val notes: List<String> = emptyList()

    private var strip: BitmapSource? = null
    private var from = 0
    private var until = 0

    override fun read(
        top: Int,
        rows: Int,
        into: IntArray,
    ) {
        val row = IntArray(width)
        for (i in 0 until rows) {
            if (top + i >= until) next(top + i)
            val source = strip ?: throw PhotoError("cannot be decoded on this phone")
            source.read(top + i - from, 1, row)
            row.copyInto(into, i * width)
        }
    }

    private fun next(top: Int) {
        strip?.close()
        from = top
        until = minOf(height, top + maxOf(1, STRIP / width))
        val bitmap =
            decoder.decodeRegion(Rect(0, from, width, until), options(header))
                ?: throw PhotoError("is damaged or of a kind that this phone does not read")
        strip = BitmapSource(bitmap, owned = true, converted = converted, upright = false)
    }

    override fun close() {
        strip?.close()
        decoder.recycle()
    }
}

/**
 * Make `getPixels` give the stored values: the bitmap is taken for sRGB where that can be said (Android 10); before
 * that its bytes are taken out, where it has colours of its own (Android 8).
 */
private fun asStored(bitmap: Bitmap): ByteBuffer? {
    if (Build.VERSION.SDK_INT < Build.VERSION_CODES.O) return null
    val space = bitmap.colorSpace
    if (space == null || space.isSrgb) return null
    if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q) {
        bitmap.setColorSpace(ColorSpace.get(ColorSpace.Named.SRGB))
        return null
    }
    if (bitmap.config != Bitmap.Config.ARGB_8888) throw PhotoError("is decoded to ${bitmap.config}, which is not read")
    return ByteBuffer.allocate(bitmap.byteCount).also { bitmap.copyPixelsToBuffer(it) }
}

/** ARGB of pixels that lie as R, G, B, A. */
private fun unpack(
    bytes: ByteBuffer,
    from: Int,
    count: Int,
    into: IntArray,
) {
    for (i in 0 until count) {
        val at = (from + i) * 4
        val r = bytes.get(at).toInt() and 0xff
        val g = bytes.get(at + 1).toInt() and 0xff
        val b = bytes.get(at + 2).toInt() and 0xff
        val a = bytes.get(at + 3).toInt() and 0xff
        into[i] = (a shl 24) or (r shl 16) or (g shl 8) or b
    }
}
