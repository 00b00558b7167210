package org.ralikit

import org.ralikit.model.sha256
import java.io.ByteArrayOutputStream
import java.io.File

internal const val MARK = "ralikit-sha256:"

/** Facts as a file has them; [change] alters them. */
internal fun facts(change: MutableMap<String, Any?>.() -> Unit = {}): String {
    val values =
        linkedMapOf<String, Any?>(
            "schema" to 1,
            "model" to
                linkedMapOf(
                    "name" to "tiny",
                    "bundle" to "b".repeat(64),
                    "tower" to "fastvit",
                    "weights" to "trained",
                    "licence" to "Apache-2.0",
                    "notice" to "A test's.",
                    "tie_width" to 0.25,
                    "tie_width_note" to "made up",
                ),
            "preprocess" to
                linkedMapOf(
                    "size" to 4,
                    "shortest_edge" to 6,
                    "anchors" to listOf(listOf(0.0, 0.0), listOf(1.0, 1.0)),
                    "resample" to "bicubic",
                    "mean" to listOf(0.5, 0.5, 0.5),
                    "std" to listOf(0.5, 0.5, 0.5),
                ),
            "scale" to linkedMapOf("minimum" to 1.0, "maximum" to 5.0, "meaning" to "MOS"),
            "target" to "onnx",
            "precision" to "int8",
            "outputs" to listOf("score", "embedding", "reasons"),
            "reasons" to
                listOf(
                    linkedMapOf("id" to "out-of-focus", "words" to "out of focus", "quality" to "sharpness"),
                    linkedMapOf("id" to "noise", "words" to "noise", "quality" to "cleanness"),
                    linkedMapOf("id" to "too-dark", "words" to "too dark", "quality" to "exposure"),
                ),
        )
    values.change()
    return org.ralikit.json.toJson(values)
}

/** A protobuf message's length-delimited field. */
internal fun field(
    number: Int,
    body: ByteArray,
): ByteArray = varint(number * 8 + 2) + varint(body.size) + body

internal fun varint(value: Int): ByteArray {
    val out = ByteArrayOutputStream()
    var left = value
    while (left >= 0x80) {
        out.write(left and 0x7f or 0x80)
        left = left ushr 7
    }
    out.write(left)
    return out.toByteArray()
}

internal fun entry(
    key: String,
    value: String,
): ByteArray = field(14, field(1, key.toByteArray()) + field(2, value.toByteArray()))

/** A node, and ends of these names; nothing that could run. */
internal fun graph(vararg outputs: String): ByteArray =
    outputs.fold(
        field(1, field(4, "Nothing".toByteArray())) + field(11, field(1, "image".toByteArray())),
    ) { all, name ->
        all + field(12, field(1, name.toByteArray()))
    }

/** The ends that [facts] promise. */
internal val GRAPH: ByteArray = graph("score", "embedding", "reasons")

/** An .onnx file with metadata entries and no graph to speak of; its digest is right where it has one. */
internal fun onnx(
    facts: String?,
    digest: Boolean = true,
    graph: ByteArray = GRAPH,
    extra: ByteArray = ByteArray(0),
): ByteArray {
    var file = byteArrayOf(8, 8) + field(7, graph)
    if (facts != null) file += entry("ralikit", facts)
    file += extra
    return if (digest) sealed(file + entry("ralikit.digest", MARK + "0".repeat(64))) else file
}

/** The file with its digest written over the zeros behind the mark. */
internal fun sealed(file: ByteArray): ByteArray {
    val at = String(file, Charsets.ISO_8859_1).lastIndexOf(MARK) + MARK.length
    return file.copyOf(at) + sha256(file).toByteArray() + file.copyOfRange(at + 64, file.size)
}

/** A .tflite file of tables for metadata alone: names to texts. */
internal fun tflite(vararg entries: Pair<String, String>): ByteArray {
    val out = ByteArrayOutputStream()

    fun u16(v: Int) = byteArrayOf(v.toByte(), (v shr 8).toByte()).let(out::write)

    fun u32(v: Int) = (0..3).forEach { out.write(v ushr (8 * it)) }
    // Everything has a fixed size but the texts, so places are known before anything is written.
    val n = entries.size
    val model = 8 + 20
    val buffers = model + 12
    val metadata = buffers + 4 + 4 * n
    val tables = metadata + 4 + 4 * n
    val each = 8 + 8 + 8 + 12 // a buffer's vtable and table, an entry's
    val texts = tables + each * n
    val lengths = entries.flatMap { listOf(it.first.toByteArray().size, it.second.toByteArray().size) }
    val places = lengths.runningFold(texts) { at, length -> at + 4 + length }
    u32(model)
    out.write("TFL3".toByteArray())
    u16(18)
    u16(12)
    listOf(0, 0, 0, 0, 4, 0, 8).forEach(::u16)
    u16(0)
    u32(20) // back to the vtable
    u32(buffers - (model + 4))
    u32(metadata - (model + 8))
    u32(n)
    for (i in 0 until n) u32(tables + each * i + 8 - (buffers + 4 + 4 * i))
    u32(n)
    for (i in 0 until n) u32(tables + each * i + 24 - (metadata + 4 + 4 * i))
    for (i in 0 until n) {
        val at = tables + each * i
        listOf(6, 8, 4, 0).forEach(::u16)
        u32(8)
        u32(places[2 * i + 1] - (at + 12))
        listOf(8, 12, 4, 8).forEach(::u16)
        u32(8)
        u32(places[2 * i] - (at + 28))
        u32(i)
    }
    for ((name, text) in entries) {
        for (part in listOf(name.toByteArray(), text.toByteArray())) {
            u32(part.size)
            out.write(part)
        }
    }
    return out.toByteArray()
}

/** Write bytes into a file that ends with the process. */
internal fun temporary(
    bytes: ByteArray,
    suffix: String = ".onnx",
): File =
    File.createTempFile("ralikit-test", suffix).apply {
        deleteOnExit()
        writeBytes(bytes)
    }
