package org.ralikit.photo

import org.ralikit.Filter
import kotlin.math.abs
import kotlin.math.max
import kotlin.math.min
import kotlin.math.sin

/** Fraction bits of a weight: 32 less 8 for the pixel and 2 for the sum's headroom. */
internal const val BITS = 22

/** Half a level, so that the shift rounds. */
internal const val HALF = 1 shl (BITS - 1)

/**
 * Which input pixels make each output pixel of one axis, and how much of each (docs/pixels.md, 5).
 *
 * @property size input pixels.
 * @property first first input pixel of each output.
 * @property count number of input pixels of each output, at least 1.
 * @property weights fixed point, [stride] an output.
 */
internal class Taps(
    val size: Int,
    val first: IntArray,
    val count: IntArray,
    val weights: IntArray,
    val stride: Int,
) {
    val outputs: Int get() = first.size

    /** First input pixel that is needed at all, and one past the last. */
    val begin: Int get() = first.minOrNull() ?: 0
    val end: Int get() = first.indices.maxOfOrNull { first[it] + count[it] } ?: 0

    /** Most input pixels between an output's first one and its last. */
    val reach: Int get() = count.maxOrNull() ?: 0

    /** The same outputs, in the same order, made of input that runs the other way. */
    fun mirrored(): Taps {
        val starts = IntArray(outputs) { size - first[it] - count[it] }
        val turned = IntArray(weights.size)
        for (i in 0 until outputs) {
            for (k in 0 until count[i]) turned[i * stride + k] = weights[i * stride + count[i] - 1 - k]
        }
        return Taps(size, starts, count, turned, stride)
    }

    /** The outputs in reverse order. */
    fun reversed(): Taps {
        val last = outputs - 1
        val turned = IntArray(weights.size)
        for (i in 0..last) weights.copyInto(turned, i * stride, (last - i) * stride, (last - i + 1) * stride)
        return Taps(
            size,
            IntArray(outputs) { first[last - it] },
            IntArray(outputs) { count[last - it] },
            turned,
            stride,
        )
    }
}

/**
 * Weights of one axis; every operation is rounded on its own, in the order in which it stands.
 *
 * @param size input pixels.
 * @param out output pixels of the whole resize.
 * @param from first output pixel that is wanted, of [length].
 */
internal fun taps(
    size: Int,
    out: Long,
    filter: Filter,
    from: Long = 0,
    length: Int = out.toInt(),
): Taps {
    val scale = size.toDouble() / out.toDouble()
    val stretch = max(scale, 1.0)
    val support = supportOf(filter) * stretch
    val inverse = 1.0 / stretch
    val first = IntArray(length)
    val count = IntArray(length)
    for (i in 0 until length) {
        val center = (from + i + 0.5) * scale
        first[i] = max((center - support + 0.5).toInt(), 0)
        count[i] = min((center + support + 0.5).toInt(), size) - first[i]
    }
    val stride = count.maxOrNull() ?: 0
    val weights = IntArray(length * stride)
    val exact = DoubleArray(stride)
    for (i in 0 until length) {
        val center = (from + i + 0.5) * scale
        var total = 0.0
        for (k in 0 until count[i]) {
            exact[k] = weight((k + first[i] - center + 0.5) * inverse, filter)
            total += exact[k]
        }
        for (k in 0 until count[i]) {
            val share = (if (total != 0.0) exact[k] / total else exact[k]) * (1 shl BITS)
            weights[i * stride + k] = (if (share < 0) share - 0.5 else share + 0.5).toInt()
        }
    }
    return Taps(size, first, count, weights, stride)
}

private fun supportOf(filter: Filter): Double =
    when (filter) {
        Filter.BILINEAR -> 1.0
        Filter.BICUBIC -> 2.0
        Filter.LANCZOS -> 3.0
    }

private fun weight(
    at: Double,
    filter: Filter,
): Double {
    val x = abs(at)
    return when (filter) {
        Filter.BILINEAR -> if (x < 1.0) 1.0 - x else 0.0
        Filter.BICUBIC -> bicubic(x)
        Filter.LANCZOS -> if (x < 3.0) sinc(x) * sinc(x / 3.0) else 0.0
    }
}

/** Keys' cubic with a = -0.5. */
private fun bicubic(x: Double): Double {
    val a = -0.5
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    return if (x < 2.0) (((x - 5.0) * x + 8.0) * x - 4.0) * a else 0.0
}

private fun sinc(x: Double): Double = if (x == 0.0) 1.0 else sin(x * Math.PI) / (x * Math.PI)
