package org.ralikit.photo

import org.ralikit.PhotoError
import org.ralikit.PhotoKind

/** Largest photo that is decoded: 100 megapixels, with room for cameras named so. */
internal const val MOST_PIXELS = 100L * 1024 * 1024

/** Longest edge that is decoded, pixels. */
internal const val MOST_EDGE = 100_000L

private val GAIN_MAPS = listOf("hdrgm:", "HDRGainMap", "aux:hdrgainmap", "urn:iso:std:iso:ts:21496")
private val HEIC_BRANDS = setOf("heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1")
private val AVIF_BRANDS = setOf("avif", "avis")

/** What a photo's file says before it is decoded; width and height as stored, null where not read. */
internal class Head(
    val kind: PhotoKind,
) {
    var width: Int? = null
    var height: Int? = null
    var space: PixelSpace = PixelSpace.RGB
    var orientation: Int = 1
    var taken: Double? = null
    var profile: ByteArray? = null
    var coded: Coded? = null
    var gainMap: Boolean = false
    val notes = ArrayList<String>()
}

/** Refuse a photo without pixels, and one beyond the limits. @throws PhotoError in either case. */
internal fun checkSize(
    width: Long,
    height: Long,
) {
    if (width < 1 || height < 1) throw PhotoError("has no pixels ($width x $height)")
    if (width * height > MOST_PIXELS || maxOf(width, height) > MOST_EDGE) {
        throw PhotoError("is $width x $height pixels; the limit is 100 megapixels and $MOST_EDGE on an edge")
    }
}

/** Which kind of photo a file is, by its first bytes. */
internal fun kindOf(b: ByteArray): PhotoKind {
    val brand = if (b.latin1(4, 4) == "ftyp") b.latin1(8, 4) else ""
    return when {
        b.latin1(0, 2) == "\u00ff\u00d8" -> PhotoKind.JPEG
        b.latin1(0, 8) == "\u0089PNG\r\n\u001a\n" -> PhotoKind.PNG
        b.latin1(0, 4) == "RIFF" && b.latin1(8, 4) == "WEBP" -> PhotoKind.WEBP
        b.latin1(0, 4) == "GIF8" -> PhotoKind.GIF
        b.latin1(0, 2) == "BM" -> PhotoKind.BMP
        b.latin1(0, 4) in setOf("II*\u0000", "MM\u0000*", "II+\u0000", "MM\u0000+") -> PhotoKind.TIFF
        brand in AVIF_BRANDS -> PhotoKind.AVIF
        brand in HEIC_BRANDS -> PhotoKind.HEIC
        else -> PhotoKind.UNKNOWN
    }
}

/** Read the head of a file that is not PNG; what cannot be read is left out, for the decoder to refuse. */
internal fun readHead(bytes: ByteArray): Head {
    val head = Head(kindOf(bytes))
    try {
        when (head.kind) {
            PhotoKind.JPEG -> jpegHead(bytes, head)
            PhotoKind.WEBP -> webpHead(bytes, head)
            PhotoKind.HEIC -> heicHead(bytes, head)
            PhotoKind.GIF -> head.setSize(bytes.u16le(6), bytes.u16le(8))
            PhotoKind.BMP -> head.setSize(bytes.u32le(18).toInt(), kotlin.math.abs(bytes.u32le(22).toInt()))
            else -> Unit
        }
    } catch (_: IndexOutOfBoundsException) {
        // Cut off: the decoder says so.
    }
    return head
}

internal fun Head.setSize(
    width: Int,
    height: Int,
) {
    this.width = width
    this.height = height
}

internal fun Head.setExif(
    b: ByteArray,
    from: Int,
    to: Int,
) {
    val exif = readExif(b, from, to)
    orientation = exif.orientation
    taken = exif.taken
}

/** Whether some text names a gain map, with which a display would widen the range. */
internal fun namesGainMap(
    data: ByteArray,
    from: Int = 0,
    to: Int = data.size,
): Boolean = GAIN_MAPS.any { data.find(it.toByteArray(Charsets.ISO_8859_1), from, to) >= 0 }

