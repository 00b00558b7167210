package org.ralikit

import java.io.File
import java.nio.ByteBuffer

/** A kind of processor. */
public enum class Accelerator {
    CPU,
    GPU,
    NPU,
}

/**
 * What really runs a model.
 *
 * @property engine e.g. `onnxruntime`.
 * @property asked what the caller wanted; [ran] is what the graph runs on.
 * @property detail how the engine names it, e.g. `CPUExecutionProvider`.
 * @property fallback why [ran] is not [asked], a sentence; null where it is.
 */
public data class EngineReport(
    val engine: String,
    val version: String,
    val asked: Accelerator,
    val ran: Accelerator,
    val detail: String,
    val threads: Int,
    val fallback: String?,
)

/**
 * What an engine is asked for.
 *
 * @property threads of one inference; 0: the engine's own choice.
 * @property accelerator where it is not to be had, the CPU runs, and the report says why.
 */
public data class EngineOptions
    @JvmOverloads
    constructor(
        val threads: Int = 0,
        val accelerator: Accelerator = Accelerator.CPU,
    )

/** One loaded model. Called by one thread at a time. */
public interface Engine : AutoCloseable {
    public val report: EngineReport

    /**
     * Run the graph on one photo.
     *
     * @param views direct, from position 0: (V, S, S, 3) RGB of 0 to 255.
     * @param outputs names of the outputs that are wanted.
     * @return each of them, flat.
     * @throws ModelError if the graph fails.
     */
    public fun run(
        views: ByteBuffer,
        outputs: List<String>,
    ): Map<String, FloatArray>
}

/** Opens files of one format. */
public interface EngineFactory {
    public val format: ModelFormat

    /**
     * Load a model's graph.
     *
     * @param file whole and checked against its digest.
     * @param facts what the file says of itself.
     * @throws ModelError if the graph cannot be loaded or does not fit the facts.
     * @throws RuntimeLoadError if the engine's library is missing or refuses to start.
     */
    public fun open(
        file: File,
        facts: Facts,
        options: EngineOptions,
    ): Engine
}
