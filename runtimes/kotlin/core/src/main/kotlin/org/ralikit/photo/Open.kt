package org.ralikit.photo

import org.ralikit.Photo
import org.ralikit.PhotoContent
import org.ralikit.PhotoDecoder
import org.ralikit.PhotoError
import org.ralikit.PhotoHeader
import org.ralikit.PhotoKind
import org.ralikit.PixelSource

private const val DAMAGED = "its colour profile is damaged and was left out: the pixels were taken as sRGB"
private const val MISFIT = "its colour profile is for another kind of pixels and was left out"
private const val CONVERTED = "its colour profile is a table, which the platform applied"
private const val GAIN_MAP = "its HDR gain map was left out: the standard-range picture was scored"

/** A photo whose rows can be read, once. @property orientation EXIF's, of the stored pixels. @property taken seconds. */
internal class OpenedPhoto(
    val rows: RgbRows,
    val orientation: Int,
    val notes: List<String>,
    val taken: Double?,
) : AutoCloseable {
    /** Size of the upright photo, pixels. */
    val width: Int = upright(rows.width, rows.height, orientation).first
    val height: Int = upright(rows.width, rows.height, orientation).second

    override fun close(): Unit = rows.close()
}

/** Run [block] on an opened photo; every failure is one sentence that names it. @throws PhotoError */
internal inline fun <T> withPhoto(
    photo: Photo,
    decoder: PhotoDecoder?,
    block: (OpenedPhoto) -> T,
): T =
    guarded(photo.name) {
        openPhoto(photo.content(), decoder).use(block)
    }

/** Turn whatever a decoder raises into one sentence about the photo. */
internal inline fun <T> guarded(
    name: String,
    block: () -> T,
): T {
    val shown = name.map { if (it.isISOControl()) '?' else it }.joinToString("")
    try {
        return block()
    } catch (error: PhotoError) {
        throw PhotoError("$shown: ${error.message}", error)
    } catch (error: OutOfMemoryError) {
        throw PhotoError("$shown: not enough memory to decode it", error)
    } catch (error: java.io.IOException) {
        throw PhotoError("$shown: cannot be read (${error.message})", error)
    } catch (error: SecurityException) {
        throw PhotoError("$shown: cannot be read, since permission ended; pick it again", error)
    } catch (error: IndexOutOfBoundsException) {
        throw PhotoError("$shown: the file is cut off or damaged; get a complete copy", error)
    } catch (error: IllegalArgumentException) {
        throw PhotoError("$shown: cannot be decoded (${error.message})", error)
    } catch (error: IllegalStateException) {
        if (error is java.util.concurrent.CancellationException) throw error
        throw PhotoError("$shown: cannot be decoded (${error.message})", error)
    }
}

internal fun openPhoto(
    content: PhotoContent,
    decoder: PhotoDecoder?,
): OpenedPhoto =
    when (content) {
        is PhotoContent.Pixels -> openPixels(content.source)
        is PhotoContent.Bytes -> openBytes(content.bytes, decoder)
    }

private fun openPixels(source: PixelSource): OpenedPhoto {
    checkSize(source.width.toLong(), source.height.toLong())
    return OpenedPhoto(RgbRows(SourceRows(source), null), 1, source.notes, taken = null)
}

private fun openBytes(
    bytes: ByteArray,
    decoder: PhotoDecoder?,
): OpenedPhoto {
    if (bytes.isEmpty()) throw PhotoError("the file is empty")
    if (kindOf(bytes) == PhotoKind.PNG) return openPng(Png(bytes))
    val head = readHead(bytes)
    refuseKind(head.kind)
    val width = head.width
    val height = head.height
    if (width != null && height != null) checkSize(width.toLong(), height.toLong())
    if (decoder == null) {
        throw PhotoError("is ${head.kind}, and only PNG is read without a decoder; pass one as the scorer is opened")
    }
    return decodeWith(decoder, bytes, head)
}

private fun refuseKind(kind: PhotoKind) {
    when (kind) {
        PhotoKind.AVIF -> {
            throw PhotoError("is AVIF, which is not read; save it as JPEG or PNG")
        }

        PhotoKind.TIFF -> {
            throw PhotoError("is TIFF or a camera raw file, which are not read here; save it as JPEG or PNG")
        }

        PhotoKind.UNKNOWN -> {
            throw PhotoError("is no photo that can be read (expected JPEG, PNG, WebP, BMP, GIF or HEIC)")
        }

        else -> {}
    }
}

