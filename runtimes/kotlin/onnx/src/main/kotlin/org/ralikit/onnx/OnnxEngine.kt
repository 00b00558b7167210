package org.ralikit.onnx

import ai.onnxruntime.NodeInfo
import ai.onnxruntime.OnnxJavaType
import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtException
import ai.onnxruntime.OrtLoggingLevel
import ai.onnxruntime.OrtSession
import ai.onnxruntime.TensorInfo
import org.ralikit.Engine
import org.ralikit.EngineFactory
import org.ralikit.EngineOptions
import org.ralikit.EngineReport
import org.ralikit.Facts
import org.ralikit.ModelError
import org.ralikit.ModelFormat
import org.ralikit.RuntimeLoadError
import java.io.File
import java.nio.ByteBuffer

private const val LARGE = 50_000_000L // bytes
private const val UNSOUND = "1.29."
private val FLOATS = setOf("fp32", "fp16", "int8-weights") // whose sums are of floats

/**
 * Runs .onnx files with ONNX Runtime's Java API, on Android and on any other JVM.
 *
 * @param beforeLoading runs before ONNX Runtime's library is loaded: the place to set `ORT_DISABLE_TELEMETRY`.
 * @param exactSums whether to ask for kernels whose 8-bit sums do not overflow on x86 without VNNI. Null: where the
 *   processor is x86, unless ONNX Runtime is 1.29, which that option makes end the process as it loads an int8 file;
 *   there such files are refused. True: the native library is known to be a later one than its Java half says.
 */
public class OnnxEngineFactory
    @JvmOverloads
    constructor(
        private val beforeLoading: Runnable = Runnable { },
        private val exactSums: Boolean? = null,
    ) : EngineFactory {
        override val format: ModelFormat = ModelFormat.ONNX

        override fun open(
            file: File,
            facts: Facts,
            options: EngineOptions,
        ): Engine {
            beforeLoading.run()
            val environment = environment()
            val exact = exactSums ?: (isX86() && !environment.version.startsWith(UNSOUND))
            if (isX86() && !exact && facts.precision !in FLOATS) {
                throw RuntimeLoadError(
                    "ONNX Runtime ${environment.version} miscounts ${facts.precision} models on x86 processors, an " +
                        "emulator's too: use a later version there, or a file of fp32, fp16 or int8-weights",
                )
            }
            val placement = choosePlacement(environment, file, facts, options)
            val session = create(environment, file, options, placement.provider, exact)
            try {
                checkSignature(session, facts, file.name)
            } catch (error: ModelError) {
                session.close()
                throw error
            }
            val report =
                EngineReport(
                    engine = "onnxruntime",
                    version = environment.version,
                    asked = options.accelerator,
                    ran = placement.ran,
                    detail = placement.detail,
                    threads = options.threads,
                    fallback = placement.fallback,
                )
            return OnnxEngine(environment, session, facts, report)
        }
    }

private fun isX86(): Boolean =
    System.getProperty("os.arch").orEmpty() in setOf("amd64", "x86_64", "x86", "i386", "i686")

private fun environment(): OrtEnvironment =
    try {
        val environment = OrtEnvironment.getEnvironment(OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL)
        environment.setTelemetry(false)
        environment
    } catch (error: LinkageError) {
        throw unavailable(error)
    } catch (error: OrtException) {
        throw unavailable(error)
    } catch (error: IllegalStateException) {
        throw unavailable(error)
    }

private fun unavailable(error: Throwable) =
    RuntimeLoadError(
        "ONNX Runtime cannot be loaded (${oneLine(error)}): add com.microsoft.onnxruntime:onnxruntime-android, or " +
            ":onnxruntime elsewhere, for this processor",
        error,
    )

/**
 * Load a graph with the options that every runtime sets (docs/contract.md).
 *
 * @throws ModelError if it cannot be loaded.
 */
