package org.ralikit

import org.ralikit.photo.Resizer
import org.ralikit.photo.Size
import org.ralikit.photo.Window
import java.io.File
import java.lang.management.ManagementFactory

/**
 * Times the resize of raw RGB pixels, on one thread, in CPU time: `FILE WIDTH HEIGHT ROUNDS WIDTHxHEIGHT...`.
 * Prints a line for each: size, median seconds, SHA-256 of the pixels.
 */
internal object ResizeBench {
    @JvmStatic
    fun main(args: Array<String>) {
        val pixels = File(args[0]).readBytes()
        val width = args[1].toInt()
        val height = args[2].toInt()
        val thread = ManagementFactory.getThreadMXBean()
        val rows = Array(height) { pixels.copyOfRange(it * width * 3, (it + 1) * width * 3) }
        for (wanted in args.drop(4)) {
            val (w, h) = wanted.split("x").map(String::toInt)
            val out = ByteArray(w * h * 3)
            val times =
                (0 until args[3].toInt()).map {
                    val start = thread.currentThreadCpuTime
                    val size = Size(w.toLong(), h.toLong())
                    val resizer = Resizer(width, height, 1, size, Filter.BICUBIC, Window(0, 0, w, h), out)
                    for (y in 0 until height) resizer.row(y, rows[y])
                    (thread.currentThreadCpuTime - start) / 1e9
                }
            // The JIT's own warming up stays out: the second half of the rounds counts.
            val steady = times.drop(times.size / 2).sorted()
            println("$wanted ${steady[steady.size / 2]} ${hash(out)}")
        }
    }
}
