package org.ralikit.demo

import java.io.Closeable
import java.io.File
import java.io.IOException

/** How far a scan is. */
data class Progress(
    val phase: Phase,
    val total: Int,
    val scored: Int,
    val failed: Int,
    val message: String?,
) {
    val left: Int get() = total - scored - failed
}

/**
 * Photos of one source with what one model says of them, kept in a folder as a [Journal]. All that is in memory
 * comes from there, so a library opened again after a process death is the same.
 *
 * Any thread may call it.
 */
class Library private constructor(
    folder: File,
) : Closeable {
    private val photos = ArrayList<Entry>()
    private val known = HashSet<String>()
    private var begun: Note.Begun? = null
    private var phase = Phase.LISTING
    private var message: String? = null
    private var scored = 0
    private var failed = 0

    /** Counts changes: what was computed from entries holds as long as this does. */
    @get:Synchronized
    var version = 0
        private set

    private val journal = Journal.open(File(folder, JOURNAL)) { take(it.readNote()) }

    val source: Source get() = checkNotNull(begun).source
    val model: ModelInfo get() = checkNotNull(begun).model

    @get:Synchronized
    val progress: Progress get() = Progress(phase, photos.size, scored, failed, message)

    /** All photos as they are now, in the order they were found. */
    @Synchronized
    fun entries(): List<Entry> = ArrayList(photos)

    @Synchronized
    fun entry(index: Int): Entry? = photos.getOrNull(index)

    /** Add a photo, unless its address is there already. */
    @Synchronized
    fun add(found: Found) {
        if (found.address !in known) put(Note.Added(found))
    }

    /** The next photo whose turn has not come, from [from] on; null: there is none. */
    @Synchronized
    fun pending(from: Int): Entry? =
        (from until photos.size).firstOrNull { photos[it].outcome == null }?.let(photos::get)

    /** Write down what came of a photo. */
    @Synchronized
    fun came(
        index: Int,
        outcome: Outcome,
    ) = put(Note.Came(index, outcome))

    /** Give photos that failed another turn, e.g. after a card is back in its slot. */
    @Synchronized
    fun retryFailed() {
        val again = photos.filter { it.outcome is Outcome.Failed }
        again.forEach { put(Note.Came(it.index, null)) }
        if (again.isNotEmpty()) put(Note.Entered(Phase.SCORING, null))
    }

    @Synchronized
    fun enter(
        phase: Phase,
        message: String? = null,
    ) = put(Note.Entered(phase, message))

    @Synchronized
    override fun close() = journal.close()

    private fun put(note: Note) {
        journal.append { it.write(note) }
        take(note)
    }

    private fun take(note: Note) {
        version++
        when (note) {
            is Note.Begun -> {
                begun = note
            }

            is Note.Added -> {
                if (known.add(note.found.address)) photos += Entry(photos.size, note.found, null)
            }

            is Note.Came -> {
                come(note)
            }

            is Note.Entered -> {
                phase = note.phase
                message = note.message
            }
        }
    }

    private fun come(note: Note.Came) {
        val before = photos[note.index]
        count(before.outcome, -1)
        count(note.outcome, 1)
        photos[note.index] = Entry(before.index, before.found, note.outcome)
    }

    private fun count(
        outcome: Outcome?,
        by: Int,
    ) {
        when (outcome) {
            is Outcome.Scored -> scored += by
            is Outcome.Failed -> failed += by
            null -> Unit
        }
    }

    companion object {
        private const val JOURNAL = "journal"

        /** Begin a library in [folder], in place of what was there. */
        fun begin(
            folder: File,
            source: Source,
            model: ModelInfo,
        ): Library {
            folder.mkdirs()
            File(folder, JOURNAL).delete()
            return Library(folder).also { it.put(Note.Begun(source, model)) }
        }

        /** The library in [folder]; null where there is none, or none that this version reads. */
        fun open(folder: File): Library? {
            if (!File(folder, JOURNAL).exists()) return null
            return try {
                Library(folder).let { library ->
                    if (library.begun == null) library.close()
                    library.takeIf { it.begun != null }
                }
            } catch (_: IOException) {
                null
            } catch (_: IllegalArgumentException) {
                null
            } catch (_: IndexOutOfBoundsException) {
                null
            }
        }
    }
}
