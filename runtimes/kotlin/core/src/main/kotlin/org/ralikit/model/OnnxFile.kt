package org.ralikit.model

import org.ralikit.ModelError

private const val GRAPH = 7 // ModelProto.graph
private const val NODE = 1 // GraphProto.node
private const val INPUT = 11 // GraphProto.input
private const val OUTPUT = 12 // GraphProto.output
private const val MOST_NAMES = 100
private const val MOST_NAME = 200
private const val METADATA = 14 // ModelProto.metadata_props
private const val EXTERNAL_DATA = 13 // TensorProto.external_data
private const val MOST_TEXT = 16 shl 20

/** Messages that tensors can stand in (onnx.proto): number of a field, and what it holds. */
private enum class Message {
    MODEL,
    GRAPH,
    FUNCTION,
    NODE,
    ATTRIBUTE,
    SPARSE,
    TENSOR,
    ;

    fun within(field: Int): Message? =
        when (this) {
            MODEL -> {
                if (field == 7) {
                    GRAPH
                } else if (field == 25) {
                    FUNCTION
                } else {
                    null
                }
            }

            GRAPH -> {
                if (field == 1) {
                    NODE
                } else if (field == 5) {
                    TENSOR
                } else if (field == 15) {
                    SPARSE
                } else {
                    null
                }
            }

            FUNCTION -> {
                if (field == 7) {
                    NODE
                } else if (field == 11) {
                    ATTRIBUTE
                } else {
                    null
                }
            }

            NODE -> {
                if (field == 5) ATTRIBUTE else null
            }

            ATTRIBUTE -> {
                when (field) {
                    5, 10 -> TENSOR
                    6, 11 -> GRAPH
                    22, 23 -> SPARSE
                    else -> null
                }
            }

            SPARSE -> {
                if (field == 1 || field == 2) TENSOR else null
            }

            TENSOR -> {
                null
            }
        }
}

private class Place(
    val from: Long,
    val to: Long,
)

private class Waiting(
    val kind: Message,
    val place: Place,
)

/**
 * An .onnx file's own words, read straight from its protobuf, untrusted.
 *
 * @throws ModelError if it is damaged, says something twice, or keeps weights in other files.
 */
internal fun readOnnx(
    file: FileBytes,
    where: String,
): Words {
    try {
        val entries = entries(file, where)
        refuseOtherFiles(file, where)
        val ends = ends(file)
        val facts = entries[KEY]?.let { file.bytes(it.from, it.to, MOST_TEXT) }
        val place = entries[DIGEST_KEY] ?: return Words(facts, null, ends)
        val entry = file.bytes(place.from, place.to, MARK.length + DIGITS)
        return Words(facts, Digest(place.from + MARK.length, digitsOf(entry, where)), ends)
    } catch (error: OutOfFile) {
        throw ModelError("$where is damaged or no ONNX file: copy or export it again", error)
    }
}

private fun entries(
    file: FileBytes,
    where: String,
): Map<String, Place> {
    val found = HashMap<String, Place>()
    var graph = false
    fields(file, Place(0, file.size)) { number, place ->
        if (number == GRAPH) graph = true
        if (number != METADATA) return@fields
        var key: Place? = null
        var value = Place(place.to, place.to)
        fields(file, place) { part, inner ->
            if (part == 1) key = inner
            if (part == 2) value = inner
        }
        val name = key?.takeIf { it.to - it.from <= DIGEST_KEY.length }?.let { String(file.bytes(it.from, it.to)) }
        if (name != KEY && name != DIGEST_KEY) return@fields
        if (found.put(name, value) != null) throw twice(where)
    }
    if (!graph) throw OutOfFile()
    return found
}

/** Names of what the graph takes and gives; a graph without a node has no ends. */
private fun ends(file: FileBytes): GraphEnds {
    val inputs = ArrayList<String>()
    val outputs = ArrayList<String>()
    var nodes = false
    fields(file, Place(0, file.size)) { number, graph ->
        if (number != GRAPH) return@fields
        fields(file, graph) { part, inner ->
            if (part == NODE) nodes = true
            if (part == INPUT) inputs += nameOf(file, inner)
            if (part == OUTPUT) outputs += nameOf(file, inner)
            if (inputs.size + outputs.size > MOST_NAMES) throw OutOfFile()
        }
    }
    return if (nodes) GraphEnds(inputs, outputs) else GraphEnds(emptyList(), emptyList())
}

/** ValueInfoProto.name. */
private fun nameOf(
    file: FileBytes,
    value: Place,
): String {
    var name = ""
    fields(file, value) { part, inner ->
        if (part == 1) name = String(file.bytes(inner.from, inner.to, MOST_NAME), Charsets.UTF_8)
    }
    return name
}

private fun refuseOtherFiles(
    file: FileBytes,
    where: String,
) {
    val waiting = ArrayList<Waiting>()
    waiting += Waiting(Message.MODEL, Place(0, file.size))
    while (waiting.isNotEmpty()) {
        val (kind, place) = waiting.removeAt(waiting.size - 1).let { it.kind to it.place }
        fields(file, place) { number, inner ->
            if (kind == Message.TENSOR && number == EXTERNAL_DATA) {
                throw ModelError(
                    "$where keeps weights in another file: ralikit export writes and reads files that are whole",
                )
            }
            kind.within(number)?.let { waiting += Waiting(it, inner) }
        }
    }
}

/** A message's length-delimited fields; others are stepped over. */
private inline fun fields(
    file: FileBytes,
    message: Place,
    found: (Int, Place) -> Unit,
) {
    val cursor = Cursor(file, message.from, message.to)
    while (cursor.at < cursor.end) {
        val tag = cursor.varint()
        val number = (tag ushr 3).coerceIn(0, Int.MAX_VALUE.toLong()).toInt()
        if (number == 0) throw OutOfFile()
        when ((tag and 7).toInt()) {
            0 -> {
                cursor.varint()
            }

            1 -> {
                cursor.skip(8)
            }

            2 -> {
                val length = cursor.varint()
                val from = cursor.at
                cursor.skip(length)
                found(number, Place(from, cursor.at))
            }

            5 -> {
                cursor.skip(4)
            }

            else -> {
                throw OutOfFile()
            }
        }
    }
}

private class Cursor(
    private val file: FileBytes,
    var at: Long,
    val end: Long,
) {
    fun varint(): Long {
        var value = 0L
        for (shift in 0 until 70 step 7) {
            if (at >= end) throw OutOfFile()
            val byte = file.byte(at++)
            if (shift < 64) value = value or ((byte and 0x7f).toLong() shl shift)
            if (byte < 0x80) return value
        }
        throw OutOfFile()
    }

    fun skip(length: Long) {
        if (length < 0 || length > end - at) throw OutOfFile()
        at += length
    }
}
