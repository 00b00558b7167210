package org.ralikit

/**
 * A photo for [BestShot].
 *
 * @property takenAt when it was taken, milliseconds of any clock; null: not known.
 */
public class Shot<T>(
    public val item: T,
    public val value: Double,
    public val embedding: FloatArray?,
    public val takenAt: Long?,
)

/**
 * Photos of one moment, best first.
 *
 * @property best the one to keep; null where the best cannot be told apart.
 * @property tied those that share the first place, where [best] is null.
 */
public class ShotGroup<T>(
    public val shots: List<Shot<T>>,
    public val best: Shot<T>?,
    public val tied: List<Shot<T>>,
)

/** Groups near-duplicates by embedding and time, and picks the best of each (docs/contract.md, "Best shot"). */
public object BestShot {
    /** Groups in the order of their first photo. */
    @JvmStatic
    public fun <T> group(
        shots: List<Shot<T>>,
        tieWidth: Double?,
    ): List<ShotGroup<T>> = TODO()
}
