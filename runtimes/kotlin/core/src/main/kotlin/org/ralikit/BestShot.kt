package org.ralikit

import org.ralikit.photo.FINGERPRINT
import org.ralikit.photo.likenessOf

/**
 * One scored photo for [BestShot].
 *
 * @property value its score.
 * @property fingerprint as [Score.fingerprint] has it, 192 bytes.
 * @property taken when it was taken, seconds since any moment that all share; null: not known.
 */
public class Shot(
    public val value: Double,
    public val fingerprint: ByteArray,
    public val taken: Double?,
) {
    init {
        if (fingerprint.size != FINGERPRINT) {
            throw UsageError("a fingerprint has $FINGERPRINT bytes, not ${fingerprint.size}: take it from a score")
        }
    }

    /** The shot of a scored photo. */
    public constructor(score: Score) : this(score.value, score.fingerprint, score.taken)
}

/**
 * When two photos are of one scene.
 *
 * @property seconds longest pause within a scene, between photos whose times are known.
 * @property likeness least likeness to the scene's first photo, where both times are known.
 * @property copyLikeness the same where a time is not known: only near-copies are alike enough.
 */
public data class SceneRule
    @JvmOverloads
    constructor(
        val seconds: Double = 60.0,
        val likeness: Double = 0.70,
        val copyLikeness: Double = 0.95,
    ) {
        init {
            if (!(seconds >= 0)) throw UsageError("seconds must be 0 or more, not $seconds")
            for (least in listOf(likeness, copyLikeness)) {
                if (!(least >= -1 && least <= 1)) throw UsageError("likeness must lie within -1 and 1, not $least")
            }
        }
    }

/**
 * Photos of one scene, as places in the list that was given.
 *
 * @property shots all of them, in the order they were taken.
 * @property best the one of the highest score; of equal ones the first that was taken.
 * @property rivals those whose score is not told apart from the best's, highest first.
 */
public data class Scene(
    val shots: List<Int>,
    val best: Int,
    val rivals: List<Int>,
) {
    /** Whether the model can tell which is the best. */
    val sure: Boolean get() = rivals.isEmpty()
}

/** Which photos are of one scene, and which of them is the best (docs/contract.md, "Best shot"). */
public object BestShot {
    /**
     * Put photos of one scene together and name the best of each.
     *
     * @param tieWidth scores closer than this are not told apart; null: only equal ones are not.
     * @return all scenes, also those of one photo, in the order of their first photos.
     */
    @JvmStatic
    @JvmOverloads
    public fun scenes(
        shots: List<Shot>,
        tieWidth: Double?,
        rule: SceneRule = SceneRule(),
    ): List<Scene> {
        val open = ArrayList<OpenScene>()
        val order = shots.indices.sortedWith(compareBy({ shots[it].taken == null }, { shots[it].taken ?: 0.0 }))
        for (i in order) {
            val shot = shots[i]
            val scene = closest(shot, open, rule) ?: OpenScene(shot).also { open += it }
            scene.shots += i
            if (shot.taken != null) scene.latest = shot.taken
        }
        return open.map { judged(it.shots, shots, tieWidth ?: 0.0) }
    }

    /** How alike two fingerprints are, -1 to 1. */
    @JvmStatic
    public fun likeness(
        one: ByteArray,
        other: ByteArray,
    ): Double = likenessOf(one, other)

    private class OpenScene(
        val lead: Shot,
    ) {
        var latest: Double? = null
        val shots = ArrayList<Int>()
    }

    /** The scene that a photo joins: the one whose first photo it is most like, of equal ones the earliest. */
    private fun closest(
        shot: Shot,
        scenes: List<OpenScene>,
        rule: SceneRule,
    ): OpenScene? {
        var found: OpenScene? = null
        var highest = -2.0
        for (scene in scenes) {
            val latest = scene.latest
            val timed = shot.taken != null && latest != null
            if (timed && shot.taken - latest > rule.seconds) continue
            val like = likenessOf(shot.fingerprint, scene.lead.fingerprint)
            if (like >= (if (timed) rule.likeness else rule.copyLikeness) && like > highest) {
                found = scene
                highest = like
            }
        }
        return found
    }

    private fun judged(
        members: List<Int>,
        shots: List<Shot>,
        tieWidth: Double,
    ): Scene {
        val ordered = members.sortedByDescending { shots[it].value }
        val best = shots[ordered[0]].value
        val rivals = ordered.drop(1).filter { shots[it].value == best || best - shots[it].value < tieWidth }
        return Scene(members.toList(), ordered[0], rivals)
    }
}
