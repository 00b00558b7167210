package org.ralikit

import org.ralikit.json.JsonError
import org.ralikit.json.parseJson
import org.ralikit.json.toJson
import org.ralikit.json.utf8
import org.ralikit.model.DIGITS
import org.ralikit.model.sha256

private const val SCHEMA = 2L
private const val BEFORE = ",\"sha256\":\""
private const val AFTER = "\"}"
private const val SEAL = 77

/**
 * Benchmark records: lines sealed by a hash over their bytes (docs/records.md). A line is
 * `BODY,"sha256":"HASH"}`, where `BODY}` is a JSON object and HASH the SHA-256 of its bytes.
 */
public object Records {
    /**
     * A record's line, its line feed included.
     *
     * @param values maps, lists, texts, numbers, booleans, null; without `schema` and `sha256`.
     * @throws UsageError if they hold anything else, or a number that is not finite.
     */
    @JvmStatic
    public fun seal(values: Map<String, Any?>): ByteArray {
        if ("schema" in values || "sha256" in values) throw UsageError("schema and sha256 are written by the seal")
        val body =
            try {
                toJson(mapOf("schema" to SCHEMA) + values).toByteArray()
            } catch (error: IllegalArgumentException) {
                throw UsageError("this is no record: ${error.message}", error)
            }
        val line = String(body, 0, body.size - 1, Charsets.UTF_8) + BEFORE + sha256(body) + AFTER + "\n"
        return line.toByteArray()
    }

    /**
     * The values of a line (without its line feed), without schema and seal.
     *
     * @throws RecordError if it is no sealed record, or was edited.
     */
    @JvmStatic
    public fun open(line: ByteArray): Map<String, Any?> {
        val digits = sealOf(line)
        val body = line.copyOf(line.size - SEAL + 1)
        body[body.size - 1] = '}'.code.toByte()
        if (sha256(body) != digits) {
            throw RecordError("the record was edited after it was written (its hash does not fit)")
        }
        val values =
            try {
                parseJson(utf8(body), once = true)
            } catch (error: JsonError) {
                throw RecordError("the record is not valid JSON: ${error.message}", error)
            }
        if (values !is Map<*, *>) throw RecordError("a record is a JSON object")
        if (values["schema"] != SCHEMA) throw RecordError("schema ${values["schema"]}, this version reads $SCHEMA")
        if ("sha256" in values) throw RecordError("the record has two seals")
        @Suppress("UNCHECKED_CAST")
        return (values as Map<String, Any?>) - "schema"
    }

    private fun sealOf(line: ByteArray): String {
        val seal = if (line.size > SEAL) String(line, line.size - SEAL, SEAL, Charsets.ISO_8859_1) else ""
        val digits = seal.removePrefix(BEFORE).removeSuffix(AFTER)
        val fits = seal.startsWith(BEFORE) && seal.endsWith(AFTER) && digits.length == DIGITS
        if (!fits || !digits.all { it in '0'..'9' || it in 'a'..'f' }) {
            throw RecordError(
                "a record ends with its seal, ,\"sha256\":\"(64 digits 0-9a-f)\"}, and nothing stands behind it",
            )
        }
        return digits
    }
}
