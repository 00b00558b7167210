package org.ralikit

import java.io.File
import java.util.concurrent.CompletableFuture
import kotlinx.coroutines.flow.Flow

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
 * Scores photos with one model. Safe to use from several threads: photos are decoded side by side, and
 * go through the model one after another.
 */
public class RaliScorer private constructor(
    public val facts: Facts,
    public val report: EngineReport,
) : AutoCloseable {
    /**
     * Score one photo.
     *
     * @param embedding whether the embedding is wanted too, where the file gives one.
     * @throws PhotoError if the photo cannot be read or scored.
     * @throws UsageError if the scorer is closed.
     */
    @JvmSynthetic
    public suspend fun score(
        photo: Photo,
        embedding: Boolean = false,
    ): Score = TODO()

    /**
     * Score any number of photos: an entry each, in order, as soon as it is done. The next photo is decoded
     * while one is scored; no more are held, and no photo is kept. Stop collecting to cancel.
     */
    public fun scoreAll(
        photos: Flow<Photo>,
        embedding: Boolean = false,
    ): Flow<ScoreEntry> = TODO()

    /** Run one inference on an empty picture, so that the first photo does not wait. */
    @JvmSynthetic
    public suspend fun warmUp(): Unit = TODO()

    /** As [score], on the caller's own thread. */
    @JvmOverloads
    public fun scoreBlocking(
        photo: Photo,
        embedding: Boolean = false,
    ): Score = TODO()

    /** As [score], for Java; cancelling the future drops the answer. */
    @JvmOverloads
    public fun scoreAsync(
        photo: Photo,
        embedding: Boolean = false,
    ): CompletableFuture<Score> = TODO()

    /** As [scoreAll] on the caller's own thread: [listener] gets every entry, and says whether to go on. */
    @JvmOverloads
    public fun scoreAllBlocking(
        photos: Iterable<Photo>,
        listener: Listener,
        embedding: Boolean = false,
    ): Unit = TODO()

    /** As [warmUp], on the caller's own thread. */
    public fun warmUpBlocking(): Unit = TODO()

    /** Free the model; a photo that is being scored ends first. Calls after it are a [UsageError]. */
    override fun close(): Unit = TODO()

    /** Takes entries of [scoreAllBlocking]. */
    public fun interface Listener {
        /** Returns false to begin no other photo. */
        public fun onEntry(entry: ScoreEntry): Boolean
    }

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
        ): RaliScorer = TODO()

        /** As [open], on the caller's own thread. */
        @JvmStatic
        public fun openBlocking(
            file: File,
            options: ScorerOptions,
        ): RaliScorer = TODO()

        /** What a file says of itself, its digest checked; loads no graph. */
        @JvmStatic
        public fun readFacts(file: File): Facts = TODO()
    }
}
