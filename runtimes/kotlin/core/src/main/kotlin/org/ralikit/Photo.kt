package org.ralikit

import java.io.File

/** What a photo's file says before it is decoded. */
public data class PhotoHeader(
    val kind: PhotoKind,
    val width: Int?,
    val height: Int?,
    val orientation: Int,
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
        /** A file's bytes: JPEG, PNG, WebP and what else the decoder reads. */
        @JvmStatic
        @JvmOverloads
        public fun bytes(
            bytes: ByteArray,
            name: String = "the photo",
        ): Photo = TODO()

        @JvmStatic
        public fun file(file: File): Photo = TODO()

        /** Upright sRGB pixels, row by row, ARGB with straight alpha. */
        @JvmStatic
        @JvmOverloads
        public fun argb(
            pixels: IntArray,
            width: Int,
            height: Int,
            name: String = "the picture",
        ): Photo = TODO()
    }
}

/** What a [Photo] gives when it is opened. */
public sealed class PhotoContent {
    /** A file's bytes. */
    public class Bytes(
        public val bytes: ByteArray,
    ) : PhotoContent()

    /** Pixels that somebody decoded already. */
    public class Pixels(
        public val source: PixelSource,
    ) : PhotoContent()
}
