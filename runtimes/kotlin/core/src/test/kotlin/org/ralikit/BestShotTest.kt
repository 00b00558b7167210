package org.ralikit

import org.junit.Test
import org.ralikit.photo.Fingerprint
import org.ralikit.photo.readExif
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNull
import kotlin.test.assertTrue

/** Golden fingerprints, likenesses and scenes (runtimes/golden/best.json). */
class BestShotTest {
    private val golden = Golden.json("best.json")

    private fun list(of: Any?): List<Map<String, Any?>> {
        @Suppress("UNCHECKED_CAST")
        return of as List<Map<String, Any?>>
    }

    private fun bytes(hex: Any?): ByteArray = (hex as String).chunked(2).map { it.toInt(16).toByte() }.toByteArray()

    private fun pattern(
        width: Int,
        height: Int,
    ): ByteArray =
        ByteArray(width * height * 3) {
            val x = it / 3 % width
            val y = it / 3 / width
            ((7 * x + 13 * y + 29 * (it % 3) + x * y % 11) % 256).toByte()
        }

    private fun fingerprint(
        pixels: ByteArray,
        width: Int,
        height: Int,
        orientation: Int,
    ): ByteArray {
        val made = Fingerprint(width, height, orientation)
        for (y in 0 until height) made.row(y, pixels.copyOfRange(y * width * 3, (y + 1) * width * 3))
        return made.bytes()
    }

    @Test
    fun fingerprintsOfPatterns() {
        for (case in list(golden["patterns"])) {
            val width = (case["width"] as Long).toInt()
            val height = (case["height"] as Long).toInt()
            val pixels = pattern(width, height)
            val wanted = bytes(case["fingerprint"]).toList()
            assertEquals(wanted, fingerprint(pixels, width, height, 1).toList(), "$width x $height")
            // The same photo, stored in each of the eight ways.
            for (orientation in 1..8) {
                val (w, h) = if (orientation >= 5) height to width else width to height
                val inverse =
                    if (orientation == 6) {
                        8
                    } else if (orientation == 8) {
                        6
                    } else {
                        orientation
                    }
                val stored = turned(pixels, width, height, inverse)
                assertEquals(wanted, fingerprint(stored, w, h, orientation).toList(), "$width x $height, $orientation")
            }
        }
    }

    @Test
    fun fingerprintsOfPhotos() {
        val photos = golden.child("photos")
        assertTrue(photos.size > 20)
        for ((name, wanted) in photos) {
            val prepared =
                prepare(Photo.bytes(Golden.bytes(name)), null, Golden.settings.getValue("five"), Buffers(SIZE))
            assertEquals(bytes(wanted).toList(), prepared.fingerprint.toList(), name)
        }
    }

    @Test
    fun likenesses() {
        for (case in list(golden["likenesses"])) {
            val wanted = (case["likeness"] as Number).toDouble()
            assertEquals(wanted, BestShot.likeness(bytes(case["one"]), bytes(case["other"])), 1e-12)
        }
    }

    @Test
    fun scenes() {
        for (case in list(golden["cases"])) {
            val rule = case.child("rule").mapValues { (it.value as Number).toDouble() }
            val shots =
                list(case["shots"]).map {
                    Shot(
                        (it["value"] as Number).toDouble(),
                        bytes(it["fingerprint"]),
                        (it["taken"] as Number?)?.toDouble(),
                    )
                }
            val found =
                BestShot.scenes(
                    shots,
                    (case["tie_width"] as Number?)?.toDouble(),
                    SceneRule(rule.getValue("seconds"), rule.getValue("likeness"), rule.getValue("copy_likeness")),
                )
            val wanted =
                list(case["scenes"]).map { scene ->
                    Scene(ints(scene["shots"]), (scene["best"] as Long).toInt(), ints(scene["rivals"]))
                }
            assertEquals(wanted, found, case["name"].toString())
        }
    }

    private fun ints(of: Any?): List<Int> = (of as List<*>).map { (it as Long).toInt() }

    @Test
    fun mistakesAreSaid() {
        assertFailsWith<UsageError> { Shot(1.0, ByteArray(3), null) }
        assertFailsWith<UsageError> { SceneRule(seconds = -1.0) }
        assertFailsWith<UsageError> { SceneRule(likeness = 2.0) }
    }

    @Test
    fun theTimeThatAPhotoWasTaken() {
        assertEquals(1_709_208_000.25, taken("2024:02:29 12:00:00", "25"))
        assertEquals(0.0, taken("1970:01:01 00:00:00", null))
        assertEquals(1_709_208_000.0, taken("2024:02:29 12:00:00", "x"))
        assertNull(taken("0000:00:00 00:00:00", null))
        assertNull(taken("yesterday at noon!!", null))
    }

    private fun taken(
        date: String,
        fraction: String?,
    ): Double? {
        // One table that points at another, big-endian.
        fun entry(
            tag: Int,
            kind: Int,
            count: Int,
            value: ByteArray,
        ) = byteArrayOf((tag shr 8).toByte(), tag.toByte(), 0, kind.toByte()) + int(count) + value
        val text = date.toByteArray() + 0
        val part = (fraction ?: "").toByteArray().copyOf(4)
        val inner =
            byteArrayOf(0, 2) + entry(0x9003, 2, text.size, int(26 + 30)) +
                entry(if (fraction == null) 0x9999 else 0x9291, 2, 1 + (fraction ?: "").length, part) + int(0)
        val block = "MM\u0000*".toByteArray() + int(8) + byteArrayOf(0, 1) + entry(0x8769, 4, 1, int(26)) + int(0)
        return readExif(block + inner + text, 0, block.size + inner.size + text.size).taken
    }

    private companion object {
        const val SIZE = 5 * 32 * 32 * 3
    }
}
