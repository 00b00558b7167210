package org.ralikit.demo

/** Finds photos. */
fun interface Lister {
    /** Hand every photo to [sink], until it returns false. Called again after a process death: from the start. */
    fun list(sink: (Found) -> Boolean)
}

/** Scores photos with one model. */
fun interface Judge {
    /**
     * Take photos from [photos] and hand each outcome to [sink], in order, until there are none or it returns false.
     * May take the next photo while one is scored.
     *
     * @throws ScanBroken if the model fails.
     */
    fun judge(
        photos: Iterator<Entry>,
        sink: (Entry, Outcome) -> Boolean,
    )
}

/** Nothing can be listed or scored, whatever the photo; the message says why. */
class ScanBroken(
    message: String,
    cause: Throwable? = null,
) : Exception(message, cause)

/**
 * Lists a library's source and scores its photos, one thread calling [run]. What is done is in the library, so it
 * can be stopped between any two photos, and another one goes on where it was.
 */
class Scan(
    private val library: Library,
    private val lister: Lister,
    private val judge: Judge,
    private val watch: (Progress) -> Unit,
) {
    @Volatile
    private var stopped = false

    @Volatile
    private var paused = false

    /** A person asks for a pause; [run] ends after the photo at work. */
    fun pause() {
        paused = true
    }

    /** The system takes the time away; [run] ends after the photo at work, and the next scan goes on. */
    fun interrupt() {
        stopped = true
    }

    /** Work until all is done, or until it is stopped. Gives the phase it left the library in. */
    fun run(): Phase {
        val before = library.progress.phase
        if (before == Phase.DONE) return before
        try {
            if (before == Phase.SCORING || list()) score()
        } catch (error: ScanBroken) {
            library.enter(Phase.BROKEN, error.message)
        }
        if (paused && library.progress.phase.goesOn) library.enter(Phase.PAUSED)
        tell()
        return library.progress.phase
    }

    /** Find the photos. Where a scan was paused it starts again: what is known stays as it is. */
    private fun list(): Boolean {
        library.enter(Phase.LISTING)
        lister.list { found ->
            library.add(found)
            tell()
            goesOn()
        }
        return goesOn().also { if (it) library.enter(Phase.SCORING) }
    }

    private fun score() {
        judge.judge(Pending()) { entry, outcome ->
            library.came(entry.index, outcome)
            tell()
            goesOn()
        }
        if (library.progress.left == 0) library.enter(Phase.DONE)
    }

    private fun goesOn() = !stopped && !paused

    private fun tell() = watch(library.progress)

    /** Photos whose turn has not come; each once, so a judge may read ahead. */
    private inner class Pending : Iterator<Entry> {
        private var next: Entry? = null
        private var from = 0

        override fun hasNext(): Boolean {
            if (next == null && goesOn()) next = library.pending(from)
            return next != null && goesOn()
        }

        override fun next(): Entry {
            if (!hasNext()) throw NoSuchElementException("no photo waits")
            return checkNotNull(next).also {
                from = it.index + 1
                next = null
            }
        }
    }
}
