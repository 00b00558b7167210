package org.ralikit.demo

import java.io.File
import java.nio.file.Files

internal val MODEL =
    ModelInfo(
        name = "mini",
        precision = "int8",
        sha256 = "ab".repeat(32),
        minimum = 1.0,
        maximum = 5.0,
        tieWidth = 0.25,
        reasons =
            listOf(
                ReasonInfo("noise", "noise"),
                ReasonInfo("too-dark", "too dark"),
                ReasonInfo("motion-blur", "motion blur"),
            ),
    )
internal val SOURCE = Source(Origin.FOLDER, "content://tree/1", "Holiday")

internal fun folder(): File = Files.createTempDirectory("ralikit").toFile().also { it.deleteOnExit() }

internal fun found(index: Int): Found = Found("content://photo/$index", "IMG_$index.jpg")

internal fun library(
    folder: File = folder(),
    photos: Int = 0,
    model: ModelInfo = MODEL,
): Library =
    Library.begin(folder, SOURCE, model).also { library ->
        repeat(photos) { library.add(found(it)) }
    }

/** Scores by index; a judge that reads ahead as the real one does, and may stop the scan by itself. */
internal class MadeJudge(
    private val ahead: Int = 2,
    private val during: (Int) -> Unit = {},
) : Judge {
    val judged = ArrayList<Int>()

    override fun judge(
        photos: Iterator<Entry>,
        sink: (Entry, Outcome) -> Boolean,
    ) {
        val read = ArrayDeque<Entry>()
        var goesOn = true
        while (goesOn) {
            while (read.size < ahead && photos.hasNext()) read += photos.next()
            val entry = read.removeFirstOrNull() ?: break
            judged += entry.index
            during(judged.size)
            goesOn = sink(entry, verdict(entry.index))
        }
    }

    private fun verdict(index: Int): Outcome =
        if (index % 10 == 9) Outcome.Failed("photo $index cannot be read") else scored(value(index), index)
}

internal fun scored(
    value: Double,
    index: Int = 0,
    reasons: FloatArray = floatArrayOf(0.9f, 0.2f, 0.5f),
): Outcome.Scored =
    Outcome.Scored(
        value,
        4000,
        3000,
        reasons,
        ByteArray(192) { (it * index % 251).toByte() },
        index * 100.0,
    )

internal fun value(index: Int): Double = 1.0 + (index * 37 % 400) / 100.0
