package org.ralikit.demo

/** A photo that a listing found. */
data class Found(
    val address: String,
    val name: String,
)

/** What came of a photo. */
sealed class Outcome {
    /**
     * A score.
     *
     * @property reasons each reason's value, 0 to 1, in the order of [ModelInfo.reasons]; empty: the model has none.
     * @property fingerprint by which scenes are told, 192 bytes.
     * @property taken when it was taken by its EXIF, seconds; null: not known.
     */
    class Scored(
        val value: Double,
        val width: Int,
        val height: Int,
        val reasons: FloatArray,
        val fingerprint: ByteArray,
        val taken: Double?,
    ) : Outcome()

    /** No score, and why, in a sentence. */
    class Failed(
        val message: String,
    ) : Outcome()
}

/** A photo of a library: where it is, and what came of it; null: its turn has not come. */
class Entry(
    val index: Int,
    val found: Found,
    val outcome: Outcome?,
) {
    val scored: Outcome.Scored? get() = outcome as? Outcome.Scored
}

/** A reason that the model speaks of: [words] are the file's own, English. */
data class ReasonInfo(
    val id: String,
    val words: String,
)

/**
 * What the library must remember of the model that scored it.
 *
 * @property sha256 of the file: scores of another are not comparable.
 * @property tieWidth scores closer than this are not told apart; null: not measured.
 */
data class ModelInfo(
    val name: String,
    val precision: String,
    val sha256: String,
    val minimum: Double,
    val maximum: Double,
    val tieWidth: Double?,
    val reasons: List<ReasonInfo>,
)

/** How the photos came. */
enum class Origin {
    PHOTOS,
    FOLDER,
    SHARED,
    CAMERA,
}

/** Where the photos come from: a folder's address, or none where they were picked one by one. */
data class Source(
    val origin: Origin,
    val address: String,
    val title: String,
)

/** What a scan is doing. Kept with the library, so that it holds after the process has died. */
enum class Phase {
    LISTING,
    SCORING,

    /** A person asked for a pause: nothing goes on by itself. */
    PAUSED,
    DONE,

    /** The model failed or the folder cannot be read: no other photo would fare better. */
    BROKEN,
    ;

    /** Whether work is left that goes on by itself after a rotation, in the background or after a process death. */
    val goesOn: Boolean get() = this == LISTING || this == SCORING
}
