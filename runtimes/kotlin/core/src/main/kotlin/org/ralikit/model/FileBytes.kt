package org.ralikit.model

import java.io.Closeable
import java.io.File
import java.io.RandomAccessFile
import java.security.MessageDigest

/** A read beyond the end of a file: it is cut off, or no file of its kind. */
internal class OutOfFile : Exception()

/** A file's bytes, a page in memory at a time: a model's weights are stepped over, not read. */
internal class FileBytes(
    file: File,
) : Closeable {
    private val access = RandomAccessFile(file, "r")
    private val page = ByteArray(PAGE)
    private var start = -1L
    private var filled = 0

    val size: Long = access.length()

    /** The byte at [at], 0 to 255. @throws OutOfFile where there is none. */
    fun byte(at: Long): Int {
        if (start < 0 || at < start || at >= start + filled) load(at)
        return page[(at - start).toInt()].toInt() and 0xff
    }

    /** Bytes [from] to [to]. @throws OutOfFile where they are not all there, or are more than [most]. */
    fun bytes(
        from: Long,
        to: Long,
        most: Int = MOST,
    ): ByteArray {
        if (from < 0 || to < from || to > size || to - from > most) throw OutOfFile()
        val out = ByteArray((to - from).toInt())
        access.seek(from)
        access.readFully(out)
        return out
    }

    /** SHA-256 of the file as it is and, where [blank] is given, of the file with 64 zeros at that place. */
    fun hashes(blank: Long?): Pair<String, String?> {
        val plain = MessageDigest.getInstance("SHA-256")
        val blanked = blank?.let { MessageDigest.getInstance("SHA-256") }
        val piece = ByteArray(PIECE)
        var at = 0L
        access.seek(0)
        while (true) {
            val count = access.read(piece)
            if (count < 0) break
            plain.update(piece, 0, count)
            if (blanked != null) {
                for (i in maxOf(blank, at) until minOf(blank + DIGITS, at + count)) {
                    piece[(i - at).toInt()] = '0'.code.toByte()
                }
                blanked.update(piece, 0, count)
            }
            at += count
        }
        return hex(plain.digest()) to blanked?.let { hex(it.digest()) }
    }

    override fun close(): Unit = access.close()

    private fun load(at: Long) {
        if (at < 0 || at >= size) throw OutOfFile()
        start = at / PAGE * PAGE
        access.seek(start)
        filled = 0
        while (filled < PAGE) {
            val count = access.read(page, filled, PAGE - filled)
            if (count < 0) break
            filled += count
        }
        if (at >= start + filled) throw OutOfFile()
    }

    private companion object {
        const val PAGE = 1 shl 16
        const val PIECE = 1 shl 18
        const val MOST = 16 shl 20
    }
}

/** Hexadecimal digits of a digest. */
internal const val DIGITS: Int = 64

internal fun hex(bytes: ByteArray): String {
    val out = StringBuilder(bytes.size * 2)
    for (b in bytes) {
        out.append("0123456789abcdef"[b.toInt() shr 4 and 15])
        out.append("0123456789abcdef"[b.toInt() and 15])
    }
    return out.toString()
}

internal fun sha256(bytes: ByteArray): String = hex(MessageDigest.getInstance("SHA-256").digest(bytes))
