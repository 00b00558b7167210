package org.ralikit.demo

/** How fast a scan goes, from the last photos: an early pace says little about a late one. */
class Pace(
    private val window: Int = 32,
) {
    private val at = ArrayDeque<Long>()

    /** A photo is done at [now], nanoseconds of a clock that never goes back. */
    fun tick(now: Long) {
        at.addLast(now)
        if (at.size > window) at.removeFirst()
    }

    /** Seconds for [left] more; null: too early to tell. */
    fun secondsLeft(left: Int): Double? {
        if (at.size < 2) return null
        return (at.last() - at.first()) / NANOS / (at.size - 1) * left
    }

    private companion object {
        const val NANOS = 1e9
    }
}
