package org.ralikit.demo

import java.io.File

/**
 * What the screen shows and what it may ask for; no Android in it. Called by one thread, the screen's. Screens draw
 * [screens], [rows] and [progress], and call the other functions; that is all.
 *
 * @property home the folder of the screens' file and the library.
 * @property changed called after each change.
 */
class ViewModel(
    private val home: File,
    private val changed: () -> Unit,
) {
    private val file = File(home, "screens")
    private var rows: List<Row>? = null
    private var drawn: Pair<Int, Filter>? = null

    /** What was seen last, this process or one before it. */
    var screens: Screens = Screens.load(file)
        private set

    /** The library at work; null: none was begun. */
    var library: Library? = null
        private set

    var bursts: Bursts = Bursts.NONE
        private set

    val progress: Progress? get() = library?.progress

    /** Take up a library. Pages of photos that it has not are left. */
    fun take(library: Library) {
        this.library = library
        bursts = Bursts.NONE
        val count = library.progress.total
        show(
            screens.copy(
                pages = screens.pages.filter { fits(it, count) },
                marked = screens.marked?.takeIf { it < count },
            ),
        )
    }

    /** A new library takes the place of the one before: from the grid on, nothing filtered. */
    fun begin(library: Library) {
        screens = Screens(capture = screens.capture)
        take(library)
    }

    /** What [findBursts] gave, on whatever thread it ran. */
    fun grouped(bursts: Bursts) {
        this.bursts = bursts
        rows = null
        changed()
    }

    /** The grid's rows. While a scan goes on, they follow it as the screen asks. */
    fun rows(): List<Row> {
        val library = library ?: return emptyList()
        val key = library.version to screens.filter
        rows?.takeIf { drawn == key }?.let { return it }
        return ranked(library.entries(), library.model, bursts, screens.filter).also {
            rows = it
            drawn = key
        }
    }

    fun open(page: Page) = show(screens.open(page))

    /** False: there is no page before this one, the app is left. */
    fun back(): Boolean = screens.back()?.let(::show) != null

    fun mark(index: Int) = show(screens.mark(index))

    fun filter(filter: Filter) = show(screens.copy(filter = filter, top = 0))

    /** Where the grid was scrolled to. No redrawing: the screen is there already. */
    fun scrolled(top: Int) {
        screens = screens.copy(top = top)
    }

    /** The camera was asked for a photo in [capture]; null: it answered. */
    fun capturing(capture: String?) = show(screens.copy(capture = capture))

    /** Write the screens down, e.g. when the app leaves the screen. */
    fun save() {
        home.mkdirs()
        screens.save(file)
    }

    private fun show(next: Screens) {
        screens = next
        changed()
    }

    private fun fits(
        page: Page,
        count: Int,
    ): Boolean =
        when (page) {
            is Page.Detail -> page.index < count
            is Page.Compare -> page.first < count && page.second < count
            else -> true
        }
}
