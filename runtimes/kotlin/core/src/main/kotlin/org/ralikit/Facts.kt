package org.ralikit

/** The filter of the resize. */
public enum class Filter {
    BILINEAR,
    BICUBIC,
    LANCZOS,
}

/** The place of a view in the room that is left, [x] and [y] each 0 to 1. */
public data class Anchor(
    val x: Double,
    val y: Double,
)

/**
 * From a photo to the views that the graph takes.
 *
 * @property size edge of a view, pixels.
 * @property shortestEdge edge to resize to, pixels; null: the photo is squashed to size x size.
 * @property anchors where each view lies.
 */
public data class Preprocess(
    val size: Int,
    val shortestEdge: Int?,
    val anchors: List<Anchor>,
    val filter: Filter,
) {
    /** Bytes of all views of a photo, (V, S, S, 3). */
    val bytes: Int get() = anchors.size * size * size * 3
}

/** The scale of the scores. */
public data class Scale(
    val minimum: Double,
    val maximum: Double,
    val meaning: String,
)

/** One number of the output `reasons`: what it means ([words], English), and the quality it speaks against. */
public data class ReasonFact(
    val id: String,
    val words: String,
    val quality: String,
)

/**
 * What a model's file says of itself (docs/contract.md, "Artifact, manifest and facts").
 *
 * @property weights `trained`, or `random`: scores that mean nothing.
 * @property notice show it where the model is chosen.
 * @property tieWidth scores closer than this are not told apart; null: not measured.
 * @property outputs what the graph gives, `score` first.
 * @property reasons what each number of the output `reasons` means, in its order; empty where there is none.
 * @property digested whether the file carries a digest of itself; where it does, it was checked.
 * @property sha256 hash of the file as it is; empty where facts were read without their file.
 * @property text the whole JSON as it came.
 * @property written the same as plain values: maps, lists, texts, doubles, longs, booleans, null.
 */
public data class Facts(
    val name: String,
    val bundle: String,
    val tower: String,
    val weights: String,
    val licence: String,
    val notice: String,
    val tieWidth: Double?,
    val tieWidthNote: String,
    val preprocess: Preprocess,
    val scale: Scale,
    val target: String,
    val precision: String,
    val outputs: List<String>,
    val reasons: List<ReasonFact>,
    val digested: Boolean,
    val sha256: String,
    val bytes: Long,
    val text: String,
    val written: Map<String, Any?>,
)

/** A format that a model's file can have. */
public enum class ModelFormat {
    ONNX,
    TFLITE,
}
