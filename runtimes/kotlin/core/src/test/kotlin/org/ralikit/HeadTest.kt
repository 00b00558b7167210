package org.ralikit

import org.junit.Test
import org.ralikit.photo.conversionOf
import org.ralikit.photo.readHead
import org.ralikit.photo.walkJpeg
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue

/** What is read of files that the platform decodes. */
class HeadTest {
    private fun little(value: Int): ByteArray = int(value).reversedArray()

    private fun chunk(
        kind: String,
        body: ByteArray,
    ): ByteArray = kind.toByteArray() + little(body.size) + body + ByteArray(body.size % 2)

    private fun webp(vararg chunks: ByteArray): ByteArray {
        val body = "WEBP".toByteArray() + chunks.fold(ByteArray(0)) { all, part -> all + part }
        return "RIFF".toByteArray() + little(body.size) + body
    }

    private fun box(
        kind: String,
        vararg parts: ByteArray,
    ): ByteArray {
        val body = parts.fold(ByteArray(0)) { all, part -> all + part }
        return int(body.size + 8) + kind.toByteArray() + body
    }

    private fun exif(orientation: Int): ByteArray =
        "II*\u0000".toByteArray() + little(8) +
            byteArrayOf(1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, orientation.toByte(), 0, 0, 0) +
            int(0)

    @Test
    fun aWebpsSizeOrientationAndProfile() {
        val size = byteArrayOf(0, 0, 0, 0, 0x2b, 1, 0, 0xc7.toByte(), 0, 0) // 300 x 200
        val file = webp(chunk("VP8X", size), chunk("ICCP", byteArrayOf(1, 2, 3)), chunk("EXIF", exif(6)))
        val head = readHead(file)
        assertEquals(
            listOf<Any?>(PhotoKind.WEBP, 300, 200, 6),
            listOf(head.kind, head.width, head.height, head.orientation),
        )
        assertEquals(listOf<Byte>(1, 2, 3), head.profile?.toList())
        assertContains(conversionOf(head).second.joinToString(), "profile is damaged")
    }

    @Test
    fun aHeicsPrimaryPictureCounts() {
        fun colours(
            primaries: Int,
            transfer: Int,
        ) = box(
            "colr",
            "nclx".toByteArray(),
            byteArrayOf(0, primaries.toByte(), 0, transfer.toByte(), 0, 1, 0x80.toByte()),
        )

        fun file(primary: Int): ByteArray {
            val properties =
                box(
                    "ipco",
                    box("ispe", int(0), int(64), int(48)),
                    colours(12, 13),
                    box("ispe", int(0), int(8), int(6)),
                    colours(9, 16),
                )
            // Item 1 has the first two properties, item 2 the others.
            val links = box("ipma", int(0), int(2), byteArrayOf(0, 1, 2, 1, 2, 0, 2, 2, 3, 4))
            val item = box("pitm", int(0), byteArrayOf(0, primary.toByte()))
            return box("ftyp", "heic".toByteArray(), int(0)) +
                box("meta", int(0), item, box("iprp", properties, links))
        }
        val head = readHead(file(1))
        assertEquals(listOf<Any?>(PhotoKind.HEIC, 64, 48), listOf(head.kind, head.width, head.height))
        assertNotNull(conversionOf(head).first) // Display P3 to sRGB
        val other = readHead(file(2))
        assertEquals(listOf(8, 6), listOf(other.width, other.height))
        assertContains(assertFailsWith<PhotoError> { conversionOf(other) }.message.orEmpty(), "high dynamic range (PQ)")
    }

    @Test
    fun aGainMapIsSaid() {
        val jpeg = Golden.bytes("j_444.jpg")
        assertFalse(readHead(jpeg).gainMap)
        val text = "http://ns.adobe.com/xap/1.0/\u0000<x hdrgm:Version='1.0'/>".toByteArray()
        val segment = byteArrayOf(-1, 0xe1.toByte(), 0, (text.size + 2).toByte()) + text
        assertTrue(readHead(jpeg.copyOf(2) + segment + jpeg.copyOfRange(2, jpeg.size)).gainMap)
    }

    @Test
    fun whatIsDamagedSaysNothing() {
        assertEquals(1, readHead(webp(chunk("EXIF", exif(9)))).orientation)
        assertEquals(1, readHead(webp(chunk("EXIF", exif(6).copyOf(15)))).orientation)
        assertNull(readHead(byteArrayOf(-1, 0xd8.toByte(), -1)).width)
    }

    @Test
    fun scansAreCountedToTheEndMark() {
        val marks = walkJpeg(Golden.bytes("j_progressive.jpg"))
        assertTrue(marks.ended && marks.complete && !marks.hole)
        assertTrue(marks.scans in 5..20, "${marks.scans}")
        val one = Golden.bytes("j_420.jpg")
        assertEquals(1, walkJpeg(one).scans)
        // A thousand more scans of a few bytes each: refused before they take minutes.
        val scan = one.indices.first { one[it] == (-1).toByte() && one[it + 1] == 0xda.toByte() }
        val header = one.copyOfRange(scan, scan + 14)
        val many = (0 until 200).fold(one.copyOf(scan)) { all, _ -> all + header } + one.copyOfRange(scan, one.size)
        val error = assertFailsWith<PhotoError> { opened(many) }
        assertContains(error.message.orEmpty(), "scans, which no camera or program writes")
    }
}