internal fun create(
    environment: OrtEnvironment,
    file: File,
    options: EngineOptions,
    provider: Provider,
    exactSums: Boolean,
): OrtSession =
    try {
        OrtSession.SessionOptions().use { session ->
            // What is wrong is in the exception, once.
            session.setSessionLogLevel(OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL)
            if (options.threads > 0) session.setIntraOpNumThreads(options.threads)
            // Threads that spin between photos take the cores that decode the next one.
            session.addConfigEntry("session.intra_op.allow_spinning", "0")
            if (exactSums) session.addConfigEntry("session.x64quantprecision", "1")
            if (file.length() > LARGE) { // activations planned ahead, and weights in the arena, are held twice
                session.setMemoryPatternOptimization(false)
                session.addConfigEntry("session.use_device_allocator_for_initializers", "1")
            }
            provider.addTo(session)
            // By its path: a copy in managed memory doubles it.
            environment.createSession(file.path, session)
        }
    } catch (error: OrtException) {
        throw ModelError("${file.name} cannot be loaded: ${oneLine(error)}", error)
    }

/** The graph must be the one its facts speak of, whoever wrote them. */
private fun checkSignature(
    session: OrtSession,
    facts: Facts,
    where: String,
) {
    val shape = shapeOf(facts)
    val fits =
        try {
            fits(session, facts, shape)
        } catch (error: OrtException) {
            throw ModelError("$where cannot be loaded: ${oneLine(error)}", error)
        }
    if (!fits) {
        throw ModelError(
            "$where does not fit its own facts: they promise an input 'image', uint8 of shape ${shape.toList()}, and " +
                "the outputs ${facts.outputs}; export it again",
        )
    }
}

private fun fits(
    session: OrtSession,
    facts: Facts,
    shape: LongArray,
): Boolean {
    val inputs = session.inputInfo
    val outputs = session.outputInfo
    val image = inputs["image"]?.tensor() ?: return false
    val score = outputs["score"]?.tensor() ?: return false
    val reasons = outputs["reasons"]?.tensor()
    return inputs.size == 1 &&
        image.type == OnnxJavaType.UINT8 &&
        image.shape.contentEquals(shape) &&
        outputs.keys.toList() == facts.outputs &&
        outputs.values.all { it.tensor()?.type == OnnxJavaType.FLOAT } &&
        score.shape.all { it == 1L } &&
        (reasons == null || reasons.shape.fold(1L, Long::times) == facts.reasons.size.toLong())
}

private fun NodeInfo.tensor(): TensorInfo? = info as? TensorInfo

/** Shape of one photo's views, (V, S, S, 3). */
internal fun shapeOf(facts: Facts): LongArray =
    facts.preprocess.let { longArrayOf(it.anchors.size.toLong(), it.size.toLong(), it.size.toLong(), 3) }

internal fun oneLine(error: Throwable): String =
    error.message
        .orEmpty()
        .split(Regex("\\s+"))
        .joinToString(" ")
        .take(200)

private class OnnxEngine(
    private val environment: OrtEnvironment,
    private val session: OrtSession,
    private val facts: Facts,
    override val report: EngineReport,
) : Engine {
    private val shape = shapeOf(facts)

    override fun run(
        views: ByteBuffer,
        outputs: List<String>,
    ): Map<String, FloatArray> =
        try {
            OnnxTensor.createTensor(environment, views, shape, OnnxJavaType.UINT8).use { image ->
                session.run(mapOf("image" to image), outputs.toSet()).use { result ->
                    outputs.associateWith { name -> floats(result.get(name).orElse(null), name) }
                }
            }
        } catch (error: OrtException) {
            throw ModelError("${facts.name} failed: ${oneLine(error)}", error)
        }

    private fun floats(
        value: Any?,
        name: String,
    ): FloatArray {
        val buffer = (value as? OnnxTensor)?.floatBuffer ?: throw ModelError("${facts.name} gave no $name")
        return FloatArray(buffer.remaining()).also { buffer.get(it) }
    }

    override fun close(): Unit = session.close()
}
