package org.ralikit

/** Benchmark records: sealed lines (docs/records.md). */
public object Records {
    /**
     * A record's line, its line feed included.
     *
     * @param values maps, lists, texts, numbers, booleans, null; without `schema` and `sha256`.
     * @throws UsageError if they hold anything else, or a number that is not finite.
     */
    @JvmStatic
    public fun seal(values: Map<String, Any?>): ByteArray = TODO()

    /**
     * The values of a line (without its line feed), without schema and seal.
     *
     * @throws RecordError if it is no sealed record.
     */
    @JvmStatic
    public fun open(line: ByteArray): Map<String, Any?> = TODO()
}

/** A line is no record, or was edited. */
public class RecordError(
    message: String,
    cause: Throwable? = null,
) : RaliError(message, cause)
