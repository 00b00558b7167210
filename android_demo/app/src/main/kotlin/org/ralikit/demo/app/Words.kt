package org.ralikit.demo.app

import android.content.Context
import org.ralikit.RaliScorer
import org.ralikit.demo.Burst
import org.ralikit.demo.Comparison
import org.ralikit.demo.Entry
import org.ralikit.demo.ModelInfo
import org.ralikit.demo.Outcome
import org.ralikit.demo.Phase
import org.ralikit.demo.Progress
import org.ralikit.demo.ReasonInfo
import org.ralikit.demo.Row
import org.ralikit.demo.Weighed
import org.ralikit.demo.Why
import org.ralikit.demo.weighed
import org.ralikit.demo.why as told

private const val MINUTE = 60
private const val PERCENT = 100
private const val KB = 1024

/** What the app says, in the phone's language. */
class Words(
    private val context: Context,
) {
    private val numbers =
        java.text.NumberFormat.getNumberInstance(context.resources.configuration.locales[0]).apply {
            minimumFractionDigits = 2
            maximumFractionDigits = 2
        }

    fun number(value: Double): String = numbers.format(value)

    /** The reason in the app's language; in the model file's words where the app does not know it. */
    fun reason(reason: ReasonInfo): String = REASONS[reason.id]?.let(context::getString) ?: reason.words

    fun why(
        outcome: Outcome?,
        model: ModelInfo,
    ): String =
        when (val why = told(outcome, model)) {
            is Why.Named -> why.reasons.joinToString(", ") { reason(it.reason) }
            Why.NoneNamed -> context.getString(R.string.why_none)
            Why.NotTold -> context.getString(R.string.why_not_told)
            is Why.Failed -> why.message
            Why.Waiting -> context.getString(R.string.waiting)
        }

    /** Every reason with its percentage, in the model's order. */
    fun allReasons(
        outcome: Outcome.Scored,
        model: ModelInfo,
    ): String = weighed(outcome, model).joinToString("\n", transform = ::percentage)

    fun score(
        outcome: Outcome?,
        model: ModelInfo,
    ): String =
        when (outcome) {
            is Outcome.Scored -> context.getString(R.string.score_of, number(outcome.value), number(model.maximum))
            is Outcome.Failed -> context.getString(R.string.no_score)
            null -> context.getString(R.string.waiting)
        }

    /** A cell of the grid, read aloud. */
    fun spoken(
        row: Row,
        model: ModelInfo,
    ): String {
        val rank = row.rank?.let { context.getString(R.string.rank, it) }
        val burst = row.burst?.let { burst(row.entry, it) }
        val parts =
            listOf(row.entry.found.name, rank, score(row.entry.outcome, model), why(row.entry.outcome, model), burst)
        return parts.filterNotNull().joinToString(", ")
    }

    fun burst(
        entry: Entry,
        burst: Burst,
    ): String {
        val words =
            when {
                entry.index !in burst.kept -> R.string.not_best_of_burst
                burst.certain -> R.string.best_of_burst
                else -> R.string.tied_in_burst
            }
        return context.getString(words, burst.photos.size)
    }

    fun status(
        progress: Progress,
        secondsLeft: Double?,
    ): String {
        val done = progress.scored + progress.failed
        return when (progress.phase) {
            Phase.LISTING -> {
                context.getString(R.string.status_listing, progress.total)
            }

            Phase.SCORING -> {
                if (secondsLeft == null) {
                    context.getString(R.string.status_scoring, done, progress.total)
                } else {
                    context.getString(R.string.status_scoring_left, done, progress.total, duration(secondsLeft))
                }
            }

            Phase.PAUSED -> {
                context.getString(R.string.status_paused, done, progress.total)
            }

            Phase.DONE -> {
                context.getString(R.string.status_done, progress.scored, progress.failed)
            }

            Phase.BROKEN -> {
                context.getString(R.string.status_broken, progress.message.orEmpty())
            }
        }
    }

    fun comparison(comparison: Comparison): String =
        when (comparison) {
            is Comparison.Tie -> {
                context.getString(R.string.compare_tie, number(comparison.within))
            }

            is Comparison.Ahead -> {
                val words = if (comparison.sure) R.string.compare_better else R.string.compare_unsure
                context.getString(words, comparison.better.found.name, number(comparison.by))
            }

            Comparison.Unknown -> {
                context.getString(R.string.compare_unknown)
            }
        }

    /** The model's facts, a line each. */
    fun facts(scorer: RaliScorer): String {
        val facts = scorer.facts
        val report = scorer.report
        val tie = facts.tieWidth?.let(::number) ?: context.getString(R.string.fact_not_measured)
        return listOfNotNull(
            context.getString(R.string.fact_name, facts.name),
            context.getString(R.string.fact_random).takeIf { facts.weights == "random" },
            context.getString(R.string.fact_precision, facts.precision),
            context.getString(R.string.fact_scale, number(facts.scale.minimum), number(facts.scale.maximum)),
            context.getString(R.string.fact_tie, tie),
            context.getString(R.string.fact_size, facts.bytes / KB, facts.sha256),
            context.getString(if (facts.digested) R.string.fact_digest else R.string.fact_no_digest),
            context.getString(R.string.fact_runs, report.ran.name, report.engine, report.version, report.detail),
            report.fallback,
            facts.licence.takeIf { it.isNotBlank() },
            facts.notice.takeIf { it.isNotBlank() },
        ).joinToString("\n")
    }

    private fun percentage(weighed: Weighed): String =
        "${reason(weighed.reason)}: ${Math.round(weighed.value * PERCENT)} %"

    private fun duration(seconds: Double): String =
        if (seconds < MINUTE) {
            context.getString(R.string.seconds, seconds.toInt() + 1)
        } else {
            context.getString(R.string.minutes, (seconds / MINUTE).toInt() + 1)
        }

    private companion object {
        val REASONS =
            mapOf(
                "out-of-focus" to R.string.reason_out_of_focus,
                "motion-blur" to R.string.reason_motion_blur,
                "noise" to R.string.reason_noise,
                "too-dark" to R.string.reason_too_dark,
                "too-bright" to R.string.reason_too_bright,
                "low-contrast" to R.string.reason_low_contrast,
                "poor-colours" to R.string.reason_poor_colours,
                "compression" to R.string.reason_compression,
            )
    }
}
