package org.ralikit

import org.junit.Test
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith

/** What a photo is refused for, and what is said of one that is read. */
class PhotoErrorsTest {
    private val size = Preprocess(4, 4, listOf(Anchor(0.5, 0.5)), Filter.BICUBIC)

    private fun small(extra: ByteArray = ByteArray(0)) = png(6, 5, extra) { y, row -> row.fill((y * 40).toByte()) }

    private fun refused(bytes: ByteArray): String = assertFailsWith<PhotoError> { views(bytes, size) }.message.orEmpty()

    private fun notes(bytes: ByteArray): List<String> = opened(bytes).use { it.notes }

    @Test
    fun whatIsNoPhotoIsRefused() {
        assertContains(refused(ByteArray(0)), "empty")
        assertContains(refused("hello, this is text".toByteArray()), "no photo that can be read")
        assertContains(refused("II*\u0000".toByteArray() + ByteArray(40)), "TIFF")
        assertContains(refused(int(24) + "ftypavif".toByteArray() + ByteArray(40)), "AVIF")
    }

    @Test
    fun aPhotoThatBreaksOffIsRefused() {
        val whole = Golden.bytes("photo.png")
        assertContains(refused(whole.copyOf(whole.size / 2)), "cut off")
        val jpeg = Golden.bytes("j_420.jpg")
        assertContains(refused(jpeg.copyOf(jpeg.size / 2)), "cut off")
    }

    @Test
    fun aMissingEndMarkAloneIsSaid() {
        val jpeg = Golden.bytes("j_420.jpg")
        assertEquals(listOf("its end mark is missing; every pixel was there"), notes(jpeg.copyOf(jpeg.size - 2)))
        val pixels = views(jpeg, size)
        assertEquals(hash(pixels), hash(views(jpeg.copyOf(jpeg.size - 2), size)))
    }

    @Test
    fun aHoleInThePixelsIsSaid() {
        val jpeg = Golden.bytes("j_444.jpg")
        assertEquals(emptyList(), notes(jpeg))
        val hole = jpeg.copyOf()
        hole.fill(0, jpeg.size - 1200, jpeg.size - 500)
        assertContains(notes(hole).joinToString(), "run of empty bytes")
    }

    @Test
    fun aWrongChecksumIsRefusedWherePixelsAre() {
        val bytes = small()
        val broken = bytes.copyOf()
        broken[bytes.size - 12 - 5] = (broken[bytes.size - 12 - 5] + 1).toByte() // of IDAT
        assertContains(refused(broken), "checksum of its IDAT block")
    }

    @Test
    fun aWrongChecksumElsewhereIsLeftOutAndSaid() {
        val text = block("tEXt", "Comment\u0000hello".toByteArray())
        text[text.size - 1] = (text[text.size - 1] + 1).toByte()
        assertContains(notes(small(text)).joinToString(), "its tEXt block has a wrong checksum and was left out")
        assertEquals(hash(views(small(), size)), hash(views(small(text), size)))
    }

    @Test
    fun tooManyPixelsAreRefusedBeforeDecoding() {
        val header = int(60_000) + int(60_000) + byteArrayOf(8, 2, 0, 0, 0)
        val bytes = small()
        val large = bytes.copyOf(8) + block("IHDR", header) + bytes.copyOfRange(33, bytes.size)
        assertContains(refused(large), "60000 x 60000 pixels; the limit is 100 megapixels")
        val none = bytes.copyOf(8) + block("IHDR", int(0) + int(5) + byteArrayOf(8, 2, 0, 0, 0))
        assertContains(refused(none + bytes.copyOfRange(33, bytes.size)), "no pixels")
    }

    @Test
    fun highDynamicRangeIsRefused() {
        assertContains(refused(small(block("cICP", byteArrayOf(9, 16, 0, 1)))), "high dynamic range (PQ)")
        assertContains(refused(small(block("cICP", byteArrayOf(9, 18, 0, 1)))), "high dynamic range (HLG)")
    }

    @Test
    fun coloursByNumbersAreConverted() {
        val colours = { _: Int, row: ByteArray -> for (i in row.indices) row[i] = (40 + 90 * (i % 3)).toByte() }
        val plain = allRows(opened(png(6, 5, row = colours)).rows)
        val p3 = allRows(opened(png(6, 5, block("cICP", byteArrayOf(12, 13, 0, 1)), colours)).rows)
        assertEquals(listOf(40, 130, 220), plain.take(3).map { it.toInt() and 0xff })
        // Display P3's (40, 130, 220) in sRGB, by docs/pixels.md's matrix; computed in Python with ralikit.photo.cicp.
        assertEquals(P3_IN_SRGB, p3.take(3).map { it.toInt() and 0xff })
        assertContains(notes(small(block("cICP", byteArrayOf(22, 13, 0, 1)))).joinToString(), "not converted")
    }

    @Test
    fun aDamagedProfileIsLeftOutAndSaid() {
        assertContains(notes(Golden.bytes("damaged_profile.png")).joinToString(), "profile is damaged")
    }

    @Test
    fun anErrorNamesThePhotoAndShowsNoControlCharacters() {
        val error =
            assertFailsWith<PhotoError> { prepare(Photo.bytes(ByteArray(0), "a\nb.png"), null, size, Buffers(48)) }
        assertEquals("a?b.png: the file is empty", error.message)
    }

    @Test
    fun withoutADecoderOnlyPngIsRead() {
        val error =
            assertFailsWith<PhotoError> {
                prepare(Photo.bytes(Golden.bytes("j_420.jpg"), "j.jpg"), null, size, Buffers(48))
            }
        assertContains(error.message.orEmpty(), "j.jpg: is JPEG, and only PNG is read without a decoder")
    }

    private companion object {
        val P3_IN_SRGB = listOf(0, 132, 227)
    }
}
