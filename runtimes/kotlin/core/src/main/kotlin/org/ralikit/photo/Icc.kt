package org.ralikit.photo

import kotlin.math.abs
import kotlin.math.floor
import kotlin.math.pow

private const val SAME_COLORANT = 0.003
private const val MOST_TAGS = 1000L

/** D50 XYZ to linear sRGB. */
private val FROM_XYZ =
    arrayOf(
        doubleArrayOf(3.134112153323845, -1.6173924595518705, -0.49063340456472027),
        doubleArrayOf(-0.9787872961391832, 1.9162795864266209, 0.03345471423138195),
        doubleArrayOf(0.07198304438569493, -0.22898585024754495, 1.4053851315844992),
    )

/** rXYZ, gXYZ, bXYZ of sRGB (D50), s15Fixed16. */
private val SRGB = columns(28578, 14581, 912, 25241, 46981, 6362, 9376, 3972, 46799)

/** rXYZ, gXYZ, bXYZ by the number of the primaries (ITU-T H.273), s15Fixed16. */
private val COLORANTS =
    mapOf(
        1 to SRGB,
        2 to SRGB,
        9 to columns(44137, 18287, -127, 10857, 44259, 1965, 8195, 2989, 52222),
        12 to columns(33759, 15807, -69, 19160, 45364, 2747, 10276, 4365, 51396),
    )
private val LIKE_SRGB = setOf(1, 2, 6, 13, 14, 15)
private val POWERS = mapOf(4 to 2.2, 5 to 2.8, 8 to 1.0)

private fun columns(vararg values: Int): List<IntArray> = values.toList().chunked(3).map { it.toIntArray() }

/** sRGB value of linear light k / 65535. */
internal val ENCODE: ByteArray by lazy {
    ByteArray(65536) { k ->
        val u = k / 65535.0
        val e = if (u <= 0.0031308) 12.92 * u else 1.055 * u.pow(1 / 2.4) - 0.055
        floor(255 * e + 0.5).toInt().toByte()
    }
}

private fun encoded(y: Double): Int {
    val clipped =
        if (y < 0.0) {
            0.0
        } else if (y > 1.0) {
            1.0
        } else {
            y
        }
    return ENCODE[(clipped * 65535.0 + 0.5).toInt()].toInt() and 0xff
}

/** How pixels reach sRGB. */
internal sealed class Conversion {
    /** Three curves and a matrix. @property products M x linear light, by output, input channel and value. */
    class Shaper(
        private val products: Array<Array<DoubleArray>>,
    ) : Conversion() {
        override fun convert(
            rgb: ByteArray,
            pixels: Int,
        ) {
            for (p in 0 until pixels * 3 step 3) {
                val r = rgb[p].toInt() and 0xff
                val g = rgb[p + 1].toInt() and 0xff
                val b = rgb[p + 2].toInt() and 0xff
                for (i in 0..2) {
                    val row = products[i]
                    rgb[p + i] = encoded((row[0][r] + row[1][g]) + row[2][b]).toByte()
                }
            }
        }
    }

    /** One table, for gray. */
    class Gray(
        private val table: ByteArray,
    ) : Conversion() {
        override fun convert(
            rgb: ByteArray,
            pixels: Int,
        ) {
            for (i in 0 until pixels * 3) rgb[i] = table[rgb[i].toInt() and 0xff]
        }
    }

    /** Tables that only a colour management module applies. */
    object Table : Conversion() {
        override fun convert(
            rgb: ByteArray,
            pixels: Int,
        ): Unit = throw IllegalStateException("tables are not applied here")
    }

    /** Convert interleaved RGB in place. */
    abstract fun convert(
        rgb: ByteArray,
        pixels: Int,
    )
}

/** What an embedded profile asks for. @property conversion null: it is sRGB already. */
internal class Profile(
    val space: PixelSpace,
    val transfer: Transfer,
    val conversion: Conversion?,
)

/** What pixels, or a profile for them, are. */
internal enum class PixelSpace {
    GRAY,
    RGB,
    CMYK,
}

internal class Tag(
    val offset: Int,
    val size: Int,
)

/** Read an ICC profile, untrusted. @throws ProfileError if it is damaged or describes no photo. */
internal fun parseProfile(data: ByteArray): Profile {
    val tags = tags(data)
    val space =
        when (data.latin1(16, 4)) {
            "RGB " -> PixelSpace.RGB
            "GRAY" -> PixelSpace.GRAY
            "CMYK" -> PixelSpace.CMYK
            else -> throw ProfileError("a profile for other pixels")
        }
    val transfer = transfer(data, tags, if (space == PixelSpace.GRAY) "k" else "rgb")
    if (space == PixelSpace.CMYK) {
        if ("A2B0" !in tags) throw ProfileError("a CMYK profile without a table")
        return Profile(space, transfer, Conversion.Table)
    }
    if (space == PixelSpace.GRAY) {
        val linear = readCurve(data, tags["kTRC"])
        return Profile(space, transfer, Conversion.Gray(ByteArray(256) { encoded(linear[it]).toByte() }))
    }
    if (transfer != Transfer.SDR || "A2B0" in tags || "A2B1" in tags) {
        return Profile(space, transfer, Conversion.Table)
    }
    return Profile(space, transfer, shaper(data, tags))
}

