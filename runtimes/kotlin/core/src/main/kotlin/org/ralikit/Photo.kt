package org.ralikit

import java.io.File

/**
 * What a photo's file says before it is decoded.
 *
 * @property width as stored, pixels; null: not read.
 * @property orientation EXIF's, 1 to 8.
 * @property toSrgb whether the decoder is asked to convert the colours, by a profile that is a table.
 */
public data class PhotoHeader(
    val kind: PhotoKind,
    val width: Int?,
    val height: Int?,
    val orientation: Int,
    val toSrgb: Boolean,
)

/** Kinds of photo files, by their first bytes. */
public enum class PhotoKind {
    JPEG,
    PNG,
    WEBP,
    GIF,
    BMP,
    TIFF,
    HEIC,
    AVIF,
    UNKNOWN,
}

/** Stored pixels of a photo: colours not converted, nothing turned. */
public interface PixelSource : AutoCloseable {
    public val width: Int
    public val height: Int

    /** Whether the platform has already converted the colours to sRGB. */
    public val converted: Boolean

    /** Whether the platform has already turned the picture upright. */
    public val upright: Boolean

    /** What a user should know about how it was decoded. */
    public val notes: List<String>

    /**
     * Give rows from [top] on, each of [width] pixels, as ARGB with straight alpha; asked for in order, once.
     *
     * @throws PhotoError if they cannot be decoded.
     */
    public fun read(
        top: Int,
        rows: Int,
        into: IntArray,
    )
}

/** Decodes what this library does not read itself: the platform's decoder. */
public interface PhotoDecoder {
    /** @throws PhotoError if it cannot. */
    public fun decode(
        bytes: ByteArray,
        header: PhotoHeader,
    ): PixelSource
}

/** A photo that is opened when its turn comes. */
public interface Photo {
    /** Named in errors. */
    public val name: String

    /** The whole file, or pixels. @throws PhotoError if it cannot be read. */
    public fun content(): PhotoContent

    public companion object {
        /** A file's bytes: PNG, and what the scorer's decoder reads. */
        @JvmStatic
        @JvmOverloads
        public fun bytes(
            bytes: ByteArray,
            name: String = "the photo",
        ): Photo = BytesPhoto(name) { bytes }

        /** A file, read when its turn comes. */
        @JvmStatic
        public fun file(file: File): Photo = BytesPhoto(file.name) { readWhole(file) }

        /** Upright sRGB pixels, row by row, ARGB with straight alpha; leave them as they are until they are scored. */
        @JvmStatic
        @JvmOverloads
        public fun argb(
            pixels: IntArray,
            width: Int,
            height: Int,
            name: String = "the picture",
        ): Photo {
            if (width < 1 || height < 1 || pixels.size.toLong() != width.toLong() * height) {
                throw UsageError("$name: ${pixels.size} pixels do not make $width x $height")
            }
            return ArgbPhoto(pixels, width, height, name)
        }
    }
}

/** What a [Photo] gives when it is opened. */
public sealed class PhotoContent {
    /** A file's bytes. */
    public class Bytes(
        public val bytes: ByteArray,
    ) : PhotoContent()

    /** Pixels that somebody decoded already: sRGB, upright. */
    public class Pixels(
        public val source: PixelSource,
    ) : PhotoContent()
}

private const val MOST_BYTES = 256L shl 20

private fun readWhole(file: File): ByteArray {
    if (!file.isFile) throw PhotoError(if (file.exists()) "is not a regular file" else "there is no such file")
    if (file.length() > MOST_BYTES) throw PhotoError("is ${file.length() shr 20} MB large; the limit is 256")
    return file.readBytes()
}

private class BytesPhoto(
    override val name: String,
    private val read: () -> ByteArray,
) : Photo {
    override fun content() = PhotoContent.Bytes(read())
}

private class ArgbPhoto(
    private val pixels: IntArray,
    override val width: Int,
    override val height: Int,
    override val name: String,
) : Photo,
    PixelSource {
    override val converted = true
    override val upright = true
    override val notes = emptyList<String>()

    override fun content() = PhotoContent.Pixels(this)

    override fun read(
        top: Int,
        rows: Int,
        into: IntArray,
    ) {
        pixels.copyInto(into, 0, top * width, (top + rows) * width)
    }

    override fun close(): Unit = Unit
}
