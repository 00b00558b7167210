package org.ralikit.model

import org.ralikit.ModelError

private const val MOST_TEXT = 16 shl 20
private const val MOST_ENTRIES = 10_000
private const val PIECE = 1 shl 20

/** Places of fields in the flatbuffer's tables (schema.fbs of TFLite). */
private const val MODEL_BUFFERS = 4
private const val MODEL_METADATA = 6
private const val METADATA_NAME = 0
private const val METADATA_BUFFER = 1
private const val BUFFER_DATA = 0

/** Whether a file begins as a TFLite file does. */
internal fun isTflite(file: FileBytes): Boolean =
    file.size >= 8 && String(file.bytes(4, 8), Charsets.ISO_8859_1) == "TFL3"

/**
 * The digest of a .tflite file, found without parsing it: native code trusts a flatbuffer's offsets, so nothing
 * is parsed before the file is known to be whole.
 *
 * @throws ModelError if there is not exactly one.
 */
internal fun findTfliteDigest(
    file: FileBytes,
    where: String,
): Digest {
    val mark = MARK.toByteArray(Charsets.ISO_8859_1)
    val length = mark.size + DIGITS
    val found = LinkedHashSet<Digest>()
    var start = 0L
    while (start + length <= file.size) {
        val piece = file.bytes(start, minOf(start + PIECE, file.size))
        for (i in 0..piece.size - length) {
            if (piece[i] != mark[0] || !starts(piece, i, mark)) continue
            val digits = String(piece, i + mark.size, DIGITS, Charsets.ISO_8859_1)
            if (digits.all { it in '0'..'9' || it in 'a'..'f' }) found += Digest(start + i + mark.size, digits)
        }
        start += maxOf(piece.size - length + 1, 1)
    }
    return found.singleOrNull()
        ?: throw ModelError(
            "$where carries no ralikit metadata: it was not made by ralikit export, or it is damaged; export it again",
        )
}

private fun starts(
    piece: ByteArray,
    at: Int,
    mark: ByteArray,
): Boolean {
    for (i in mark.indices) if (piece[at + i] != mark[i]) return false
    return true
}

/**
 * The facts of a .tflite file, untrusted: only the metadata's tables are walked.
 *
 * @throws ModelError if it is damaged or says something twice.
 */
internal fun readTflite(
    file: FileBytes,
    where: String,
): ByteArray? {
    try {
        val model = Table(file, file.offset(0))
        val entries = model.vector(MODEL_METADATA, 4) ?: return null
        val buffers = model.vector(MODEL_BUFFERS, 4) ?: return null
        var facts: ByteArray? = null
        var digests = 0
        for (i in 0 until entries.count) {
            val entry = Table(file, file.offset(entries.from + 4 * i))
            val name = entry.bytes(METADATA_NAME, 1 shl 16)?.let { String(it, Charsets.ISO_8859_1) }
            if (name == DIGEST_KEY && ++digests > 1) throw twice(where)
            if (name != KEY) continue
            if (facts != null) throw twice(where)
            val index = entry.int(METADATA_BUFFER)
            if (index < 0 || index >= buffers.count) throw OutOfFile()
            val buffer = Table(file, file.offset(buffers.from + 4L * index))
            facts = buffer.bytes(BUFFER_DATA, MOST_TEXT) ?: ByteArray(0)
        }
        return facts
    } catch (error: OutOfFile) {
        throw ModelError("$where is not a valid TFLite file: copy or export it again", error)
    }
}

private class Vector(
    val from: Long,
    val count: Int,
)

private fun FileBytes.u16(at: Long): Int = byte(at) or (byte(at + 1) shl 8)

private fun FileBytes.u32(at: Long): Long = u16(at).toLong() or (u16(at + 2).toLong() shl 16)

/** Where a relative offset leads; forward, as flatbuffers' offsets do. */
private fun FileBytes.offset(at: Long): Long {
    val to = at + u32(at)
    if (to <= at || to >= size) throw OutOfFile()
    return to
}

private class Table(
    private val file: FileBytes,
    private val at: Long,
) {
    private val vtable = at - file.u32(at).toInt()
    private val length = file.u16(vtable)

    private fun place(field: Int): Long? {
        val slot = 4 + 2 * field
        if (slot + 2 > length) return null
        val offset = file.u16(vtable + slot)
        return if (offset == 0) null else at + offset
    }

    fun int(field: Int): Int = place(field)?.let { file.u32(it).coerceAtMost(Int.MAX_VALUE.toLong()).toInt() } ?: 0

    fun vector(
        field: Int,
        width: Int,
    ): Vector? {
        val from = place(field)?.let { file.offset(it) } ?: return null
        val count = file.u32(from)
        if (count * width > file.size - from - 4 || (width > 1 && count > MOST_ENTRIES)) throw OutOfFile()
        return Vector(from + 4, count.toInt())
    }

    fun bytes(
        field: Int,
        most: Int,
    ): ByteArray? = vector(field, 1)?.let { file.bytes(it.from, it.from + it.count, most) }
}
