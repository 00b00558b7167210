package org.ralikit.demo

import org.ralikit.BestShot
import org.ralikit.Shot

/** Photos of one moment in the order they were taken. [kept]: the best, and those that cannot be told from it. */
data class Burst(
    val photos: List<Int>,
    val kept: List<Int>,
) {
    /** Whether the best can be told. */
    val certain: Boolean get() = kept.size == 1
}

/** A library's bursts of at least two photos. */
class Bursts(
    val all: List<Burst>,
) {
    private val byPhoto = HashMap<Int, Burst>()

    init {
        for (burst in all) burst.photos.forEach { byPhoto[it] = burst }
    }

    fun of(index: Int): Burst? = byPhoto[index]

    companion object {
        val NONE = Bursts(emptyList())
    }
}

/** Find the bursts: the library's scenes of two photos or more. Seconds for 10,000 photos; not for the screen's thread. */
fun findBursts(library: Library): Bursts {
    val entries = library.entries().filter { it.scored != null }
    val shots = entries.mapNotNull { it.scored }.map { Shot(it.value, it.fingerprint, it.taken) }
    val scenes = BestShot.scenes(shots, library.model.tieWidth).filter { it.shots.size > 1 }
    return Bursts(
        scenes.map { scene ->
            val kept = listOf(scene.best) + scene.rivals
            Burst(scene.shots.map { entries[it].index }, kept.map { entries[it].index })
        },
    )
}
