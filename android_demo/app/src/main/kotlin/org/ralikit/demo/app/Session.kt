package org.ralikit.demo.app

import android.content.Context
import android.content.Intent
import android.net.Uri
import android.os.Handler
import android.os.Looper
import android.os.SystemClock
import kotlinx.coroutines.runBlocking
import org.ralikit.RaliError
import org.ralikit.RaliScorer
import org.ralikit.android.open
import org.ralikit.android.openAsset
import org.ralikit.demo.Bursts
import org.ralikit.demo.Found
import org.ralikit.demo.Library
import org.ralikit.demo.ModelInfo
import org.ralikit.demo.Origin
import org.ralikit.demo.Pace
import org.ralikit.demo.Phase
import org.ralikit.demo.Progress
import org.ralikit.demo.ReasonInfo
import org.ralikit.demo.Scan
import org.ralikit.demo.Source
import org.ralikit.demo.ViewModel
import org.ralikit.demo.findBursts
import java.io.File
import java.io.IOException
import java.util.concurrent.Executors

/**
 * The model, the library and the scan of this process. Everything is called on the main thread and drawn there; one
 * worker thread opens models and scans. After a process death a new one takes up from disk what the last one left.
 */
class Session(
    private val context: Context,
) {
    private val main = Handler(Looper.getMainLooper())
    private val worker = Executors.newSingleThreadExecutor()
    private val home = File(context.noBackupFilesDir, "demo")
    private val shelf = File(home, "library")
    private val choice = context.getSharedPreferences("model", Context.MODE_PRIVATE)
    private var scan: Scan? = null
    private var pace = Pace()
    private var drawing = false
    private var waiting: (() -> Unit)? = null

    /** Draws the screen; null: none is to be seen. */
    var screen: (() -> Unit)? = null

    /** Told when no scan goes on any more. */
    var idle: (() -> Unit)? = null

    val viewModel = ViewModel(home) { screen?.invoke() }
    var scorer: RaliScorer? = null
        private set

    /** Seconds it took to open the model. */
    var loadSeconds = 0.0
        private set

    /** Why no model is open; null: one is, or is being opened. */
    var problem: String? = null
        private set

    val secondsLeft: Double? get() = viewModel.progress?.let { pace.secondsLeft(it.left) }

    /** Whether the library's scores are this model's. */
    val comparable: Boolean get() = viewModel.library?.model?.sha256 == scorer?.facts?.sha256

    init {
        Library.open(shelf)?.let(viewModel::take)
        openModel()
    }

    /** Photos picked one by one, shared, or taken. Where the model is the library's, taken ones join it. */
    fun choose(
        photos: List<Found>,
        origin: Origin,
        title: String,
    ) {
        if (photos.isEmpty()) return
        if (waitsForModel { choose(photos, origin, title) }) return
        val joined = viewModel.library?.takeIf { origin == Origin.CAMERA && comparable && it.source.origin == origin }
        if (joined == null) begin(Source(origin, "", title)) { photos } else add(joined, photos)
    }

    fun chooseFolder(
        tree: Uri,
        title: String,
    ) = begin(Source(Origin.FOLDER, tree.toString(), title)) { emptyList() }

    fun pause() {
        scan?.pause()
    }

    /** The system takes the time away. */
    fun interrupt() {
        scan?.interrupt()
    }

    fun resume() {
        val library = viewModel.library ?: return
        if (library.progress.phase == Phase.DONE) library.retryFailed()
        work(library)
    }

    /** Go on where a rotation, a pause of the system or a process death stopped it; nothing where a person did. */
    fun goOn() {
        val library = viewModel.library ?: return
        if (library.progress.phase.goesOn) work(library) else idle?.invoke()
    }

    /** Open another model; null: the one that came with the app. */
    fun use(model: Uri?) {
        scan?.interrupt()
        choice.edit().putString(MODEL, model?.toString()).apply()
        openModel()
    }

    /** Run [task] once a model is open, or could not be opened. */
    fun whenOpen(task: () -> Unit) {
        if (!waitsForModel(task)) task()
    }

    /** Run [task] on the worker while no scan goes on, which goes on after it. */
    fun <T> alone(
        task: (RaliScorer) -> T,
        done: (Result<T>) -> Unit,
    ) {
        val scorer = scorer ?: return
        scan?.interrupt()
        worker.execute {
            val result = runCatching { task(scorer) }
            main.post {
                done(result)
                goOn()
            }
        }
    }

    /** Run [task] off the screen's thread, beside a scan. */
    fun <T> aside(
        task: () -> T,
        done: (Result<T>) -> Unit,
    ) {
        Thread {
            val result = runCatching(task)
            main.post { done(result) }
        }.start()
    }

    private fun openModel() {
        val asked = choice.getString(MODEL, null)
        val before = scorer
        scorer = null
        problem = null
        worker.execute {
            before?.close()
            val start = SystemClock.elapsedRealtimeNanos()
            val opened = runCatching { open(asked) }
            opened.exceptionOrNull()?.let {
                if (it !is RaliError && it !is IOException &&
                    it !is SecurityException
                ) {
                    throw it
                }
            }
            main.post {
                loadSeconds = (SystemClock.elapsedRealtimeNanos() - start) / NANOS
                scorer = opened.getOrNull()
                problem = opened.exceptionOrNull()?.message
                group()
                goOn()
                waiting?.also { waiting = null }?.invoke()
                screen?.invoke()
            }
        }
    }

    private fun open(asked: String?): RaliScorer =
        runBlocking {
            val scorer =
                if (asked == null) {
                    RaliScorer.openAsset(context, SHIPPED)
                } else {
                    RaliScorer.open(context, Uri.parse(asked))
                }
            scorer.apply { warmUp() }
        }

    private fun begin(
        source: Source,
        photos: () -> List<Found>,
    ) {
        if (waitsForModel { begin(source, photos) }) return
        val model = scorer?.let(::remember) ?: return
        scan?.interrupt()
        val before = viewModel.library
        // On the worker: the scan before has ended then, and nobody writes to the files that are replaced.
        worker.execute {
            before?.close()
            val library = Library.begin(shelf, source, model)
            photos().forEach(library::add)
            main.post {
                viewModel.begin(library)
                work(library)
            }
        }
    }

    /** Photos shared into an app that just starts, or taken while it had died, come before the model is open. */
    private fun waitsForModel(task: () -> Unit): Boolean {
        if (scorer != null || problem != null) return false
        waiting = task
        return true
    }

    private fun add(
        library: Library,
        photos: List<Found>,
    ) {
        photos.forEach(library::add)
        library.enter(Phase.SCORING)
        work(library)
    }

    private fun work(library: Library) {
        val scorer = scorer ?: return
        if (!comparable || scan != null) return
        val next = Scan(library, lister(context, library.source), RaliJudge(context, scorer), ::progressed)
        scan = next
        pace = Pace()
        ScanJob.schedule(context)
        worker.execute {
            val phase = next.run()
            main.post {
                scan = null
                if (phase == Phase.DONE) group()
                if (!phase.goesOn) idle?.invoke()
                screen?.invoke()
            }
        }
    }

    private fun group() {
        val library = viewModel.library ?: return
        if (library.progress.phase != Phase.DONE) return
        aside({ findBursts(library) }) { bursts ->
            if (library === viewModel.library) viewModel.grouped(bursts.getOrDefault(Bursts.NONE))
        }
    }

    /** On the worker. The screen is drawn a few times a second, however fast photos come. */
    private fun progressed(progress: Progress) {
        val now = System.nanoTime()
        main.post {
            if (progress.phase == Phase.SCORING) pace.tick(now)
            if (!drawing) {
                drawing = true
                main.postDelayed({
                    drawing = false
                    screen?.invoke()
                }, DRAW_MS)
            }
        }
    }

    private fun remember(scorer: RaliScorer): ModelInfo =
        scorer.facts.run {
            ModelInfo(
                name = name,
                precision = precision,
                sha256 = sha256,
                minimum = scale.minimum,
                maximum = scale.maximum,
                tieWidth = tieWidth,
                reasons = if ("reasons" in outputs) reasons.map { ReasonInfo(it.id, it.words) } else emptyList(),
            )
        }

    companion object {
        private const val MODEL = "model"
        private const val SHIPPED = "mini-int8.onnx"
        private const val DRAW_MS = 250L
        private const val NANOS = 1e9

        /** Keep the right to read what a picker gave, over a process death. The system keeps a few hundred of them. */
        fun keep(
            context: Context,
            address: Uri,
        ) {
            try {
                context.contentResolver.takePersistableUriPermission(address, Intent.FLAG_GRANT_READ_URI_PERMISSION)
            } catch (_: SecurityException) {
                // More than the system keeps, or a provider that offers none: readable as long as the app lives.
            }
        }
    }
}
