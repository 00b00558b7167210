package org.ralikit.json

/**
 * JSON text of plain values.
 *
 * @throws IllegalArgumentException for a value of another kind, or a number that is not finite.
 */
internal fun toJson(value: Any?): String = StringBuilder().also { write(value, it, 1) }.toString()

private fun write(
    value: Any?,
    out: StringBuilder,
    depth: Int,
) {
    require(depth <= DEPTH) { "values are nested at most $DEPTH deep" }
    when (value) {
        null -> out.append("null")
        is Boolean, is Int, is Long, is Short, is Byte -> out.append(value)
        is Float -> writeNumber(value.toDouble(), value.toString(), out)
        is Double -> writeNumber(value, value.toString(), out)
        is CharSequence -> writeText(value, out)
        is Map<*, *> -> writeMap(value, out, depth)
        is Iterable<*> -> writeList(value.iterator(), out, depth)
        is DoubleArray -> writeList(value.iterator(), out, depth)
        is FloatArray -> writeList(value.iterator(), out, depth)
        is IntArray -> writeList(value.iterator(), out, depth)
        is LongArray -> writeList(value.iterator(), out, depth)
        is Array<*> -> writeList(value.iterator(), out, depth)
        else -> throw IllegalArgumentException("a record holds plain values, not a ${value.javaClass.simpleName}")
    }
}

private fun writeNumber(
    value: Double,
    text: String,
    out: StringBuilder,
) {
    require(!value.isNaN() && !value.isInfinite()) { "$value is no finite number" }
    out.append(text)
}

private fun writeMap(
    value: Map<*, *>,
    out: StringBuilder,
    depth: Int,
) {
    out.append('{')
    var first = true
    for ((name, inner) in value) {
        require(name is String) { "names are texts, not $name" }
        if (!first) out.append(',')
        first = false
        writeText(name, out)
        out.append(':')
        write(inner, out, depth + 1)
    }
    out.append('}')
}

private fun writeList(
    values: Iterator<*>,
    out: StringBuilder,
    depth: Int,
) {
    out.append('[')
    var first = true
    for (inner in values) {
        if (!first) out.append(',')
        first = false
        write(inner, out, depth + 1)
    }
    out.append(']')
}

private fun writeText(
    text: CharSequence,
    out: StringBuilder,
) {
    out.append('"')
    for ((i, c) in text.withIndex()) {
        when {
            c == '"' || c == '\\' -> out.append('\\').append(c)

            // Half of a pair has no UTF-8.
            c < ' ' || isHalf(text, i) -> out.append("\\u").append(c.code.toString(16).padStart(4, '0'))

            else -> out.append(c)
        }
    }
    out.append('"')
}

private fun isHalf(
    text: CharSequence,
    i: Int,
): Boolean {
    val c = text[i]
    if (c.isHighSurrogate()) return i + 1 >= text.length || !text[i + 1].isLowSurrogate()
    return c.isLowSurrogate() && (i == 0 || !text[i - 1].isHighSurrogate())
}
