package org.ralikit.demo.app

import android.content.Context
import android.graphics.Bitmap
import android.os.BatteryManager
import android.os.Build
import android.os.Debug
import android.os.PowerManager
import android.os.SystemClock
import android.view.View
import android.widget.Button
import android.widget.TextView
import org.ralikit.Photo
import org.ralikit.RaliScorer
import org.ralikit.demo.BenchOrder
import org.ralikit.demo.BenchPlan
import org.ralikit.demo.Condition
import org.ralikit.demo.Measured
import org.ralikit.demo.Phone
import org.ralikit.demo.percentile
import org.ralikit.demo.record
import java.io.ByteArrayOutputStream
import java.io.File
import java.text.SimpleDateFormat
import java.util.Date
import java.util.Locale
import java.util.TimeZone

private const val NANOS = 1e9
private const val MS = 1e3
private const val WIDTH = 4000
private const val HEIGHT = 3000
private const val QUALITY = 90
private const val KB = 1024L
private const val MB = KB * KB

/** A benchmark that was run. */
class BenchResult(
    val measured: Measured,
    val before: Condition,
    val after: Condition,
    val record: ByteArray,
)

/** Measures the open model on one made picture, as a record. */
class BenchScreen(
    private val tools: Tools,
) : Screen {
    override val view: View = tools.inflate(R.layout.text_page)
    override val title get() = tools.activity.getString(R.string.bench)
    private val start: Button = view.findViewById(R.id.first_action)
    private val save: Button = view.findViewById(R.id.second_action)
    private val body: TextView = view.findViewById(R.id.body)

    init {
        start.setText(R.string.bench_start)
        start.setOnClickListener { run(tools.session, tools.activity.applicationContext, BenchPlan.SCREEN, null) }
        save.setText(R.string.bench_save)
        save.setOnClickListener { tools.activity.saveRecord() }
        draw()
    }

    override fun draw() {
        val result = last
        start.isEnabled = !running && tools.session.scorer != null
        save.isEnabled = !running && result != null
        body.text =
            when {
                running -> tools.activity.getString(R.string.bench_running, done)
                failure != null -> failure
                result == null -> tools.activity.getString(R.string.bench_what)
                else -> said(result)
            }
    }

    private fun said(result: BenchResult): String {
        val measured = result.measured
        val lines =
            listOf(
                R.string.bench_inference to measured.inference,
                R.string.bench_decode to measured.decode,
                R.string.bench_resize to measured.resize,
                R.string.bench_end_to_end to measured.endToEnd,
            ).map { (name, samples) -> line(name, samples) }
        return (lines + rest(result)).joinToString("\n\n")
    }

    private fun line(
        name: Int,
        samples: List<Double>,
    ) = tools.activity.getString(
        R.string.bench_line,
        tools.activity.getString(name),
        ms(percentile(samples, 0.5)),
        ms(percentile(samples, 0.9)),
        ms(percentile(samples, 0.99)),
    )

    private fun rest(result: BenchResult): List<String> {
        val measured = result.measured
        val report = tools.session.scorer?.report
        return listOfNotNull(
            tools.activity.getString(R.string.bench_load, ms(measured.load), ms(measured.first)),
            tools.activity.getString(R.string.bench_memory, measured.peakBytes / MB, measured.steadyBytes / MB),
            tools.activity.getString(R.string.bench_thermal, result.before.thermal, result.after.thermal),
            report?.let { tools.activity.getString(R.string.bench_unit, "${it.ran.name} (${it.detail})") },
            report?.fallback,
        )
    }

    private fun ms(seconds: Double) = tools.words.number(seconds * MS)

    companion object {
        // A measurement outlives the screen that began it.
        private var running = false
        private var failure: String? = null

        @Volatile
        private var done = 0

        var last: BenchResult? = null
            private set

        /** What a computer asked for over adb, once the model is open; its answer lies in a file. */
        fun obey(
            session: Session,
            app: Context,
            order: BenchOrder,
        ) {
            for (name in listOf(BenchOrder.FILE, "${BenchOrder.FILE}.error")) File(folder(app), name).delete()
            session.whenOpen {
                val plan = order.plan
                val problem = order.problem ?: session.problem
                if (plan == null || problem != null) refuse(app, order, problem) else run(session, app, plan, order)
            }
        }

        private fun run(
            session: Session,
            app: Context,
            plan: BenchPlan,
            order: BenchOrder?,
        ) {
            if (running) return
            running = true
            failure = null
            done = 0
            session.screen?.invoke()
            val load = session.loadSeconds
            session.alone({ measure(app, it, load, plan, order) }) { result ->
                running = false
                last = result.getOrNull()
                failure = result.exceptionOrNull()?.message
                if (order != null && last == null) refuse(app, order, failure)
                session.screen?.invoke()
            }
        }

        private fun refuse(
            app: Context,
            order: BenchOrder,
            why: String?,
        ) = leave(app, "${BenchOrder.FILE}.error", "${order.run}: ${why ?: "it failed"}\n".toByteArray())

        /** Write a file that is whole or absent: the computer looks for it all the time. */
        private fun leave(
            app: Context,
            name: String,
            bytes: ByteArray,
        ) {
            val draft = File(folder(app), "$name.draft")
            draft.writeBytes(bytes)
            draft.renameTo(File(folder(app), name))
        }

        /** Shared storage, which adb reads; the app's own where there is none. */
        private fun folder(app: Context): File = app.getExternalFilesDir(null) ?: app.filesDir

        private fun measure(
            context: Context,
            scorer: RaliScorer,
            load: Double,
            plan: BenchPlan,
            order: BenchOrder?,
        ): BenchResult {
            val jpeg = picture()
            val photo = Photo.bytes(jpeg, "benchmark.jpg")
            val first = scorer.scoreBlocking(photo).timings.inference
            repeat(plan.warmups - 1) { scorer.scoreBlocking(photo) }
            val before = condition(context)
            val what = "made JPEG of $WIDTH x $HEIGHT, ${jpeg.size} bytes"
            val measured = samples(scorer, photo, load, first, plan, what)
            val after = condition(context)
            val time = now()
            val run = order?.run ?: "phone-$time"
            val command = order?.command(context.packageName) ?: "Android demo, Benchmark"
            val line =
                record(scorer.facts, scorer.report, phone(context), before, after, measured, time, run, command)
            if (order != null) leave(context, BenchOrder.FILE, line)
            return BenchResult(measured, before, after, line)
        }

        private fun samples(
            scorer: RaliScorer,
            photo: Photo,
            load: Double,
            first: Double,
            plan: BenchPlan,
            what: String,
        ): Measured {
            val ends = ArrayList<Double>()
            val timings = ArrayList<org.ralikit.Timings>()
            var seconds = 0.0
            while (!plan.done(ends.size, seconds)) {
                val start = SystemClock.elapsedRealtimeNanos()
                timings += scorer.scoreBlocking(photo).timings
                ends += (SystemClock.elapsedRealtimeNanos() - start) / NANOS
                seconds += ends.last()
                done = ends.size
            }
            val memory = Debug.MemoryInfo().also(Debug::getMemoryInfo)
            return Measured(
                warmups = plan.warmups,
                inference = timings.map { it.inference },
                endToEnd = ends,
                decode = timings.map { it.decode },
                resize = timings.map { it.resize },
                load = load,
                first = first,
                peakBytes = status("VmHWM"),
                steadyBytes = status("VmRSS"),
                privateBytes = memory.totalPrivateDirty * KB,
                photo = what,
            )
        }

        /** A JPEG with detail everywhere, the same on every phone but for its encoder. */
        private fun picture(): ByteArray {
            val row = IntArray(WIDTH)
            val bitmap = Bitmap.createBitmap(WIDTH, HEIGHT, Bitmap.Config.ARGB_8888)
            var state = 1
            for (y in 0 until HEIGHT) {
                for (x in 0 until WIDTH) {
                    state = state * 1664525 + 1013904223
                    val grain = state ushr 28
                    row[x] =
                        -0x1000000 or ((x shr 4) + grain and 255 shl 16) or ((y shr 4) + grain and 255 shl 8) or
                        (x + y shr 5 and 255)
                }
                bitmap.setPixels(row, 0, WIDTH, 0, y, WIDTH, 1)
            }
            val out = ByteArrayOutputStream()
            bitmap.compress(Bitmap.CompressFormat.JPEG, QUALITY, out)
            bitmap.recycle()
            return out.toByteArray()
        }

        /** A line of the kernel's account of this process, bytes; 0: not told. */
        private fun status(name: String): Long =
            File("/proc/self/status").useLines { lines ->
                lines
                    .firstOrNull { it.startsWith("$name:") }
                    ?.filter(Char::isDigit)
                    ?.toLongOrNull()
                    ?.times(KB) ?: 0
            }

        private fun condition(context: Context): Condition {
            val power = context.getSystemService(Context.POWER_SERVICE) as PowerManager
            val battery = context.getSystemService(Context.BATTERY_SERVICE) as BatteryManager
            val level = battery.getIntProperty(BatteryManager.BATTERY_PROPERTY_CAPACITY)
            val source = if (battery.isCharging) "charging" else "battery"
            val saver = if (power.isPowerSaveMode) ", power saver" else ""
            val thermal =
                if (Build.VERSION.SDK_INT >=
                    Build.VERSION_CODES.Q
                ) {
                    thermal(power.currentThermalStatus)
                } else {
                    "unknown"
                }
            return Condition(thermal, "$source, $level %$saver")
        }

        private fun thermal(status: Int): String =
            listOf(
                "none",
                "light",
                "moderate",
                "severe",
                "critical",
                "emergency",
                "shutdown",
            ).getOrElse(status) { "unknown" }

        private fun phone(context: Context): Phone {
            val memory = android.app.ActivityManager.MemoryInfo()
            (context.getSystemService(Context.ACTIVITY_SERVICE) as android.app.ActivityManager).getMemoryInfo(memory)
            return Phone(
                name = "${Build.MANUFACTURER} ${Build.MODEL}",
                os = "Android ${Build.VERSION.RELEASE} (API ${Build.VERSION.SDK_INT})",
                chip =
                    if (Build.VERSION.SDK_INT >=
                        Build.VERSION_CODES.S
                    ) {
                        "${Build.SOC_MANUFACTURER} ${Build.SOC_MODEL}"
                    } else {
                        Build.HARDWARE
                    },
                cores = Runtime.getRuntime().availableProcessors(),
                memoryBytes = memory.totalMem,
                emulated = Build.HARDWARE in setOf("goldfish", "ranchu", "cutf_cvm"),
            )
        }

        private fun now(): String =
            SimpleDateFormat("yyyy-MM-dd'T'HH:mm:ss'Z'", Locale.ROOT).run {
                timeZone = TimeZone.getTimeZone("UTC")
                format(Date())
            }
    }
}
