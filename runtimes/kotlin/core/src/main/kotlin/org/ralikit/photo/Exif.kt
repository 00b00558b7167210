package org.ralikit.photo

private const val ORIENTATION = 0x0112
private const val EXIF = 0x8769
private const val TAKEN = 0x9003 // DateTimeOriginal
private const val FRACTION = 0x9291 // SubSecTimeOriginal
private const val ASCII = 2
private const val SHORT = 3
private const val DATE = "(\\d{4}):(\\d\\d):(\\d\\d) (\\d\\d):(\\d\\d):(\\d\\d)"

/** What an EXIF block says; what is damaged says nothing. @property taken seconds, without regard to a zone. */
internal class Exif(
    val orientation: Int,
    val taken: Double?,
)

/** Read a TIFF-shaped EXIF block at [from] until [to], untrusted. */
internal fun readExif(
    b: ByteArray,
    from: Int,
    to: Int,
): Exif {
    val block = ExifBlock(b, from, minOf(to, b.size))
    val first = block.table(block.four(4))
    val orientation = first[ORIENTATION]?.let { block.short(it) }?.takeIf { it in 1..8 } ?: 1
    val exif = first[EXIF]?.let { block.table(block.four(it + 8)) } ?: emptyMap()
    val date = exif[TAKEN]?.let { block.text(it) } ?: return Exif(orientation, null)
    return Exif(orientation, seconds(date, exif[FRACTION]?.let { block.text(it) }))
}

private class ExifBlock(
    private val b: ByteArray,
    private val from: Int,
    private val to: Int,
) {
    private val order = b.latin1(from, 2)
    private val little = order == "II"
    private val known = little || order == "MM"

    private fun two(at: Long): Int? {
        if (!known || at < 0 || from + at + 2 > to) return null
        val place = (from + at).toInt()
        return if (little) b.u16le(place) else b.u16(place)
    }

    fun four(at: Long): Long? {
        if (!known || at < 0 || from + at + 4 > to) return null
        val place = (from + at).toInt()
        return if (little) b.u32le(place) else b.u32(place)
    }

    /** Places of a table's entries, 12 bytes each, by their tags; of a tag that stands twice, the last. */
    fun table(at: Long?): Map<Int, Long> {
        val count = at?.let { two(it) } ?: return emptyMap()
        val found = HashMap<Int, Long>()
        for (i in 0 until count) {
            val entry = at + 2 + 12L * i
            if (from + entry + 12 > to) break
            two(entry)?.let { found[it] = entry }
        }
        return found
    }

    fun short(entry: Long): Int? = if (two(entry + 2) == SHORT) two(entry + 8) else null

    fun text(entry: Long): String? {
        val length = four(entry + 4) ?: return null
        if (two(entry + 2) != ASCII || length > 64) return null
        val at = if (length <= 4) entry + 8 else four(entry + 8) ?: return null
        if (from + at + length > to) return null
        return b.latin1((from + at).toInt(), length.toInt()).trimEnd('\u0000', ' ')
    }
}

/** Seconds since 1970 of a date and time, as though it were UTC; null where it is none. */
private fun seconds(
    date: String,
    fraction: String?,
): Double? {
    val found = Regex(DATE).matchEntire(date.trim()) ?: return null
    val (year, month, day, hour, minute, second) =
        found.destructured
            .toList()
            .map(String::toInt)
            .let(::Six)
    if (month !in 1..12 || day !in 1..31 || hour > 23 || minute > 59 || second > 60) return null
    // Days from the civil calendar: years begin in March, so that the leap day is the last.
    val y = (if (month <= 2) year - 1 else year).toLong()
    val era = Math.floorDiv(y, 400L)
    val ofEra = y - era * 400
    val ofYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
    val days = era * 146_097 + ofEra * 365 + ofEra / 4 - ofEra / 100 + ofYear - 719_468
    val whole = days * 86_400 + hour * 3600 + minute * 60 + second
    val part = fraction?.takeIf { it.isNotEmpty() && it.all { c -> c in '0'..'9' } }?.let { "0.$it".toDouble() }
    return whole + (part ?: 0.0)
}

private class Six(
    private val of: List<Int>,
) {
    operator fun component1() = of[0]

    operator fun component2() = of[1]

    operator fun component3() = of[2]

    operator fun component4() = of[3]

    operator fun component5() = of[4]

    operator fun component6() = of[5]
}