private fun jpegHead(
    b: ByteArray,
    head: Head,
) {
    val parts = HashMap<Int, ByteArray>()
    var wanted = 0
    var several = false
    var at = 2
    while (at + 4 <= b.size && b.u8(at) == 0xff) {
        val marker = b.u8(at + 1)
        if (marker == 0xff || marker == 0x01 || marker in 0xd0..0xd8) {
            at += if (marker == 0xff) 1 else 2
            continue
        }
        if (marker == 0xda || marker == 0xd9) break
        val end = at + 2 + b.u16(at + 2)
        val from = at + 4
        val to = minOf(end, b.size)
        if (isFrame(marker)) {
            head.setSize(b.u16(from + 3), b.u16(from + 1))
            head.space = spaceOf(b.u8(from + 5))
        } else if (marker == 0xe1 && b.latin1(from, 6) == "Exif\u0000\u0000") {
            head.setExif(b, from + 6, to)
        } else if (marker == 0xe1 && namesGainMap(b, from, to)) {
            head.gainMap = true
        } else if (marker == 0xe2 && b.latin1(from, 12) == "ICC_PROFILE\u0000") {
            wanted = b.u8(from + 13)
            parts[b.u8(from + 12)] = b.copyOfRange(from + 14, maxOf(to, from + 14))
        } else if (marker == 0xe2 && b.latin1(from, 4) == "MPF\u0000") {
            several = true
        }
        at = maxOf(end, at + 2)
    }
    // The gain map is a second JPEG behind the first and names itself there.
    if (several && namesGainMap(b)) head.gainMap = true
    if (wanted > 0 && (1..wanted).all { it in parts }) {
        head.profile = (1..wanted).map { parts.getValue(it) }.fold(ByteArray(0)) { all, part -> all + part }
    }
}

private fun spaceOf(components: Int): PixelSpace =
    when (components) {
        1 -> PixelSpace.GRAY
        4 -> PixelSpace.CMYK
        else -> PixelSpace.RGB
    }

private fun webpHead(
    b: ByteArray,
    head: Head,
) {
    var at = 12
    var sized = false
    while (at + 8 <= b.size) {
        val kind = b.latin1(at, 4)
        val length = b.u32le(at + 4)
        val from = at + 8
        val to = minOf(from + length, b.size.toLong()).toInt()
        when (kind) {
            "VP8X" -> {
                head.setSize(u24le(b, from + 4) + 1, u24le(b, from + 7) + 1)
                sized = true
            }

            "VP8 " -> {
                if (!sized) head.setSize(b.u16le(from + 6) and 0x3fff, b.u16le(from + 8) and 0x3fff)
            }

            "VP8L" -> {
                if (!sized) {
                    val bits = b.u32le(from + 1).toInt()
                    head.setSize((bits and 0x3fff) + 1, (bits ushr 14 and 0x3fff) + 1)
                }
            }

            "ICCP" -> {
                head.profile = b.copyOfRange(from, to)
            }

            "EXIF" -> {
                val skip = if (b.latin1(from, 6) == "Exif\u0000\u0000") 6 else 0
                head.setExif(b, from + skip, to)
            }

            "XMP " -> {
                if (namesGainMap(b, from, to)) head.gainMap = true
            }
        }
        val packed = kind == "VP8 " || kind == "VP8L" || kind == "ALPH"
        if (packed && b.hasZeros(HOLE_RUN, from, to) && HOLE !in head.notes) head.notes += HOLE
        // What follows a frame's 16 bytes are blocks of the first picture.
        val next = if (kind == "ANMF") from + 16L else from + length + (length and 1)
        if (next > b.size) break
        at = next.toInt()
    }
}

private fun u24le(
    b: ByteArray,
    at: Int,
): Int = b.u16le(at) or (b.u8(at + 2) shl 16)
