package org.ralikit.demo

/** How long a benchmark takes: at least so many queries, and at least so many seconds of them. */
data class BenchPlan(
    val name: String,
    val warmups: Int,
    val queries: Int,
    val seconds: Double,
) {
    /** Whether [queries] that took [seconds] in all are enough. */
    fun done(
        queries: Int,
        seconds: Double,
    ) = queries >= this.queries && seconds >= this.seconds

    companion object {
        /** What the screen's button measures. */
        val SCREEN = BenchPlan("screen", warmups = 5, queries = 1, seconds = 60.0)

        /** As `ralikit bench` names them. */
        private val ORDERED =
            listOf(
                BenchPlan("quick", warmups = 2, queries = 16, seconds = 1.0),
                BenchPlan("rapid", warmups = 5, queries = 64, seconds = 6.0),
                BenchPlan("final", warmups = 10, queries = 1024, seconds = 60.0),
            )

        fun named(name: String): BenchPlan? = ORDERED.find { it.name == name }
    }
}

/** What `ralikit bench android --app` asks for, in the extras of the intent that starts the app. */
class BenchOrder(
    /** Null: a name that no plan has. */
    val plan: BenchPlan?,
    /** The record's `run`: by it the computer knows today's record from an older one. */
    val run: String,
    private val mode: String,
) {
    /** The record's `command`, for the application's id. */
    fun command(app: String) = "ralikit bench android --app $app --mode $mode"

    /** Why it cannot be done; null: it can. */
    val problem: String? = if (plan == null) "a benchmark is quick, rapid or final, not $mode" else null

    companion object {
        /** Where the record is left, in the app's folder on shared storage; [FILE].error: why there is none. */
        const val FILE = "ralikit-benchmark.jsonl"

        /** The order in the extras; null: there is none. */
        fun of(extra: (String) -> String?): BenchOrder? {
            val mode = extra("ralikit.bench") ?: return null
            return BenchOrder(BenchPlan.named(mode), extra("ralikit.run").orEmpty(), mode)
        }
    }
}
