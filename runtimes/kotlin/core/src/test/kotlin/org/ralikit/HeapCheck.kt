package org.ralikit

import java.io.File
import java.lang.management.ManagementFactory
import java.lang.management.MemoryType
import kotlin.system.exitProcess

private const val WIDTH = 4000
private const val HEIGHT = 3000

/**
 * A 12-megapixel photo in a heap that `-Xmx` bounds: `make FILE` writes the photo, `score FILE` makes its views and
 * prints the heap's peak. Turned by EXIF, so that the way through rows and columns is the longer one too.
 */
internal object HeapCheck {
    @JvmStatic
    fun main(args: Array<String>) {
        val file = File(args[1])
        if (args[0] == "make") {
            val exif =
                "MM\u0000*".toByteArray() + int(8) + byteArrayOf(0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0) + int(0)
            val random = java.util.Random(1)
            file.writeBytes(
                png(WIDTH, HEIGHT, block("eXIf", exif)) { y, row ->
                    for (i in row.indices) row[i] = ((i / 3 + y) / 16 + random.nextInt(4)).toByte()
                },
            )
            return
        }
        val anchors = listOf(0.0, 1.0).flatMap { x -> listOf(Anchor(x, 0.0), Anchor(x, 1.0)) } + Anchor(0.5, 0.5)
        val preprocess = Preprocess(256, 512, anchors, Filter.BICUBIC)
        val buffers = Buffers(preprocess.bytes)
        repeat(3) {
            val prepared = prepare(Photo.file(file), null, preprocess, buffers)
            check(prepared.width == HEIGHT && prepared.height == WIDTH) { "it was not turned" }
            buffers.give(prepared.views)
        }
        val peak =
            ManagementFactory
                .getMemoryPoolMXBeans()
                .filter { it.type == MemoryType.HEAP }
                .sumOf { it.peakUsage.used }
        val most = Runtime.getRuntime().maxMemory()
        println(
            "12 megapixels, a PNG of ${file.length() shr 20} MB: heap peak ${peak shr 20} MB, -Xmx ${most shr 20} MB",
        )
        exitProcess(0)
    }
}
