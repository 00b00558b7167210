package org.ralikit

import org.junit.Test
import org.ralikit.photo.Size
import org.ralikit.photo.Window
import org.ralikit.photo.corners
import org.ralikit.photo.cutViews
import org.ralikit.photo.resize
import org.ralikit.photo.resized
import java.nio.ByteBuffer
import kotlin.math.abs
import kotlin.test.assertEquals
import kotlin.test.assertTrue

/** Golden pixels, byte for byte, after every step. */
class PixelsTest {
    @Test
    fun storedPixelsAreTheGoldenOnes() {
        for ((name, golden) in Golden.pngs) {
            assertEquals(golden.child("steps").sha("stored"), hash(storedPixels(Golden.bytes(name))), name)
        }
    }

    @Test
    fun coloursAndOpacityAreTheGoldenOnes() {
        for ((name, golden) in Golden.pngs) {
            val pixels = opened(Golden.bytes(name)).use { allRows(it.rows) }
            assertEquals(golden.child("steps").sha("srgb"), hash(pixels), name)
        }
    }

    @Test
    fun orientationsAreTheGoldenOnes() {
        for ((name, golden) in Golden.photos) {
            if (name == CMYK) continue
            opened(Golden.bytes(name)).use { assertEquals(golden["orientation"], it.orientation.toLong(), name) }
        }
    }

    @Test
    fun everyFilterGivesTheGoldenResize() {
        var compared = 0
        for ((name, golden) in Golden.pngs) {
            for ((setting, preprocess) in Golden.settings) {
                val wanted = golden.child("settings").child(setting)
                opened(Golden.bytes(name)).use { photo ->
                    val size = preprocess.resized(photo.width, photo.height)
                    assertEquals(wanted["resized_size"], listOf(size.width, size.height), "$name $setting")
                    assertEquals(
                        wanted["corners"],
                        preprocess.corners(size).map { listOf(it.left, it.top) },
                        "$name $setting",
                    )
                    val sha = wanted.sha("resized") ?: return@use
                    val out = ByteArray((size.width * size.height * 3).toInt())
                    val whole = Window(0, 0, size.width.toInt(), size.height.toInt())
                    resize(photo.rows, photo.orientation, size, preprocess.filter, listOf(whole), listOf(out))
                    assertEquals(sha, hash(out), "$name $setting")
                    compared++
                }
            }
        }
        println("golden resizes compared: $compared")
        assertTrue(compared > 100)
    }

    @Test
    fun viewsAreTheGoldenOnes() {
        for ((name, golden) in Golden.pngs) {
            for ((setting, preprocess) in Golden.settings) {
                val wanted = golden.child("settings").child(setting).sha("views")
                assertEquals(wanted, hash(views(Golden.bytes(name), preprocess)), "$name $setting")
            }
        }
    }

    /** Turned weights must give what turned pixels give, for every orientation and filter. */
    @Test
    fun everyOrientationGivesThePixelsOfTheTurnedPhoto() {
        val width = 61
        val height = 37
        val random = java.util.Random(7)
        val pixels = ByteArray(width * height * 3).also(random::nextBytes)
        for (orientation in 1..8) {
            val (w, h) = if (orientation >= 5) height to width else width to height
            val turned = turned(pixels, width, height, orientation)
            for (filter in Filter.values()) {
                for (size in listOf(Size(20, 13), Size(90, 30), Size(37, 61))) {
                    val window = Window(3, 2, 15, 10)
                    val stored = ByteArray(15 * 10 * 3)
                    val upright = ByteArray(15 * 10 * 3)
                    resize(rows(pixels, width, height), orientation, size, filter, listOf(window), listOf(stored))
                    resize(rows(turned, w, h), 1, size, filter, listOf(window), listOf(upright))
                    assertEquals(hash(upright), hash(stored), "$orientation $filter $size")
                }
            }
        }
    }

    /** How far the JDK's JPEG decoder is from `expected`; another decoder may differ by rounding, no more. */
    @Test
    fun jpegDecoderIsNearTheExpectedPixels() {
        val lines = ArrayList<String>()
        for (name in Golden.jpegs) {
            if (name == CMYK) continue // the JDK reads no CMYK
            val expected = storedPixels(Golden.expected.resolve(name.replace(".jpg", ".upright.png")).readBytes())
            val photo = opened(Golden.bytes(name))
            val pixels = photo.use { turned(allRows(it.rows), it.rows.width, it.rows.height, it.orientation) }
            assertEquals(expected.size, pixels.size, name)
            val apart = pixels.indices.map { abs((pixels[it].toInt() and 0xff) - (expected[it].toInt() and 0xff)) }
            val mean = apart.average()
            lines +=
                "$name: largest ${apart.maxOrNull()}, mean %.4f, differing %.4f"
                    .format(mean, apart.count { it > 0 } / apart.size.toDouble())
            assertTrue(mean < 1.0, lines.last())
        }
        println("JDK ImageIO against Pillow, levels of 255:\n  " + lines.joinToString("\n  "))
    }

    private companion object {
        const val CMYK = "j_cmyk.jpg"
    }
}

internal fun views(
    bytes: ByteArray,
    preprocess: Preprocess,
): ByteArray =
    opened(bytes).use { photo ->
        val out = ByteBuffer.allocate(preprocess.bytes)
        cutViews(photo.rows, photo.orientation, preprocess, out)
        out.array()
    }
