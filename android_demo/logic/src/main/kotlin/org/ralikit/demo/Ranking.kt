package org.ralikit.demo

/** A reason is named from here on (docs/contract.md, "Reasons"). */
const val NAMED = 0.5f

/** Why a photo scores as it does, in words that the screen translates. */
sealed class Why {
    /** Reasons of at least [NAMED], highest first. */
    data class Named(
        val reasons: List<Weighed>,
    ) : Why()

    /** The model knows reasons, and none is likely enough to be named. */
    object NoneNamed : Why()

    /** The model's file gives no reasons. */
    object NotTold : Why()

    /** There is no score. */
    data class Failed(
        val message: String,
    ) : Why()

    /** The photo's turn has not come. */
    object Waiting : Why()
}

/** A reason with its value, 0 to 1. */
data class Weighed(
    val reason: ReasonInfo,
    val value: Float,
)

/** What the grid shows. */
data class Filter(
    val atLeast: Double? = null,
    val atMost: Double? = null,
    val reason: String? = null,
    val bestOfBurst: Boolean = false,
)

/** A place in the ranked grid. [rank] is null where there is no score; ties share the better place. */
data class Row(
    val entry: Entry,
    val rank: Int?,
    val burst: Burst?,
)

/** The reasons of [outcome], the named ones highest first; equal ones stay in the model's order. */
fun why(
    outcome: Outcome?,
    model: ModelInfo,
): Why =
    when (outcome) {
        null -> {
            Why.Waiting
        }

        is Outcome.Failed -> {
            Why.Failed(outcome.message)
        }

        is Outcome.Scored -> {
            if (outcome.reasons.isEmpty()) {
                Why.NotTold
            } else {
                named(outcome, model).let { if (it.isEmpty()) Why.NoneNamed else Why.Named(it) }
            }
        }
    }

/** Every reason's value, in the model's order. */
fun weighed(
    outcome: Outcome.Scored,
    model: ModelInfo,
): List<Weighed> = model.reasons.zip(outcome.reasons.asIterable(), ::Weighed)

private fun named(
    outcome: Outcome.Scored,
    model: ModelInfo,
): List<Weighed> = weighed(outcome, model).filter { it.value >= NAMED }.sortedByDescending { it.value }

/**
 * The grid's rows: scores from high to low, then photos that failed, then those that wait; equals in the order they
 * were found. Ranks count all scored photos, whatever the filter leaves out.
 */
fun ranked(
    entries: List<Entry>,
    model: ModelInfo,
    bursts: Bursts,
    filter: Filter,
): List<Row> {
    val scored = entries.filter { it.scored != null }.sortedByDescending { it.scored?.value }
    val rows = ArrayList<Row>(entries.size)
    var place = 0
    for ((at, entry) in scored.withIndex()) {
        if (at == 0 || entry.scored?.value != scored[at - 1].scored?.value) place = at + 1
        rows += Row(entry, place, bursts.of(entry.index))
    }
    entries.filter { it.outcome is Outcome.Failed }.mapTo(rows) { Row(it, null, null) }
    entries.filter { it.outcome == null }.mapTo(rows) { Row(it, null, null) }
    return rows.filter { keeps(it, model, filter) }
}

private fun keeps(
    row: Row,
    model: ModelInfo,
    filter: Filter,
): Boolean {
    if (filter == Filter()) return true
    val scored = row.entry.scored ?: return false
    val fits = scored.value >= (filter.atLeast ?: scored.value) && scored.value <= (filter.atMost ?: scored.value)
    val speaks = filter.reason == null || named(scored, model).any { it.reason.id == filter.reason }
    // A photo of no burst is the best of its own. Where the best cannot be told, all that tie stay.
    val best = !filter.bestOfBurst || row.burst == null || row.entry.index in row.burst.kept
    return fits && speaks && best
}

/** What the comparison of two photos says. */
sealed class Comparison {
    /** Closer than the model can tell: [within] is its tie width. */
    data class Tie(
        val within: Double,
    ) : Comparison()

    /** Photo [better] is ahead [by] this much; [sure] is false where no tie width was measured. */
    data class Ahead(
        val better: Entry,
        val by: Double,
        val sure: Boolean,
    ) : Comparison()

    /** One of them has no score. */
    object Unknown : Comparison()
}

fun compare(
    first: Entry,
    second: Entry,
    model: ModelInfo,
): Comparison {
    val one = first.scored?.value ?: return Comparison.Unknown
    val two = second.scored?.value ?: return Comparison.Unknown
    val apart = kotlin.math.abs(one - two)
    val width = model.tieWidth
    return when {
        apart == 0.0 || (width != null && apart < width) -> Comparison.Tie(width ?: 0.0)
        else -> Comparison.Ahead(if (one > two) first else second, apart, width != null)
    }
}
