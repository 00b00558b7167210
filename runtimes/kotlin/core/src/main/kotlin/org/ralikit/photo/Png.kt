package org.ralikit.photo

import org.ralikit.PhotoError
import org.ralikit.PhotoKind
import java.util.zip.CRC32
import java.util.zip.DataFormatException
import java.util.zip.Inflater

private const val UNPACKED = 1 shl 20 // of one block of text
private const val TEXT = 32L shl 20 // of all text together
private const val PROFILE = 16 shl 20
private const val GRAY = 0
private const val RGB = 2
private const val PALETTE = 3
private const val GRAY_ALPHA = 4

private val CHANNELS = mapOf(GRAY to 1, RGB to 3, PALETTE to 1, GRAY_ALPHA to 2, 6 to 4)
private val DEPTHS =
    mapOf(
        GRAY to setOf(1, 2, 4, 8, 16),
        RGB to setOf(8, 16),
        PALETTE to setOf(1, 2, 4, 8),
        GRAY_ALPHA to setOf(8, 16),
        6 to setOf(8, 16),
    )

/** A part of a file. */
internal class Range(
    val from: Int,
    val to: Int,
)

/** A PNG's blocks, checksums checked; its pixels are unpacked row by row. */
internal class Png(
    val bytes: ByteArray,
) {
    val head = Head(PhotoKind.PNG)
    var depth = 0
        private set
    var colour = -1
        private set
    var interlaced = false
        private set
    var palette: ByteArray? = null
        private set
    var transparency: ByteArray? = null
        private set
    val pixels = ArrayList<Range>()
    val channels: Int get() = CHANNELS.getValue(colour)

    private var text = 0L

    init {
        var at = 8
        while (at + 8 <= bytes.size) {
            val length = bytes.u32(at)
            val kind = bytes.latin1(at + 4, 4)
            val from = at + 8
            val whole = from + length + 4 <= bytes.size
            if (!whole) {
                if (kind == "IDAT") pixels += Range(from, bytes.size)
                break
            }
            val to = from + length.toInt()
            if (sum(at + 4, to) != bytes.u32(to)) {
                if (kind.firstOrNull()?.isLowerCase() != true) throw damaged(kind)
                leftOut(kind, "has a wrong checksum")
            } else {
                take(kind, from, to)
            }
            if (kind == "IEND") break
            at = to + 4
        }
        if (colour < 0 || pixels.isEmpty()) throw PhotoError("is no whole PNG file; get a complete copy")
    }

    private fun sum(
        from: Int,
        to: Int,
    ): Long = CRC32().also { it.update(bytes, from, to - from) }.value

    private fun damaged(kind: String) =
        PhotoError("is damaged (the checksum of its ${printable(kind)} block is wrong); get a whole copy")

    private fun leftOut(
        kind: String,
        reason: String,
    ) {
        val note = "its ${printable(kind)} block $reason and was left out"
        if (note !in head.notes) head.notes += note
    }

    private fun printable(kind: String) = kind.map { if (it in ' '..'~') it else '?' }.joinToString("")

    private fun take(
        kind: String,
        from: Int,
        to: Int,
    ) {
        when (kind) {
            "IHDR" -> header(from, to)
            "PLTE" -> palette = bytes.copyOfRange(from, to)
            "tRNS" -> transparency = bytes.copyOfRange(from, to)
            "IDAT" -> pixels += Range(from, to)
            "eXIf" -> head.setExif(bytes, from, to)
            "cICP" -> if (to - from >= 4 && pixels.isEmpty() && head.coded == null) numbers(from)
            "iCCP" -> if (pixels.isEmpty() && head.profile == null) profile(from, to)
            "tEXt", "zTXt", "iTXt" -> text(kind, from, to)
        }
    }

    private fun header(
        from: Int,
        to: Int,
    ) {
        if (to - from != 13) throw PhotoError("is no PNG file that can be read: its header is damaged")
        checkSize(bytes.u32(from), bytes.u32(from + 4))
        head.setSize(bytes.i32(from), bytes.i32(from + 4))
        depth = bytes.u8(from + 8)
        colour = bytes.u8(from + 9)
        val interlace = bytes.u8(from + 12)
        if (depth !in (DEPTHS[colour] ?: emptySet()) || interlace > 1) {
            throw PhotoError("is no PNG file that can be read: its header is damaged")
        }
        interlaced = interlace == 1
        head.space = if (colour == GRAY || colour == GRAY_ALPHA) PixelSpace.GRAY else PixelSpace.RGB
    }

    private fun numbers(from: Int) {
        val coded = Coded(bytes.u8(from), bytes.u8(from + 1), bytes.u8(from + 3) != 0)
        refuseHdr(hdrOf(coded.transfer))
        if (coded.primaries != 2) head.coded = coded
    }

    private fun profile(
        from: Int,
        to: Int,
    ) {
        val name = bytes.find(byteArrayOf(0), from, to)
        if (name < 0) return
        val packed = name + 2
        val size = unpacked(packed, to, PROFILE)
        when {
            size == null -> {
                head.profile = ByteArray(0)
            }

            // damaged: said when it is read
            size > PROFILE -> {
                leftOut("iCCP", "unpacks to more than 16 MB")
            }

            else -> {
                if (size > UNPACKED) head.notes += "its colour profile is unusually large (${size / 1000} kB)"
                head.profile = inflated(packed, to, size)
            }
        }
    }

    private fun text(
        kind: String,
        from: Int,
        to: Int,
    ) {
        val name = bytes.find(byteArrayOf(0), from, to)
        val size =
            when {
                kind == "tEXt" -> {
                    to - from
                }

                kind == "zTXt" -> {
                    unpacked(name + 2, to, UNPACKED) ?: 0
                }

                name < 0 || name + 1 >= to || bytes.u8(name + 1) != 1 -> {
                    to - from
                }

                else -> {
                    val language = bytes.find(byteArrayOf(0), name + 3, to)
                    val word = if (language < 0) -1 else bytes.find(byteArrayOf(0), language + 1, to)
                    if (word < 0) 0 else unpacked(word + 1, to, UNPACKED) ?: 0
                }
            }
        if (kind == "iTXt" && bytes.latin1(from, 17) == "XML:com.adobe.xmp" && namesGainMap(bytes, from, to)) {
            head.gainMap = true
        }
        text += size
        if (size > UNPACKED || text > TEXT) {
            text -= size
            leftOut(kind, "unpacks to more than 1 MB")
        }
    }

    /** Bytes of what was packed, counted up to [limit] and one more; null where it is damaged. */
    private fun unpacked(
        from: Int,
        to: Int,
        limit: Int,
    ): Int? {
        val inflater = Inflater()
        val piece = ByteArray(1 shl 14)
        var size = 0
        try {
            inflater.setInput(bytes, from.coerceAtMost(to), (to - from).coerceAtLeast(0))
            while (size <= limit && !inflater.finished()) {
                val count = inflater.inflate(piece)
                if (count == 0 && (inflater.needsInput() || inflater.needsDictionary())) break
                size += count
            }
        } catch (_: DataFormatException) {
            return null
        } finally {
            inflater.end()
        }
        return size.coerceAtMost(limit + 1)
    }

    private fun inflated(
        from: Int,
        to: Int,
        size: Int,
    ): ByteArray {
        val out = ByteArray(size)
        PngStream(bytes, listOf(Range(from, to))).use { it.read(out, 0, size) }
        return out
    }
}

/** Packed data in pieces of a file, unpacked as it is asked for. */
internal class PngStream(
    private val bytes: ByteArray,
    private val ranges: List<Range>,
) : AutoCloseable {
    private val inflater = Inflater()
    private var next = 0

    /** Fill [count] bytes. @throws PhotoError where there are fewer. */
    fun read(
        into: ByteArray,
        from: Int,
        count: Int,
    ) {
        var done = 0
        try {
            while (done < count) {
                val got = inflater.inflate(into, from + done, count - done)
                done += got
                if (got > 0) continue
                if (inflater.needsDictionary()) throw PhotoError("is damaged: its pixels cannot be unpacked")
                if (inflater.finished() || next == ranges.size) {
                    throw PhotoError("the file is cut off; get a complete copy")
                }
                val range = ranges[next++]
                inflater.setInput(bytes, range.from, range.to - range.from)
            }
        } catch (error: DataFormatException) {
            throw PhotoError("is damaged: its pixels cannot be unpacked; get a whole copy", error)
        }
    }

    override fun close(): Unit = inflater.end()
}
