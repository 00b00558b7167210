package org.ralikit.model

import org.ralikit.Anchor
import org.ralikit.Facts
import org.ralikit.Filter
import org.ralikit.ModelError
import org.ralikit.ModelFormat
import org.ralikit.Preprocess
import org.ralikit.ReasonFact
import org.ralikit.Scale
import org.ralikit.json.JsonError
import org.ralikit.json.parseJson
import org.ralikit.json.utf8
import java.io.File
import java.io.IOException

private const val SCHEMA = 1L
private const val MOST_PIXELS = 1L shl 26 // of all views of a photo
private const val LONGEST_EDGE = 1 shl 15
private val PREPROCESS = setOf("size", "shortest_edge", "anchors", "resample", "mean", "std")
private val FILTERS = mapOf("bilinear" to Filter.BILINEAR, "bicubic" to Filter.BICUBIC, "lanczos" to Filter.LANCZOS)

/** A model's file: its format, and its checked facts. */
internal class ReadModel(
    val format: ModelFormat,
    val facts: Facts,
)

/**
 * Read a model's file, untrusted, and check its digest; no graph is loaded.
 *
 * @throws ModelError if it is missing, foreign, damaged, or of another schema.
 */
internal fun readModel(file: File): ReadModel {
    val where = file.name
    try {
        if (!file.isFile) throw ModelError("$where: there is no such file")
        FileBytes(file).use { bytes ->
            if (bytes.size == 0L) throw ModelError("$where is empty: copy or export it again")
            return if (isTflite(bytes)) tflite(bytes, where) else onnx(bytes, where)
        }
    } catch (error: IOException) {
        throw ModelError("$where cannot be read: ${error.message}", error)
    }
}

private fun tflite(
    bytes: FileBytes,
    where: String,
): ReadModel {
    val digest = findTfliteDigest(bytes, where)
    val sha256 = checked(bytes, digest, where)
    val facts = parseFacts(readTflite(bytes, where), where)
    return ReadModel(ModelFormat.TFLITE, facts.copy(digested = true, sha256 = sha256, bytes = bytes.size))
}

private fun onnx(
    bytes: FileBytes,
    where: String,
): ReadModel {
    val words = readOnnx(bytes, where)
    val facts = parseFacts(words.facts, where)
    if (words.digest == null && "digest" in facts.written) throw damaged(where)
    val sha256 = checked(bytes, words.digest, where)
    // Before native code sees the graph.
    if (words.ends != GraphEnds(listOf("image"), facts.outputs)) {
        throw ModelError(
            "$where does not fit its own facts: they promise a graph from 'image' to ${facts.outputs}, it goes from " +
                "${words.ends.inputs} to ${words.ends.outputs}; export it again",
        )
    }
    return ReadModel(
        ModelFormat.ONNX,
        facts.copy(digested = words.digest != null, sha256 = sha256, bytes = bytes.size),
    )
}

/** The file's SHA-256. @throws ModelError where it is not what its digest says. */
private fun checked(
    bytes: FileBytes,
    digest: Digest?,
    where: String,
): String {
    val (plain, blanked) = bytes.hashes(digest?.at)
    if (digest != null && blanked != digest.digits) throw damaged(where)
    return plain
}

/**
 * Facts from a metadata entry, untrusted; fields that this version does not know are kept in `written`.
 *
 * @throws ModelError if it is missing, not JSON, of another schema, of no scorer, or lacks what a reader needs.
 */
internal fun parseFacts(
    entry: ByteArray?,
    where: String,
): Facts {
    if (entry == null) {
        throw ModelError(
            "$where carries no ralikit metadata: it was not made by ralikit export; choose a file that was",
        )
    }
    val text: String
    val values =
        try {
            text = utf8(entry)
            parseJson(text)
        } catch (error: JsonError) {
            throw ModelError(
                "$where: its ralikit metadata is not valid JSON (${error.message}): export it again",
                error,
            )
        }
    if (values !is Map<*, *> || values["schema"] != SCHEMA) {
        val came = (values as? Map<*, *>)?.get("schema")
        throw ModelError(
            "$where: its metadata is of schema ${came.toString().take(40)}, this version reads $SCHEMA: " +
                "use the ralikit that exported it",
        )
    }
    @Suppress("UNCHECKED_CAST")
    return FactsReader(values as Map<String, Any?>, where).read(text)
}

