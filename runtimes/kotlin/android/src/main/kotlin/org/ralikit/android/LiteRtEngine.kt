package org.ralikit.android

import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.LiteRtException
import com.google.ai.edge.litert.TensorBuffer
import org.ralikit.Accelerator
import org.ralikit.Engine
import org.ralikit.EngineOptions
import org.ralikit.EngineReport
import org.ralikit.Facts
import org.ralikit.ModelError
import java.io.File
import java.nio.ByteBuffer

private typealias LiteRtAccelerator = com.google.ai.edge.litert.Accelerator

/** A .tflite file compiled by LiteRT. Apart from its factory, so that LiteRT's classes are looked for here alone. */
internal class LiteRtEngine(
    private val model: CompiledModel,
    private val facts: Facts,
    override val report: EngineReport,
) : Engine {
    private val image: TensorBuffer = model.createInputBuffer("image")
    private val outputs: Map<String, TensorBuffer> = facts.outputs.associateWith { model.createOutputBuffer(it) }
    private val bytes = ByteArray(facts.preprocess.bytes)

    override fun run(
        views: ByteBuffer,
        outputs: List<String>,
    ): Map<String, FloatArray> =
        try {
            views.duplicate().get(bytes)
            image.writeInt8(bytes) // the bytes of uint8: LiteRT copies them as they are
            model.run(mapOf("image" to image), this.outputs)
            outputs.associateWith { this.outputs.getValue(it).readFloat() }
        } catch (error: LiteRtException) {
            throw ModelError("${facts.name} failed: ${error.message}", error)
        }

    override fun close() {
        image.close()
        outputs.values.forEach { it.close() }
        model.close()
    }

    companion object {
        fun open(
            file: File,
            facts: Facts,
            options: EngineOptions,
        ): Engine {
            val (model, report) = compiled(file, options)
            try {
                return LiteRtEngine(model, facts, report)
            } catch (error: LiteRtException) {
                model.close()
                throw ModelError(
                    "${file.name} does not fit its own facts: they promise an input 'image' and the outputs " +
                        "${facts.outputs} (${error.message}); export it again",
                    error,
                )
            }
        }

        /**
         * Compile for one accelerator alone, never for a list: where LiteRT cannot, that is then seen and said
         * instead of quietly becoming the CPU.
         */
        private fun compiled(
            file: File,
            options: EngineOptions,
        ): Pair<CompiledModel, EngineReport> {
            var fallback: String? = null
            if (options.accelerator != Accelerator.CPU) {
                try {
                    val model = CompiledModel.create(file.path, options(options, options.accelerator))
                    return model to report(options, options.accelerator, null)
                } catch (error: LiteRtException) {
                    fallback = "${options.accelerator} was asked for, the CPU runs: ${error.message}"
                }
            }
            try {
                val model = CompiledModel.create(file.path, options(options, Accelerator.CPU))
                return model to report(options, Accelerator.CPU, fallback)
            } catch (error: LiteRtException) {
                throw ModelError("${file.name} cannot be loaded: ${error.message}", error)
            }
        }

        private fun options(
            options: EngineOptions,
            accelerator: Accelerator,
        ): CompiledModel.Options {
            val made =
                CompiledModel.Options(
                    when (accelerator) {
                        Accelerator.CPU -> LiteRtAccelerator.CPU
                        Accelerator.GPU -> LiteRtAccelerator.GPU
                        Accelerator.NPU -> LiteRtAccelerator.NPU
                    },
                )
            if (accelerator == Accelerator.CPU && options.threads > 0) {
                made.cpuOptions = CompiledModel.CpuOptions(options.threads, null, null)
            }
            return made
        }

        private fun report(
            options: EngineOptions,
            ran: Accelerator,
            fallback: String?,
        ) = EngineReport(
            engine = "litert",
            version = "", // LiteRT's Kotlin half does not say
            asked = options.accelerator,
            ran = ran,
            detail = "CompiledModel for $ran alone",
            threads = options.threads,
            fallback = fallback,
        )
    }
}
