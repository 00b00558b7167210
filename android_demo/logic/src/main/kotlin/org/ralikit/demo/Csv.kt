package org.ralikit.demo

import java.io.Writer
import java.util.Locale

private const val HEADER =
    "rank,file,score,minimum,maximum,burst,best_of_burst,reasons,width,height,error,model,precision,model_sha256"

/**
 * Rows as CSV (RFC 4180, UTF-8 with a mark at its front, as spreadsheets want it), one at a time. Numbers have a
 * point whatever the phone's language.
 */
fun writeCsv(
    rows: Iterable<Row>,
    bursts: Bursts,
    model: ModelInfo,
    out: Writer,
) {
    val numbers = HashMap<Burst, Int>()
    bursts.all.forEachIndexed { at, burst -> numbers[burst] = at + 1 }
    out.write("\uFEFF$HEADER\r\n")
    for (row in rows) {
        out.write(line(row, numbers, model))
        out.write("\r\n")
    }
}

/**
 * One text cell. A leading = + - @ would run as a formula when a spreadsheet opens the file; an apostrophe before it
 * makes it text there.
 */
internal fun cell(text: String): String {
    val first = text.firstOrNull { !it.isWhitespace() }
    val runs = (first != null && first in "=+-@") || (text.isNotEmpty() && text[0] in "\t\r\n")
    return "\"" + (if (runs) "'$text" else text).replace("\"", "\"\"") + "\""
}

private fun line(
    row: Row,
    numbers: Map<Burst, Int>,
    model: ModelInfo,
): String {
    val scored = row.entry.scored
    val failed = row.entry.outcome as? Outcome.Failed
    val named = (why(row.entry.outcome, model) as? Why.Named)?.reasons.orEmpty()
    return listOf(
        row.rank?.toString().orEmpty(),
        cell(row.entry.found.name),
        scored?.let { number(it.value) }.orEmpty(),
        number(model.minimum),
        number(model.maximum),
        row.burst?.let { numbers[it]?.toString() }.orEmpty(),
        row.burst?.let { best(row.entry, it) }.orEmpty(),
        cell(named.joinToString(" ") { it.reason.id }),
        scored?.width?.toString().orEmpty(),
        scored?.height?.toString().orEmpty(),
        cell(failed?.message.orEmpty()),
        cell(model.name),
        cell(model.precision),
        model.sha256,
    ).joinToString(",")
}

/** `tie` where the best cannot be told. */
private fun best(
    entry: Entry,
    burst: Burst,
): String =
    when {
        entry.index !in burst.kept -> "no"
        burst.certain -> "yes"
        else -> "tie"
    }

private fun number(value: Double): String = String.format(Locale.ROOT, "%.4f", value)
