package org.ralikit

import java.awt.image.BufferedImage
import java.io.ByteArrayInputStream
import javax.imageio.ImageIO

/** The JDK's decoder, as an example of [PhotoDecoder]: stored samples, no colours converted, nothing turned. */
internal object ImageIoDecoder : PhotoDecoder {
    override fun decode(
        bytes: ByteArray,
        header: PhotoHeader,
    ): PixelSource {
        val image =
            try {
                ImageIO.read(ByteArrayInputStream(withoutProfile(bytes)))
            } catch (error: Exception) {
                throw PhotoError("cannot be decoded (${error.message})", error)
            }
        return Source(image ?: throw PhotoError("is of a kind that this decoder does not read"))
    }

    /** A JPEG without its colour profile, to which the JDK would convert by itself. */
    private fun withoutProfile(bytes: ByteArray): ByteArray {
        var at = 2
        while (at + 4 <= bytes.size && bytes[at] == 0xff.toByte() && bytes[at + 1] != 0xda.toByte()) {
            val end = at + 2 + (bytes[at + 2].toInt() and 0xff) * 256 + (bytes[at + 3].toInt() and 0xff)
            if (end > bytes.size) break
            if (bytes[at + 1] == 0xe2.toByte()) {
                return withoutProfile(bytes.copyOf(at) + bytes.copyOfRange(end, bytes.size))
            }
            at = end
        }
        return bytes
    }

    private class Source(
        private val image: BufferedImage,
    ) : PixelSource {
        override val width = image.width
        override val height = image.height
        override val converted = false
        override val upright = false
        override val notes = emptyList<String>()

        // getRGB would convert colours: of gray too, by a curve that no gray JPEG has.
        override fun read(
            top: Int,
            rows: Int,
            into: IntArray,
        ) {
            val raster = image.raster
            val bands = raster.numBands
            val samples = raster.getPixels(0, top, width, rows, null as IntArray?)
            for (i in 0 until width * rows) {
                val r = samples[i * bands]
                val g = samples[i * bands + if (bands >= 3) 1 else 0]
                val b = samples[i * bands + if (bands >= 3) 2 else 0]
                into[i] = (0xff shl 24) or (r shl 16) or (g shl 8) or b
            }
        }

        override fun close() = Unit
    }
}
