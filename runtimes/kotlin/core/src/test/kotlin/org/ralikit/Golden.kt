package org.ralikit

import org.ralikit.json.parseJson
import org.ralikit.model.sha256
import org.ralikit.photo.OpenedPhoto
import org.ralikit.photo.Png
import org.ralikit.photo.PngRows
import org.ralikit.photo.RgbRows
import org.ralikit.photo.openPhoto
import java.io.File
import kotlin.test.fail

/** The golden vectors (runtimes/golden). */
internal object Golden {
    private val folder = File(System.getProperty("ralikit.golden") ?: fail("set -Dralikit.golden=runtimes/golden"))
    val images = File(folder, "images")
    val expected = File(folder, "expected")

    @Suppress("UNCHECKED_CAST")
    fun json(name: String): Map<String, Any?> = parseJson(File(folder, name).readText()) as Map<String, Any?>

    val photos: Map<String, Map<String, Any?>> by lazy { json("golden.json").child("photos").children() }
    val pngs: Map<String, Map<String, Any?>> by lazy { photos.filterKeys { it.endsWith(".png") } }
    val jpegs: List<String> by lazy { photos.keys.filter { it.endsWith(".jpg") } }
    val settings: Map<String, Preprocess> by lazy {
        json("golden.json").child("settings").children().mapValues { (_, s) -> preprocess(s) }
    }

    fun bytes(name: String): ByteArray = File(images, name).readBytes()

    fun lines(name: String): List<ByteArray> =
        File(folder, name).readBytes().let { all ->
            val found = ArrayList<ByteArray>()
            var from = 0
            for (i in all.indices) {
                if (all[i] == '\n'.code.toByte()) {
                    if (i > from) found += all.copyOfRange(from, i)
                    from = i + 1
                }
            }
            found
        }

    private fun preprocess(s: Map<String, Any?>) =
        Preprocess(
            (s["size"] as Long).toInt(),
            (s["shortest_edge"] as Long?)?.toInt(),
            (s["anchors"] as List<*>).map {
                val (x, y) = (it as List<*>).map { v -> (v as Number).toDouble() }
                Anchor(x, y)
            },
            Filter.valueOf((s["resample"] as String).uppercase()),
        )
}

@Suppress("UNCHECKED_CAST")
internal fun Map<String, Any?>.child(name: String): Map<String, Any?> =
    this[name] as? Map<String, Any?> ?: fail("no $name in ${keys.take(9)}")

@Suppress("UNCHECKED_CAST")
internal fun Map<String, Any?>.children(): Map<String, Map<String, Any?>> = this as Map<String, Map<String, Any?>>

internal fun Map<String, Any?>.sha(name: String): String? = (this[name] as Map<*, *>?)?.get("sha256") as String?

/** A PNG's stored pixels, opacity dropped. */
internal fun storedPixels(bytes: ByteArray): ByteArray =
    PngRows(Png(bytes)).use { rows ->
        val rgb = ByteArray(rows.width * 3)
        val alpha = ByteArray(rows.width)
        val all = ByteArray(rows.width * rows.height * 3)
        for (y in 0 until rows.height) {
            rows.next(rgb, alpha)
            rgb.copyInto(all, y * rgb.size)
        }
        all
    }

internal fun opened(bytes: ByteArray): OpenedPhoto = openPhoto(PhotoContent.Bytes(bytes), ImageIoDecoder)

internal fun allRows(rows: RgbRows): ByteArray {
    val row = ByteArray(rows.width * 3)
    val all = ByteArray(rows.width * rows.height * 3)
    for (y in 0 until rows.height) {
        rows.next(row)
        row.copyInto(all, y * row.size)
    }
    return all
}

/** Pixels turned upright, written from the page's eight formulas and used by tests alone. */
internal fun turned(
    pixels: ByteArray,
    width: Int,
    height: Int,
    orientation: Int,
): ByteArray {
    val (w, h) = if (orientation >= 5) height to width else width to height
    val out = ByteArray(pixels.size)
    for (y in 0 until h) {
        for (x in 0 until w) {
            val (sx, sy) =
                when (orientation) {
                    2 -> width - 1 - x to y
                    3 -> width - 1 - x to height - 1 - y
                    4 -> x to height - 1 - y
                    5 -> y to x
                    6 -> y to height - 1 - x
                    7 -> width - 1 - y to height - 1 - x
                    8 -> width - 1 - y to x
                    else -> x to y
                }
            pixels.copyInto(out, (y * w + x) * 3, (sy * width + sx) * 3, (sy * width + sx) * 3 + 3)
        }
    }
    return out
}

internal fun hash(pixels: ByteArray): String = sha256(pixels)
