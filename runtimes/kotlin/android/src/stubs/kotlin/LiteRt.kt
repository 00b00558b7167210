// The part of LiteRT's public Kotlin API that the engine calls, to check its types where LiteRT cannot be had.
// Signatures only; never packaged.

package com.google.ai.edge.litert

public class LiteRtException(
    message: String,
) : Exception(message)

public enum class Accelerator {
    NONE,
    CPU,
    GPU,
    NPU,
}

public abstract class JniHandle : AutoCloseable {
    override fun close(): Unit = throw UnsupportedOperationException()
}

public class TensorBuffer private constructor() : JniHandle() {
    public fun writeInt8(data: ByteArray): Unit = throw UnsupportedOperationException("$data")

    public fun readFloat(): FloatArray = throw UnsupportedOperationException()
}

public class CompiledModel private constructor() : JniHandle() {
    public data class CpuOptions(
        val numThreads: Int? = null,
        val xnnPackFlags: Int? = null,
        val xnnPackWeightCachePath: String? = null,
    )

    public class Options(
        internal vararg val accelerators: Accelerator,
    ) {
        public var cpuOptions: CpuOptions? = null
    }

    public fun createInputBuffer(
        inputName: String,
        signature: String? = null,
    ): TensorBuffer = throw UnsupportedOperationException("$inputName$signature")

    public fun createOutputBuffer(
        outputName: String,
        signature: String? = null,
    ): TensorBuffer = throw UnsupportedOperationException("$outputName$signature")

    public fun run(
        inputs: Map<String, TensorBuffer>,
        outputs: Map<String, TensorBuffer>,
        signature: String? = null,
    ): Unit = throw UnsupportedOperationException("$inputs$outputs$signature")

    public companion object {
        @JvmStatic
        @JvmOverloads
        public fun create(
            filePath: String,
            options: Options = Options(Accelerator.CPU),
        ): CompiledModel = throw UnsupportedOperationException("$filePath$options")
    }
}
