package org.ralikit

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.asFlow
import kotlinx.coroutines.flow.buffer
import kotlinx.coroutines.flow.flowOn
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.flow.takeWhile
import kotlinx.coroutines.flow.withIndex
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.Semaphore
import kotlinx.coroutines.sync.withLock
import kotlinx.coroutines.sync.withPermit
import kotlinx.coroutines.withContext
import org.ralikit.model.readModel
import java.io.File
import java.util.concurrent.CompletableFuture

/** Photos that are decoded at once by `score`: what bounds the memory of many callers. */
private const val DECODED_AT_ONCE = 2

/**
 * How a model is opened.
 *
 * @property engines what can run it; the first whose format is the file's does.
 * @property decoder reads what this library does not read itself (all but PNG); null: nothing does.
 */
public class ScorerOptions
    @JvmOverloads
    constructor(
        public val engines: List<EngineFactory>,
        public val engine: EngineOptions = EngineOptions(),
        public val decoder: PhotoDecoder? = null,
    )

/**
 * Scores photos with one model. Safe to use from several threads: two photos are decoded side by side, and photos
 * go through the model one after another.
 */
public class RaliScorer private constructor(
    /** What the file says of itself. */
    public val facts: Facts,
    private val engine: Engine,
    private val decoder: PhotoDecoder?,
) : AutoCloseable {
    /** What really runs the model. */
    public val report: EngineReport = engine.report

    private val buffers = Buffers(facts.preprocess.bytes)
    private val decoding = Semaphore(DECODED_AT_ONCE)
    private val turn = Mutex()

    @Volatile
    private var closed = false

    /**
     * Score one photo.
     *
     * @param embedding whether the embedding is wanted too, where the file gives one.
     * @throws PhotoError if the photo cannot be read or scored.
     * @throws ModelError if the model fails.
     * @throws UsageError if the scorer is closed.
     */
    @JvmSynthetic
    public suspend fun score(
        photo: Photo,
        embedding: Boolean = false,
    ): Score {
        checkOpen()
        return withContext(Dispatchers.Default) {
            val prepared = decoding.withPermit { prepare(photo, decoder, facts.preprocess, buffers) }
            infer(prepared, embedding)
        }
    }

    /**
     * Score any number of photos: an entry each, in order, as soon as it is done. The next photo is decoded
     * while one is scored; no more are held, and no photo is kept. Stop collecting to cancel: no other photo is
     * begun. The index of an entry is the progress.
     *
     * @throws ModelError out of the flow, if the model fails.
     * @throws UsageError out of the flow, if the scorer is closed.
     */
    @JvmOverloads
    public fun scoreAll(
        photos: Flow<Photo>,
        embedding: Boolean = false,
    ): Flow<ScoreEntry> =
        photos
            .withIndex()
            .map { (index, photo) ->
                checkOpen()
                try {
                    Ready(index, photo.name, prepare(photo, decoder, facts.preprocess, buffers), null)
                } catch (error: PhotoError) {
                    Ready(index, photo.name, null, error)
                }
            }.buffer(0)
            .flowOn(Dispatchers.Default)
            .map { ready ->
                val score = ready.prepared?.let { withContext(Dispatchers.Default) { infer(it, embedding) } }
                ScoreEntry(ready.index, ready.name, score, ready.error)
            }

    /** Run one inference on an empty picture, so that the first photo does not wait. */
    @JvmSynthetic
    public suspend fun warmUp() {
        checkOpen()
        withContext(Dispatchers.Default) {
            val views = buffers.take()
            views.clear()
            while (views.hasRemaining()) views.put(0)
            views.flip()
            infer(Prepared(views, 1, 1, emptyList(), ByteArray(0), null, 0.0, 0.0), embedding = false)
        }
    }

    /** As `score`, on the caller's own thread, which waits. */
    @JvmOverloads
    public fun scoreBlocking(
        photo: Photo,
        embedding: Boolean = false,
    ): Score = runBlocking { score(photo, embedding) }

    /** As `score`, for Java. Cancelling the future drops the answer; its failures are the errors of `score`. */
    @JvmOverloads
    public fun scoreAsync(
        photo: Photo,
        embedding: Boolean = false,
    ): CompletableFuture<Score> {
        val future = CompletableFuture<Score>()
        val job =
            CoroutineScope(SupervisorJob() + Dispatchers.Default).launch {
                try {
                    future.complete(score(photo, embedding))
                } catch (error: Throwable) {
                    future.completeExceptionally(error)
                }
            }
        future.whenComplete { _, _ -> if (future.isCancelled) job.cancel() }
        return future
    }

    /** As `scoreAll` on the caller's own thread, which waits: [listener] gets every entry, and says whether to go on. */
    @JvmOverloads
    public fun scoreAllBlocking(
        photos: Iterable<Photo>,
        listener: Listener,
        embedding: Boolean = false,
    ): Unit =
        runBlocking {
            scoreAll(photos.asFlow(), embedding).takeWhile { listener.onEntry(it) }.collect {}
        }

    /** As `warmUp`, on the caller's own thread, which waits. */
    public fun warmUpBlocking(): Unit = runBlocking { warmUp() }

    /** Free the model; waits for the inference that is under way. Calls after it are a [UsageError]. */
    override fun close() {
        closed = true
        runBlocking {
            turn.withLock { if (!freed) engine.close().also { freed = true } }
        }
    }

    private var freed = false // guarded by turn

    private suspend fun infer(
        prepared: Prepared,
        embedding: Boolean,
    ): Score {
        try {
            val wanted = facts.outputs.filter { it == "score" || it == "reasons" || (it == "embedding" && embedding) }
            val start: Long
            val outputs =
                turn.withLock {
                    checkOpen()
                    start = System.nanoTime()
                    engine.run(prepared.views, wanted)
                }
            return scoreOf(outputs, facts, prepared, (System.nanoTime() - start) / 1e9)
        } finally {
            buffers.give(prepared.views)
        }
    }

    private fun checkOpen() {
        if (closed) throw UsageError("this scorer is closed; open the model again")
    }

    /** Takes entries of [scoreAllBlocking]. */
    public fun interface Listener {
        /** Returns false to begin no other photo. */
        public fun onEntry(entry: ScoreEntry): Boolean
    }

    private class Ready(
        val index: Int,
        val name: String,
        val prepared: Prepared?,
        val error: PhotoError?,
    )

    public companion object {
        /**
         * Open a model's file. Fetches nothing.
         *
         * @throws ModelError if it is foreign, damaged, of another schema, or does not fit its facts.
         * @throws RuntimeLoadError if no engine for it can be loaded.
         */
        @JvmSynthetic
        public suspend fun open(
            file: File,
            options: ScorerOptions,
        ): RaliScorer = withContext(Dispatchers.Default) { openBlocking(file, options) }

        /** As `open`, on the caller's own thread. */
        @JvmStatic
        public fun openBlocking(
            file: File,
            options: ScorerOptions,
        ): RaliScorer {
            if (options.engine.threads < 0) {
                throw UsageError("threads is at least 0, not ${options.engine.threads}")
            }
            val model = readModel(file)
            val factory =
                options.engines.firstOrNull { it.format == model.format }
                    ?: throw RuntimeLoadError("no engine for ${model.format} files was given; add one to the options")
            return RaliScorer(model.facts, factory.open(file, model.facts, options.engine), options.decoder)
        }

        /** What a file says of itself, its digest checked; loads no graph. @throws ModelError as [openBlocking]. */
        @JvmStatic
        public fun readFacts(file: File): Facts = readModel(file).facts
    }
}
