package org.ralikit

/** A reason with its [value], 0 to 1; [words] are English, from the facts. */
public data class Reason(
    val id: String,
    val words: String,
    val value: Double,
)

/** A reason's id and [value], 0 to 1. */
public data class ReasonValue(
    val id: String,
    val value: Double,
)

/** Where the time of one photo went, seconds. */
public data class Timings(
    val decode: Double,
    val resize: Double,
    val inference: Double,
)

/**
 * What a model says of a photo.
 *
 * @property value on the model's scale from [minimum] to [maximum], higher is better.
 * @property tieWidth scores closer than this are a tie; null: not measured.
 * @property reasons the named reasons (at least 0.5), highest first.
 * @property reasonValues every reason in the output's order; empty where the model has none.
 * @property embedding D numbers, where the file gives them and the caller asked for them; else null.
 * @property width of the upright photo, pixels.
 * @property notes sentences that a user should see.
 * @property fingerprint 192 bytes by which [BestShot] tells scenes.
 * @property taken when the photo was taken by its EXIF, seconds without regard to a zone; null: not known.
 */
public class Score(
    public val value: Double,
    public val minimum: Double,
    public val maximum: Double,
    public val tieWidth: Double?,
    public val reasons: List<Reason>,
    public val reasonValues: List<ReasonValue>,
    public val embedding: FloatArray?,
    public val width: Int,
    public val height: Int,
    public val notes: List<String>,
    public val fingerprint: ByteArray,
    public val taken: Double?,
    public val timings: Timings,
)

/**
 * One photo's place in `scoreAll`: a [score] or an [error], never both.
 *
 * @property index counted from 0, in the order the photos came.
 * @property name the photo's [Photo.name].
 */
public class ScoreEntry(
    public val index: Int,
    public val name: String,
    public val score: Score?,
    public val error: PhotoError?,
)
