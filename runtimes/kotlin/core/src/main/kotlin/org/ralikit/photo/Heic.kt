package org.ralikit.photo

private const val MOST_BOXES = 10_000
private const val MOST_START = 1 shl 20 // where a file's boxes stand

private class Box(
    val kind: String,
    val from: Int,
    val to: Int,
)

/** A HEIC's size and colours, of its primary picture (ISO/IEC 14496-12 and 23008-12). */
internal fun heicHead(
    b: ByteArray,
    head: Head,
) {
    val start = minOf(b.size, MOST_START)
    head.gainMap = namesGainMap(b, 0, start) || b.find("hdrgainmap".toByteArray(), 0, start) >= 0
    // The decoder turns the picture upright; of EXIF the time alone is wanted.
    val exif = b.find("Exif\u0000\u0000".toByteArray(), 0, b.size)
    if (exif >= 0) head.taken = readExif(b, exif + 6, b.size).taken
    val meta = boxes(b, 0, b.size).firstOrNull { it.kind == "meta" } ?: return
    val inside = boxes(b, meta.from + 4, meta.to)
    val primary = inside.firstOrNull { it.kind == "pitm" }?.let { itemOf(b, it) }
    val properties = inside.firstOrNull { it.kind == "iprp" }?.let { boxes(b, it.from, it.to) } ?: return
    val all = properties.firstOrNull { it.kind == "ipco" }?.let { boxes(b, it.from, it.to) } ?: return
    val links = properties.firstOrNull { it.kind == "ipma" }
    val own = if (primary != null && links != null) linked(b, links, primary) else null
    for ((index, box) in all.withIndex()) {
        if (own != null && index + 1 !in own) continue
        when (box.kind) {
            "ispe" -> {
                head.setSize(b.i32(box.from + 4), b.i32(box.from + 8))
            }

            "colr" -> {
                when (b.latin1(box.from, 4)) {
                    "nclx" -> {
                        // The decoder spreads narrow values itself.
                        head.coded = Coded(b.u16(box.from + 4), b.u16(box.from + 6), full = true)
                    }

                    "prof", "rICC" -> {
                        head.profile = b.copyOfRange(box.from + 4, box.to)
                    }
                }
            }
        }
    }
}

private fun boxes(
    b: ByteArray,
    from: Int,
    to: Int,
): List<Box> {
    val found = ArrayList<Box>()
    var at = from
    while (at + 8 <= to && found.size < MOST_BOXES) {
        val said = b.u32(at)
        val long = said == 1L
        val size =
            when {
                long && at + 16 <= to -> (b.u32(at + 8) shl 32) or b.u32(at + 12)
                said == 0L -> (to - at).toLong()
                else -> said
            }
        val start = if (long) 16 else 8
        if (size < start || size > to - at) break
        found += Box(b.latin1(at + 4, 4), at + start, at + size.toInt())
        at += size.toInt()
    }
    return found
}

private fun itemOf(
    b: ByteArray,
    pitm: Box,
): Long = if (b.u8(pitm.from) == 0) b.u16(pitm.from + 4).toLong() else b.u32(pitm.from + 4)

/** Numbers, from 1, of an item's properties. */
private fun linked(
    b: ByteArray,
    ipma: Box,
    item: Long,
): Set<Int> {
    val wideItems = b.u8(ipma.from) > 0
    val wideIndices = b.u8(ipma.from + 3) and 1 == 1
    val found = HashSet<Int>()
    var at = ipma.from + 8
    for (entry in 0 until minOf(b.u32(ipma.from + 4), MOST_BOXES.toLong())) {
        if (at >= ipma.to) break
        val id = if (wideItems) b.u32(at) else b.u16(at).toLong()
        at += if (wideItems) 4 else 2
        val count = b.u8(at++)
        repeat(count) {
            val index = if (wideIndices) b.u16(at) and 0x7fff else b.u8(at) and 0x7f
            at += if (wideIndices) 2 else 1
            if (id == item) found += index
        }
    }
    return found
}
