package org.ralikit

import org.junit.Test
import java.util.Random
import kotlin.test.assertTrue

/** Mutated files through the core: a result or a typed error, within a time. */
class FuzzTest {
    @Test
    fun aThousandMutatedPhotos() {
        val settings = Preprocess(8, 12, listOf(Anchor(0.0, 0.0), Anchor(1.0, 1.0)), Filter.BICUBIC)
        val seeds = (Golden.pngs.keys - "large.png" + (Golden.jpegs - "j_cmyk.jpg")).sorted().map(Golden::bytes)
        val webp = "RIFF\u0040\u0000\u0000\u0000WEBPVP8X".toByteArray(Charsets.ISO_8859_1) + ByteArray(48)
        val heic = int(24) + "ftypheic".toByteArray() + ByteArray(12) + int(60) + "meta".toByteArray() + ByteArray(52)
        run(seeds + listOf(webp, heic), COUNT) { bytes ->
            try {
                views(bytes, settings)
                true
            } catch (_: PhotoError) {
                false
            } catch (_: IndexOutOfBoundsException) {
                false // `guarded` makes it a PhotoError, as any scorer's call does
            }
        }
    }

    @Test
    fun aThousandMutatedModels() {
        val digest = MARK + "0".repeat(64)
        val seeds =
            listOf(
                onnx(facts()),
                onnx(facts(), digest = false),
                sealed(tflite("ralikit" to facts(), "ralikit.digest" to digest)),
            )
        run(seeds, COUNT) { bytes ->
            // Sealed again where a digest is left, so that what lies behind the check is reached too.
            val found = String(bytes, Charsets.ISO_8859_1).contains(digest.dropLast(64))
            val file = temporary(if (found && bytes.size % 2 == 0) resealed(bytes) else bytes)
            try {
                RaliScorer.readFacts(file)
                true
            } catch (_: ModelError) {
                false
            } finally {
                file.delete()
            }
        }
    }

    private fun resealed(bytes: ByteArray): ByteArray {
        val at = String(bytes, Charsets.ISO_8859_1).lastIndexOf(MARK) + MARK.length
        if (at + 64 > bytes.size) return bytes
        return sealed(bytes.copyOf().also { it.fill('0'.code.toByte(), at, at + 64) })
    }

    private fun run(
        seeds: List<ByteArray>,
        count: Int,
        read: (ByteArray) -> Boolean,
    ) {
        val random = Random(SEED)
        var good = 0
        var slowest = 0L
        repeat(count) { i ->
            val bytes = mutated(seeds[i % seeds.size], random)
            val start = System.nanoTime()
            if (read(bytes)) good++
            slowest = maxOf(slowest, System.nanoTime() - start)
        }
        println("$count mutated files: $good read, ${count - good} refused, the slowest ${slowest / 1_000_000} ms")
        assertTrue(slowest < 20_000_000_000, "${slowest / 1e9} s for one file")
        assertTrue(good < count)
    }

    private fun mutated(
        seed: ByteArray,
        random: Random,
    ): ByteArray {
        var bytes = seed.copyOf()
        repeat(1 + random.nextInt(4)) {
            if (bytes.isEmpty()) return bytes
            val at = if (random.nextBoolean()) random.nextInt(bytes.size) else random.nextInt(minOf(bytes.size, 200))
            when (random.nextInt(6)) {
                0 -> bytes[at] = random.nextInt().toByte()
                1 -> bytes[at] = (bytes[at].toInt() xor (1 shl random.nextInt(8))).toByte()
                2 -> bytes = bytes.copyOf(at)
                3 -> bytes = bytes.copyOf(at) + bytes.copyOfRange(random.nextInt(bytes.size), bytes.size)
                4 -> for (i in at until minOf(at + 4, bytes.size)) bytes[i] = -1
                5 -> for (i in at until minOf(at + 1 + random.nextInt(60), bytes.size)) bytes[i] = 0
            }
        }
        return bytes
    }

    private companion object {
        const val COUNT = 1000
        const val SEED = 20261127L
    }
}