private fun tags(data: ByteArray): Map<String, Tag> {
    if (data.size < 132 || data.latin1(36, 4) != "acsp") throw ProfileError("no ICC header")
    val count = data.u32(128)
    if (count > MOST_TAGS || 132 + 12 * count > data.size) throw ProfileError("its tag table is cut off")
    val found = HashMap<String, Tag>()
    for (i in 0 until count.toInt()) {
        val at = 132 + 12 * i
        val offset = data.u32(at + 4)
        val size = data.u32(at + 8)
        if (offset + size > data.size) throw ProfileError("a tag lies outside the profile")
        found[data.latin1(at, 4)] = Tag(offset.toInt(), size.toInt())
    }
    return found
}

/** High dynamic range by the `cicp` tag or, without one, by the curves; a profile's name counts for nothing. */
private fun transfer(
    data: ByteArray,
    tags: Map<String, Tag>,
    channels: String,
): Transfer {
    val cicp = tags["cicp"]
    if (cicp != null && cicp.size >= 12 && data.latin1(cicp.offset, 4) == "cicp") {
        return hdrOf(data[cicp.offset + 9].toInt() and 0xff)
    }
    return try {
        channels.map { transferOf(readCurve(data, tags["${it}TRC"])) }.toSet().singleOrNull() ?: Transfer.SDR
    } catch (_: ProfileError) {
        Transfer.SDR
    }
}

/** High dynamic range by the number of the transfer characteristics (ITU-T H.273). */
internal fun hdrOf(transfer: Int): Transfer =
    when (transfer) {
        16 -> Transfer.PQ
        18 -> Transfer.HLG
        else -> Transfer.SDR
    }

private fun shaper(
    data: ByteArray,
    tags: Map<String, Tag>,
): Conversion? {
    for (name in listOf("rXYZ", "rTRC", "gXYZ", "gTRC", "bXYZ", "bTRC")) {
        if (name !in tags) throw ProfileError("no $name tag")
    }
    if (data.latin1(20, 4) != "XYZ ") throw ProfileError("colorants in another space than XYZ")
    val columns =
        "rgb".map {
            val tag = tags.getValue("${it}XYZ")
            if (tag.size < 20 || data.latin1(tag.offset, 4) != "XYZ ") throw ProfileError("a colorant that is none")
            IntArray(3) { k -> data.i32(tag.offset + 8 + 4 * k) }
        }
    return shaperOf(columns, "rgb".map { readCurve(data, tags["${it}TRC"]) })
}

/** Curves and a matrix from the numbers of a profile; null where it is sRGB already. */
private fun shaperOf(
    columns: List<IntArray>,
    linear: List<DoubleArray>,
): Conversion? {
    val p = Array(3) { k -> DoubleArray(3) { j -> columns[j][k] / 65536.0 } } // rows X, Y, Z
    val white = p[1][0] + p[1][1] + p[1][2]
    if (!(white >= 0.9 && white <= 1.1)) throw ProfileError("its colorants do not add up to white")
    if (isSrgb(p, linear)) return null
    return Conversion.Shaper(
        Array(3) { i ->
            val c = FROM_XYZ[i]
            Array(3) { j ->
                val m = (c[0] * p[0][j] + c[1] * p[1][j]) + c[2] * p[2][j]
                DoubleArray(256) { v -> m * linear[j][v] }
            }
        },
    )
}

private fun isSrgb(
    p: Array<DoubleArray>,
    linear: List<DoubleArray>,
): Boolean {
    for (k in 0..2) {
        for (j in 0..2) if (abs(p[k][j] - SRGB[j][k] / 65536.0) > SAME_COLORANT) return false
    }
    return linear.all { curve -> (0..255).all { v -> abs(encoded(curve[v]) - v) <= 1 } }
}

/** Colour by numbers: PNG's `cICP`, HEIC's `nclx`. */
internal class Coded(
    val primaries: Int,
    val transfer: Int,
    private val full: Boolean,
) {
    /** How to reach sRGB (null: it is sRGB), and what a user should know. */
    fun conversion(): Pair<Conversion?, List<String>> {
        val columns = COLORANTS[primaries]
        val power = POWERS[transfer]
        val curve = if (transfer in LIKE_SRGB) srgbCurve() else power?.let { powerCurve(it) }
        if (columns == null || curve == null) {
            return null to
                listOf(
                    "its colours are declared by numbers that are not converted (primaries $primaries, transfer " +
                        "$transfer): they were taken as sRGB",
                )
        }
        val notes = if (full) emptyList() else listOf("its values are declared as 16..235 and were not spread")
        return shaperOf(columns, listOf(curve, curve, curve)) to notes
    }
}
