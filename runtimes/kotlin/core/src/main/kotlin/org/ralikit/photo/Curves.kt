package org.ralikit.photo

import kotlin.math.abs
import kotlin.math.exp
import kotlin.math.floor
import kotlin.math.max
import kotlin.math.min
import kotlin.math.pow

/** The profile is damaged; the photo's pixels are taken as sRGB, as browsers do. */
internal class ProfileError(
    message: String,
) : Exception(message)

/** High dynamic range, or not. */
internal enum class Transfer {
    SDR,
    PQ,
    HLG,
}

private const val SAME_CURVE = 0.01
private const val STEPS = 16777216.0 // 2^24: hides the last bit in which pow differs between languages
private val SRGB_CURVE = doubleArrayOf(157286.0, 62119.0, 3417.0, 5072.0, 2651.0)

/** Linear light of every 8-bit value (docs/pixels.md, 2). @throws ProfileError if the curve is damaged. */
internal fun readCurve(
    data: ByteArray,
    tag: Tag?,
): DoubleArray {
    if (tag == null) throw ProfileError("a curve is missing")
    val kind = data.latin1(tag.offset, 4)
    if (tag.size < 12 || (kind != "curv" && kind != "para")) throw ProfileError("a curve of an unknown kind")
    return rounded(if (kind == "curv") sampled(data, tag) else parametric(data, tag))
}

private fun rounded(curve: (Int) -> Double): DoubleArray =
    DoubleArray(256) { v ->
        val y = curve(v)
        if (y.isNaN() || y.isInfinite()) throw ProfileError("a curve that is not finite")
        floor(min(max(y, 0.0), 1.0) * STEPS + 0.5) / STEPS
    }

private fun sampled(
    data: ByteArray,
    tag: Tag,
): (Int) -> Double {
    val n = data.u32(tag.offset + 8)
    if (12 + 2 * n > tag.size) throw ProfileError("a curve that is cut off")
    val at = tag.offset + 12
    if (n == 0L) return { v -> v / 255.0 }
    if (n == 1L) return { v -> (v / 255.0).pow(data.u16(at) / 256.0) }
    return { v ->
        val p = v * (n - 1)
        val i = (p / 255).toInt()
        val r = p % 255
        val next = min(i + 1L, n - 1).toInt()
        (data.u16(at + 2 * i) * (255 - r) + data.u16(at + 2 * next) * r) / 16711425.0
    }
}

private fun parametric(
    data: ByteArray,
    tag: Tag,
): (Int) -> Double {
    val kind = data.u16(tag.offset + 8)
    val count = intArrayOf(1, 3, 4, 5, 7).getOrNull(kind)
    if (count == null || 12 + 4 * count > tag.size) throw ProfileError("a parametric curve of an unknown kind")
    val p = doubleArrayOf(0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    for (i in 0 until count) p[i] = data.i32(tag.offset + 12 + 4 * i) / 65536.0
    if (p[0] <= 0) throw ProfileError("a curve whose exponent is not positive")
    return { v -> parametricAt(v / 255.0, kind, p) }
}

private fun parametricAt(
    x: Double,
    kind: Int,
    p: DoubleArray,
): Double {
    val (g, a, b, c, d) = p
    if (kind == 0) return x.pow(g)
    val s = a * x + b
    val power = if (s > 0) s.pow(g) else 0.0
    return when (kind) {
        1 -> if (s >= 0) power else 0.0
        2 -> if (s >= 0) power + c else c
        3 -> if (x >= d) power else c * x
        else -> if (x >= d) power + p[5] else c * x + p[6]
    }
}

/** Linear light of every sRGB value. */
internal fun srgbCurve(): DoubleArray {
    val p = DoubleArray(7)
    for (i in SRGB_CURVE.indices) p[i] = SRGB_CURVE[i] / 65536.0
    return rounded { v -> parametricAt(v / 255.0, 3, p) }
}

/** Linear light of every value under a plain power. */
internal fun powerCurve(exponent: Double): DoubleArray = rounded { v -> (v / 255.0).pow(exponent) }

/** Whether a curve is PQ or HLG, by its course alone. */
internal fun transferOf(linear: DoubleArray): Transfer =
    when {
        near(linear, ::pq) -> Transfer.PQ
        near(linear, ::hlg) -> Transfer.HLG
        else -> Transfer.SDR
    }

private fun near(
    linear: DoubleArray,
    wanted: (Double) -> Double,
): Boolean = linear.indices.all { abs(linear[it] - wanted(it / 255.0)) <= SAME_CURVE }

/** SMPTE ST 2084, 1 being 10,000 cd/m2. */
private fun pq(x: Double): Double {
    val root = x.pow(32.0 / 2523.0)
    return (max(root - 107.0 / 128.0, 0.0) / (2413.0 / 128.0 - 2392.0 / 128.0 * root)).pow(16384.0 / 2610.0)
}

/** ARIB STD-B67, scene light. */
private fun hlg(x: Double): Double = if (x <= 0.5) x * x / 3 else (exp((x - 0.55991073) / 0.17883277) + 0.28466892) / 12
