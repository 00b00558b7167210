package org.ralikit.photo

import org.ralikit.Filter
import org.ralikit.Preprocess
import java.nio.ByteBuffer
import kotlin.math.floor

/** A size in pixels; long photos are resized to more than an Int holds. */
internal data class Size(
    val width: Long,
    val height: Long,
)

/** Left and top of a view in the resized photo, pixels. */
internal data class Corner(
    val left: Long,
    val top: Long,
)

/** Size of an upright photo of [width] x [height] pixels after the resize; the long edge is cut to a whole pixel. */
internal fun Preprocess.resized(
    width: Int,
    height: Int,
): Size {
    val edge = shortestEdge?.toLong() ?: return Size(size.toLong(), size.toLong())
    return if (width <= height) Size(edge, edge * height / width) else Size(edge * width / height, edge)
}

/** Where every view lies in the resized photo. */
internal fun Preprocess.corners(resized: Size): List<Corner> =
    anchors.map {
        Corner(
            floor((resized.width - size) * it.x).toLong(),
            floor((resized.height - size) * it.y).toLong(),
        )
    }

/**
 * Cut a photo's views while its rows go by.
 *
 * @param rows the stored photo's, in sRGB.
 * @param orientation EXIF's, 1 to 8, of the stored photo.
 * @param out takes (V, S, S, 3) from position 0.
 * @return the photo's fingerprint.
 */
internal fun cutViews(
    rows: RgbRows,
    orientation: Int,
    preprocess: Preprocess,
    out: ByteBuffer,
): ByteArray {
    val (width, height) = upright(rows.width, rows.height, orientation)
    val resized = preprocess.resized(width, height)
    val corners = preprocess.corners(resized)
    val size = preprocess.size
    val windows = windows(corners, size)
    val drawn = windows.map { ByteArray(it.width * it.height * 3) }
    val fingerprint = resize(rows, orientation, resized, preprocess.filter, windows, drawn)
    out.clear()
    for ((i, corner) in corners.withIndex()) {
        val at = if (windows.size == 1) 0 else i
        val window = windows[at]
        for (y in 0 until size) {
            val row = (corner.top - window.top + y) * window.width + (corner.left - window.left)
            out.put(drawn[at], (row * 3).toInt(), size * 3)
        }
    }
    out.flip()
    return fingerprint
}

/** Let all rows go by the windows that are wanted; returns the photo's fingerprint. */
internal fun resize(
    rows: RgbRows,
    orientation: Int,
    resized: Size,
    filter: Filter,
    windows: List<Window>,
    drawn: List<ByteArray>,
): ByteArray {
    val resizers =
        windows.mapIndexed { i, window ->
            Resizer(rows.width, rows.height, orientation, resized, filter, window, drawn[i])
        }
    val fingerprint = Fingerprint(rows.width, rows.height, orientation)
    val row = ByteArray(rows.width * 3)
    // To the last row, also where no view needs it: a file that breaks off is refused, not scored.
    for (y in 0 until rows.height) {
        rows.next(row)
        for (resizer in resizers) resizer.row(y, row)
        fingerprint.row(y, row)
    }
    return fingerprint.bytes()
}

internal fun upright(
    width: Int,
    height: Int,
    orientation: Int,
): Pair<Int, Int> = if (orientation >= 5) height to width else width to height

/** One window around all views or, on very long photos where that is mostly what no view looks at, one a view. */
private fun windows(
    corners: List<Corner>,
    size: Int,
): List<Window> {
    val left = corners.minOf { it.left }
    val top = corners.minOf { it.top }
    val width = corners.maxOf { it.left } + size - left
    val height = corners.maxOf { it.top } + size - top
    val together = width.toDouble() * height <= 2.0 * corners.size * size * size
    return if (together) {
        listOf(Window(left, top, width.toInt(), height.toInt()))
    } else {
        corners.map { Window(it.left, it.top, size, size) }
    }
}