private fun openPng(png: Png): OpenedPhoto {
    val (conversion, notes) = conversionOf(png.head)
    if (conversion is Conversion.Table) {
        throw PhotoError("has a colour profile that is a table, which is not read in a PNG; save it as sRGB")
    }
    return OpenedPhoto(
        RgbRows(PngRows(png), conversion),
        png.head.orientation,
        png.head.notes + notes + gainMap(png.head),
        png.head.taken,
    )
}

private fun gainMap(head: Head): List<String> = if (head.gainMap) listOf(GAIN_MAP) else emptyList()

private fun decodeWith(
    decoder: PhotoDecoder,
    bytes: ByteArray,
    head: Head,
): OpenedPhoto {
    val (conversion, notes) = conversionOf(head)
    val table = conversion is Conversion.Table
    val header = PhotoHeader(head.kind, head.width, head.height, head.orientation, toSrgb = table)
    val (whole, jpegNotes) =
        if (head.kind ==
            PhotoKind.JPEG
        ) {
            wholeJpeg(bytes, header, decoder)
        } else {
            bytes to emptyList()
        }
    val source = decoder.decode(whole, header)
    try {
        checkSize(source.width.toLong(), source.height.toLong())
        if (table && !source.converted) {
            throw PhotoError("has a colour profile that is a table, which this decoder does not apply; save it as sRGB")
        }
        val ours = if (source.converted) null else conversion
        val applied = if (table) listOf(CONVERTED) else emptyList()
        val all = head.notes + jpegNotes + notes + applied + source.notes + gainMap(head)
        val orientation = if (source.upright) 1 else head.orientation
        return OpenedPhoto(RgbRows(SourceRows(source), ours), orientation, all, head.taken)
    } catch (error: Throwable) {
        source.close()
        throw error
    }
}

/** A JPEG's bytes up to its end mark, and what a user should know. @throws PhotoError if pixels are missing. */
private fun wholeJpeg(
    bytes: ByteArray,
    header: PhotoHeader,
    decoder: PhotoDecoder,
): Pair<ByteArray, List<String>> {
    val marks = walkJpeg(bytes)
    refuseEndless(marks)
    val hole = if (marks.hole) listOf(HOLE) else emptyList()
    if (marks.ended) return bytes to hole
    // A decoder fills what is missing without a word: other bytes before the end mark would then show.
    val mended = if (marks.complete) mendedJpegs(bytes) else emptyList()
    val seen = mended.map { decoder.decode(it, header).use(::pixelsHash) }.toSet()
    if (seen.size != 1) throw PhotoError("the file is cut off; get a complete copy")
    return mended[0] to listOf(NO_END) + hole
}

private fun pixelsHash(source: PixelSource): Int {
    val rows = SourceRows(source)
    val rgb = ByteArray(source.width * 3)
    val alpha = ByteArray(source.width)
    var hash = 1
    for (y in 0 until source.height) {
        rows.next(rgb, alpha)
        hash = 31 * hash + rgb.contentHashCode()
    }
    return hash
}

/** How a photo's pixels reach sRGB, and what a user should know. @throws PhotoError for high dynamic range. */
internal fun conversionOf(head: Head): Pair<Conversion?, List<String>> {
    val coded = head.coded
    val data = head.profile
    if (coded != null) refuseHdr(hdrOf(coded.transfer))
    // A PNG's numbers go before its profile; HEIC's count where there is none.
    val byNumbers = coded != null && (head.kind == PhotoKind.PNG || data == null)
    if (coded != null && byNumbers && head.space != PixelSpace.CMYK) return coded.conversion()
    if (data == null) return null to emptyList()
    val profile =
        try {
            parseProfile(data)
        } catch (_: ProfileError) {
            return null to listOf(DAMAGED)
        } catch (_: IndexOutOfBoundsException) {
            return null to listOf(DAMAGED)
        }
    refuseHdr(profile.transfer)
    val fits =
        when (profile.space) {
            PixelSpace.GRAY -> head.space == PixelSpace.GRAY
            PixelSpace.RGB -> head.space != PixelSpace.CMYK
            PixelSpace.CMYK -> head.space == PixelSpace.CMYK
        }
    return if (fits) profile.conversion to emptyList() else null to listOf(MISFIT)
}

internal fun refuseHdr(transfer: Transfer) {
    if (transfer != Transfer.SDR) {
        throw PhotoError(
            "is high dynamic range ($transfer), which is not scored; export it as a standard-range photo",
        )
    }
}
