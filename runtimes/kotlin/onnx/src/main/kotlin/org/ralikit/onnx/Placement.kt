package org.ralikit.onnx

import ai.onnxruntime.OnnxJavaType
import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtException
import ai.onnxruntime.OrtSession
import ai.onnxruntime.providers.NNAPIFlags
import org.ralikit.Accelerator
import org.ralikit.EngineOptions
import org.ralikit.Facts
import org.ralikit.ModelError
import java.io.File
import java.io.IOException
import java.nio.ByteBuffer
import java.util.EnumSet

private const val CPU_PROVIDER = "CPUExecutionProvider"
private val PROVIDER = Regex("\"provider\"\\s*:\\s*\"([A-Za-z]+)\"")

/** What is added to a session's options to reach a processor. */
internal enum class Provider {
    CPU {
        override fun addTo(session: OrtSession.SessionOptions): Unit = Unit
    },

    /** The one provider of ONNX Runtime's AAR that reaches other processors; it chooses among them itself. */
    NNAPI {
        override fun addTo(session: OrtSession.SessionOptions) {
            session.addNnapi(EnumSet.of(NNAPIFlags.CPU_DISABLED))
        }
    }, ;

    /** @throws OrtException where this build has none. */
    abstract fun addTo(session: OrtSession.SessionOptions)
}

/** Where a graph runs. @property detail nodes by provider, as one inference found them. */
internal class Placement(
    val provider: Provider,
    val ran: Accelerator,
    val detail: String,
    val fallback: String?,
)

/**
 * Find out what really runs a graph. A session takes a provider and then gives it no node at all, without a word:
 * so one inference is profiled, and the profile says which provider ran each node.
 */
internal fun choosePlacement(
    environment: OrtEnvironment,
    file: File,
    facts: Facts,
    options: EngineOptions,
): Placement {
    val asked = options.accelerator
    if (asked == Accelerator.CPU) return Placement(Provider.CPU, Accelerator.CPU, CPU_PROVIDER, null)
    val reason =
        try {
            val nodes = profile(environment, file, facts, options, Provider.NNAPI)
            val elsewhere = nodes.filterKeys { it != CPU_PROVIDER }
            val detail = nodes.entries.joinToString { "${it.key} ${it.value} nodes" }
            if (elsewhere.isNotEmpty()) {
                val rest = nodes[CPU_PROVIDER]?.let { "$it of ${nodes.values.sum()} nodes ran on the CPU" }
                return Placement(Provider.NNAPI, asked, detail, rest)
            }
            "NNAPI took no part of the graph"
        } catch (error: OrtException) {
            oneLine(error)
        } catch (error: ModelError) {
            oneLine(error)
        } catch (error: IOException) {
            oneLine(error)
        } catch (_: LinkageError) {
            "this build of ONNX Runtime reaches no other processor"
        }
    return Placement(Provider.CPU, Accelerator.CPU, CPU_PROVIDER, "$asked was asked for, the CPU runs: $reason")
}

/** How many nodes each provider ran in one inference on an empty picture. */
internal fun profile(
    environment: OrtEnvironment,
    file: File,
    facts: Facts,
    options: EngineOptions,
    provider: Provider,
): Map<String, Int> {
    val prefix = File.createTempFile("ralikit", "")
    var written: File? = null
    try {
        createProfiled(environment, file, options, provider, prefix).use { session ->
            val views = ByteBuffer.allocateDirect(facts.preprocess.bytes)
            OnnxTensor.createTensor(environment, views, shapeOf(facts), OnnxJavaType.UINT8).use {
                session.run(mapOf("image" to it)).close()
            }
            written = File(session.endProfiling())
        }
        val text = written?.readText().orEmpty()
        return PROVIDER.findAll(text).groupingBy { it.groupValues[1] }.eachCount()
    } finally {
        prefix.delete()
        written?.delete()
    }
}

private fun createProfiled(
    environment: OrtEnvironment,
    file: File,
    options: EngineOptions,
    provider: Provider,
    prefix: File,
): OrtSession =
    OrtSession.SessionOptions().use { session ->
        if (options.threads > 0) session.setIntraOpNumThreads(options.threads)
        session.enableProfiling(prefix.path)
        provider.addTo(session)
        environment.createSession(file.path, session)
    }
