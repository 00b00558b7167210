package org.ralikit.demo

import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.ralikit.Accelerator
import org.ralikit.Anchor
import org.ralikit.EngineReport
import org.ralikit.Facts
import org.ralikit.Preprocess
import org.ralikit.Records
import org.ralikit.Scale
import java.io.File
import org.ralikit.Filter as Resample

class BenchTest {
    private val facts =
        Facts(
            name = "mini",
            bundle = "cd".repeat(32),
            tower = "convnet",
            weights = "trained",
            licence = "",
            notice = "",
            tieWidth = null,
            tieWidthNote = "",
            preprocess = Preprocess(256, 288, List(5) { Anchor(0.5, 0.5) }, Resample.BICUBIC),
            scale = Scale(1.0, 5.0, ""),
            target = "onnx",
            precision = "int8",
            outputs = listOf("score"),
            reasons = emptyList(),
            digested = true,
            sha256 = "ab".repeat(32),
            bytes = 4711,
            text = "{}",
            written = emptyMap(),
        )
    private val report =
        EngineReport(
            "onnxruntime",
            "1.29.0",
            Accelerator.NPU,
            Accelerator.CPU,
            "CPUExecutionProvider",
            4,
            "no NPU here",
        )
    private val phone = Phone("Made phone", "Android 14 (34)", "chip", 8, 8_000_000_000, true)

    private fun measured(queries: Int) =
        Measured(
            warmups = 5,
            inference = List(queries) { 0.01 + it * 1e-4 },
            endToEnd = List(queries) { 0.05 },
            decode = List(queries) { 0.03 },
            resize = List(queries) { 0.01 },
            load = 0.2,
            first = 0.05,
            peakBytes = 3,
            steadyBytes = 2,
            privateBytes = 1,
            photo = "JPEG of 4000 x 3000",
        )

    private fun line(
        queries: Int,
        run: String = "r",
        command: String = "c",
    ): ByteArray =
        record(
            facts,
            report,
            phone,
            Condition("none", "battery 80 %"),
            Condition("light"),
            measured(queries),
            "2026-01-02T03:04:05Z",
            run,
            command,
        )

    @Test
    fun `a record opens, and says what ran where`() {
        val bytes = line(24)
        // The tier's Python half reads this file as ralikit bench does.
        System.getProperty("ralikit.record")?.let { File(it).writeBytes(bytes) }
        assertEquals('\n'.code.toByte(), bytes.last())
        val values = Records.open(bytes.copyOf(bytes.size - 1))
        assertEquals("cpu", (values["runtime"] as Map<*, *>)["unit"])
        assertEquals(true, (values["device"] as Map<*, *>)["emulated"])
        assertEquals(listOf(5L, 256L, 256L, 3L), (values["model"] as Map<*, *>)["input"])
        assertEquals("light", (values["state"] as Map<*, *>)["thermal_after"])
        assertEquals(24, ((values["samples"] as Map<*, *>)["inference_s"] as List<*>).size)
        assertTrue("no NPU here" in (values["protocol"] as Map<*, *>)["note"].toString())
    }

    @Test
    fun `a short look is called one`() {
        fun quick(queries: Int): Any? {
            val bytes = line(queries)
            return (Records.open(bytes.copyOf(bytes.size - 1))["protocol"] as Map<*, *>)["quick"]
        }
        assertEquals(true, quick(1023))
        assertEquals(false, quick(1024))
    }

    @Test
    fun `an order names a plan and its record's run and command`() {
        val extras = mapOf("ralikit.bench" to "rapid", "ralikit.run" to "android-1")
        val order = requireNotNull(BenchOrder.of(extras::get))
        val plan = requireNotNull(order.plan)
        assertEquals(null, order.problem)
        assertEquals(64, plan.queries)
        val done = listOf(plan.done(63, 9.0), plan.done(64, 5.9), plan.done(64, 6.0))
        assertEquals(listOf(false, false, true), done)
        val made = line(64, order.run, order.command("app"))
        val values = Records.open(made.copyOf(made.size - 1))
        assertEquals("android-1", values["run"])
        assertEquals("ralikit bench android --app app --mode rapid", (values["protocol"] as Map<*, *>)["command"])
    }

    @Test
    fun `no order, and one for an unknown plan`() {
        assertEquals(null, BenchOrder.of { null })
        val odd = requireNotNull(BenchOrder.of(mapOf("ralikit.bench" to "slow")::get))
        assertTrue("not slow" in odd.problem.orEmpty())
    }

    @Test
    fun `percentiles are linear between samples`() {
        val values = listOf(4.0, 1.0, 3.0, 2.0)
        assertEquals(2.5, percentile(values, 0.5), 1e-12)
        assertEquals(3.7, percentile(values, 0.9), 1e-12)
        assertEquals(4.0, percentile(values, 1.0), 0.0)
        assertTrue(percentile(emptyList(), 0.5).isNaN())
    }
}
