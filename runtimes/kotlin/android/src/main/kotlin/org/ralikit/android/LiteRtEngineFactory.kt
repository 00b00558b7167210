package org.ralikit.android

import org.ralikit.Engine
import org.ralikit.EngineFactory
import org.ralikit.EngineOptions
import org.ralikit.Facts
import org.ralikit.ModelFormat
import org.ralikit.RuntimeLoadError
import java.io.File

/** Runs .tflite files with LiteRT's `CompiledModel`; the application adds `com.google.ai.edge.litert:litert`. */
public class LiteRtEngineFactory : EngineFactory {
    override val format: ModelFormat = ModelFormat.TFLITE

    override fun open(
        file: File,
        facts: Facts,
        options: EngineOptions,
    ): Engine =
        try {
            LiteRtEngine.open(file, facts, options)
        } catch (error: LinkageError) {
            throw RuntimeLoadError(
                "LiteRT cannot be loaded (${error.message}): add com.google.ai.edge.litert:litert to the application",
                error,
            )
        }
}
