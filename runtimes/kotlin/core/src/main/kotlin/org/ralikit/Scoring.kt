package org.ralikit

import org.ralikit.photo.cutViews
import org.ralikit.photo.withPhoto
import java.nio.ByteBuffer
import java.util.concurrent.ConcurrentLinkedQueue

/** What is named: a reason that a person would as likely as not give. */
private const val NAMED = 0.5

/** A photo's views, ready for the model, and what its score will say of it. */
internal class Prepared(
    val views: ByteBuffer,
    val width: Int,
    val height: Int,
    val notes: List<String>,
    val fingerprint: ByteArray,
    val taken: Double?,
    val decode: Double,
    val resize: Double,
)

/** Buffers for views, used again: direct memory is given back late. */
internal class Buffers(
    private val bytes: Int,
) {
    private val free = ConcurrentLinkedQueue<ByteBuffer>()

    fun take(): ByteBuffer = free.poll() ?: ByteBuffer.allocateDirect(bytes)

    fun give(buffer: ByteBuffer) {
        if (free.size < KEPT) free.add(buffer)
    }

    private companion object {
        const val KEPT = 2
    }
}

/** From a photo to its views. @throws PhotoError if it cannot be read. */
internal fun prepare(
    photo: Photo,
    decoder: PhotoDecoder?,
    preprocess: Preprocess,
    buffers: Buffers,
): Prepared {
    val start = System.nanoTime()
    return withPhoto(photo, decoder) { opened ->
        val views = buffers.take()
        var done = false
        try {
            val before = System.nanoTime()
            val fingerprint = cutViews(opened.rows, opened.orientation, preprocess, views)
            val resize = System.nanoTime() - before - opened.rows.nanos
            val prepared =
                Prepared(
                    views = views,
                    width = opened.width,
                    height = opened.height,
                    notes = opened.notes,
                    fingerprint = fingerprint,
                    taken = opened.taken,
                    decode = (before - start + opened.rows.nanos) / 1e9,
                    resize = resize / 1e9,
                )
            done = true
            prepared
        } finally {
            if (!done) buffers.give(views)
        }
    }
}

/** A graph's outputs as a score. @throws ModelError where they are not what the facts say, or no numbers. */
internal fun scoreOf(
    outputs: Map<String, FloatArray>,
    facts: Facts,
    prepared: Prepared,
    inference: Double,
): Score {
    val value = outputs["score"]?.singleOrNull() ?: throw unfit(facts, "one score")
    if (value.isNaN() || value.isInfinite()) throw ModelError("${facts.name} gave $value for this photo, not a score")
    val (all, named) = reasonsOf(outputs["reasons"], facts)
    return Score(
        value = value.toDouble(),
        minimum = facts.scale.minimum,
        maximum = facts.scale.maximum,
        tieWidth = facts.tieWidth,
        reasons = named,
        reasonValues = all,
        embedding = outputs["embedding"],
        width = prepared.width,
        height = prepared.height,
        notes = prepared.notes,
        fingerprint = prepared.fingerprint,
        taken = prepared.taken,
        timings = Timings(prepared.decode, prepared.resize, inference),
    )
}

/** Every reason's value in the output's order, and the named ones, highest first. */
internal fun reasonsOf(
    values: FloatArray?,
    facts: Facts,
): Pair<List<ReasonValue>, List<Reason>> {
    if (facts.reasons.isEmpty()) return emptyList<ReasonValue>() to emptyList()
    if (values == null || values.size != facts.reasons.size) throw unfit(facts, "${facts.reasons.size} reasons")
    if (values.any { !(it >= 0f && it <= 1f) }) throw ModelError("${facts.name} gave a reason outside of 0 to 1")
    val all = facts.reasons.mapIndexed { i, reason -> ReasonValue(reason.id, values[i].toDouble()) }
    val named =
        facts.reasons
            .mapIndexed { i, reason -> Reason(reason.id, reason.words, values[i].toDouble()) }
            .filter { it.value >= NAMED }
            .sortedByDescending { it.value } // stable: equal ones stay in the output's order
    return all to named
}

private fun unfit(
    facts: Facts,
    wanted: String,
) = ModelError("${facts.name} does not fit its own facts: they promise $wanted; export it again")
