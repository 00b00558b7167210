package org.ralikit.photo

/** Big-endian and little-endian numbers; reading beyond the end is an IndexOutOfBoundsException. */
internal fun ByteArray.u8(at: Int): Int = this[at].toInt() and 0xff

internal fun ByteArray.u16(at: Int): Int = (u8(at) shl 8) or u8(at + 1)

internal fun ByteArray.i32(at: Int): Int = (u16(at) shl 16) or u16(at + 2)

internal fun ByteArray.u32(at: Int): Long = i32(at).toLong() and 0xffffffffL

internal fun ByteArray.u16le(at: Int): Int = u8(at) or (u8(at + 1) shl 8)

internal fun ByteArray.u32le(at: Int): Long = u16le(at).toLong() or (u16le(at + 2).toLong() shl 16)

/** Up to [count] bytes as text, fewer where the file ends. */
internal fun ByteArray.latin1(
    at: Int,
    count: Int,
): String {
    val from = at.coerceIn(0, size)
    return String(this, from, count.coerceIn(0, size - from), Charsets.ISO_8859_1)
}

/** Where [what] begins in [from] until [to]; -1: nowhere. */
internal fun ByteArray.find(
    what: ByteArray,
    from: Int = 0,
    to: Int = size,
): Int {
    for (i in from.coerceAtLeast(0)..(to.coerceAtMost(size) - what.size)) {
        if (this[i] != what[0]) continue
        var k = 1
        while (k < what.size && this[i + k] == what[k]) k++
        if (k == what.size) return i
    }
    return -1
}

/** Whether a run of at least [least] zero bytes stands in [from] until [to]. */
internal fun ByteArray.hasZeros(
    least: Int,
    from: Int,
    to: Int,
): Boolean {
    var run = 0
    for (i in from.coerceAtLeast(0) until to.coerceAtMost(size)) {
        run = if (this[i].toInt() == 0) run + 1 else 0
        if (run >= least) return true
    }
    return false
}