private class FactsReader(
    private val values: Map<String, Any?>,
    private val where: String,
) {
    fun read(text: String): Facts {
        if (values["kind"] == "preprocess") {
            throw ModelError("$where makes a scorer's views and gives no score; open the scorer's own file")
        }
        val model = values["model"] as? Map<*, *> ?: incomplete("it names no model")
        val name = model["name"] as? String ?: incomplete("its model has no name")
        val outputs = outputs()
        return Facts(
            name = name,
            bundle = model.text("bundle"),
            tower = model.text("tower"),
            weights = model.text("weights", "trained"),
            licence = model.text("licence"),
            notice = model.text("notice"),
            tieWidth = number(model.either("tie_width", "resolution")),
            tieWidthNote = model.either("tie_width_note", "resolution_note") as? String ?: "",
            preprocess = preprocess(),
            scale = scale(),
            target = values.text("target"),
            precision = values.text("precision"),
            outputs = outputs,
            reasons = if ("reasons" in outputs) reasons() else emptyList(),
            digested = false,
            sha256 = "",
            bytes = 0,
            text = text,
            written = values,
        )
    }

    private fun number(value: Any?): Double? =
        when (value) {
            null -> null
            is Number -> value.toDouble()
            else -> incomplete("its tie width is no number")
        }

    private fun scale(): Scale {
        val scale = values["scale"] as? Map<*, *> ?: incomplete("it has no score scale")
        val minimum = (scale["minimum"] as? Number)?.toDouble() ?: incomplete("its scale has no minimum")
        val maximum = (scale["maximum"] as? Number)?.toDouble() ?: incomplete("its scale has no maximum")
        if (!(minimum < maximum)) incomplete("its scale goes from $minimum to $maximum")
        return Scale(minimum, maximum, scale.text("meaning"))
    }

    private fun outputs(): List<String> {
        val given = values.either("outputs", "functions") ?: return listOf("score")
        val names = (given as? List<*>)?.filterIsInstance<String>() ?: incomplete("its outputs are no list")
        if (names.size != given.size || names.firstOrNull() != "score" || names.toSet().size != names.size) {
            incomplete("its outputs are ${given.toString().take(80)}, expected \"score\" and others after it")
        }
        return names
    }

    private fun reasons(): List<ReasonFact> {
        val given = values["reasons"] as? List<*> ?: incomplete("it has reasons and does not say which")
        val found =
            given.map {
                val reason = it as? Map<*, *> ?: incomplete("one of its reasons is no object")
                val id = reason["id"] as? String ?: incomplete("one of its reasons has no id")
                ReasonFact(id, reason.text("words", id), reason.text("quality"))
            }
        if (found.isEmpty() || found.map { it.id }.toSet().size != found.size) incomplete("a reason stands there twice")
        return found
    }

    private fun preprocess(): Preprocess {
        val given = values["preprocess"] as? Map<*, *> ?: incomplete("its preprocessing is missing")
        for (key in given.keys) {
            if (key !in PREPROCESS) {
                throw ModelError(
                    "$where: its preprocessing has a setting \"${key.toString().take(40)}\" that this version does " +
                        "not know: use the ralikit that exported it",
                )
            }
        }
        val size = whole(given["size"], 1, LONGEST_EDGE) ?: unfit("size ${said(given["size"])}")
        val edge = given["shortest_edge"]
        val shortest =
            if (edge == null) {
                null
            } else {
                whole(edge, size, LONGEST_EDGE) ?: unfit("shortest_edge ${said(edge)} beside size $size")
            }
        val anchors = anchors(given["anchors"])
        if (anchors.size.toLong() * size * size > MOST_PIXELS) unfit("${anchors.size} views of $size x $size pixels")
        val resample = if ("resample" in given) given["resample"] else "bicubic"
        val filter = FILTERS[resample] ?: unfit("the resize \"${said(resample)}\"")
        for (key in listOf("mean", "std")) {
            val three = given[key] ?: continue
            val right = three is List<*> && three.size == 3 && three.all { it is Number }
            if (!right) unfit("a $key that is not three numbers")
        }
        return Preprocess(size, shortest, anchors, filter)
    }

    private fun anchors(given: Any?): List<Anchor> {
        if (given == null) return listOf(Anchor(0.5, 0.5))
        val list = given as? List<*> ?: unfit("anchors that are no list")
        if (list.isEmpty()) unfit("no view")
        return list.map {
            val pair = (it as? List<*>)?.map { v -> (v as? Number)?.toDouble() ?: -1.0 }
            if (pair == null || pair.size != 2 || pair.any { v -> v < 0.0 || v > 1.0 }) unfit("a view outside of 0..1")
            Anchor(pair[0], pair[1])
        }
    }

    private fun whole(
        value: Any?,
        least: Int,
        most: Int,
    ): Int? = (value as? Long)?.takeIf { it in least..most }?.toInt()

    private fun said(value: Any?): String = value.toString().take(40)

    private fun unfit(what: String): Nothing =
        throw ModelError("$where: its preprocessing asks for $what, which cannot be; export it again")

    private fun incomplete(reason: String): Nothing =
        throw ModelError("$where: its metadata is incomplete ($reason); export it again")
}

private fun Map<*, *>.text(
    key: String,
    otherwise: String = "",
): String = this[key] as? String ?: otherwise

/** A value under its name or, in files of the first version, its former one. */
private fun Map<*, *>.either(
    key: String,
    former: String,
): Any? = if (containsKey(key)) this[key] else this[former]
