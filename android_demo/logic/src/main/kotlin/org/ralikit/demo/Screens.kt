package org.ralikit.demo

import java.io.DataInputStream
import java.io.DataOutputStream
import java.io.File
import java.io.IOException

/** A page of the app. */
sealed class Page {
    object Grid : Page()

    data class Detail(
        val index: Int,
    ) : Page()

    data class Compare(
        val first: Int,
        val second: Int,
    ) : Page()

    object Bench : Page()

    object Model : Page()
}

/**
 * All of the screen that is not in the library: what a rotation, the background and a process death must leave as it
 * was. Small, and written as bytes.
 *
 * @property pages from the first to the one that is seen; never empty, the first is the grid.
 * @property marked the photo that waits for another to be compared with; null: none.
 * @property top the first photo in sight, a row of the grid.
 * @property capture the file that the camera was asked to write; null: none is awaited.
 */
data class Screens(
    val pages: List<Page> = listOf(Page.Grid),
    val filter: Filter = Filter(),
    val marked: Int? = null,
    val top: Int = 0,
    val capture: String? = null,
) {
    val page: Page get() = pages.last()

    fun open(page: Page): Screens = if (page == this.page) this else copy(pages = pages + page)

    /** One page back; null: the app is left. */
    fun back(): Screens? =
        when {
            marked != null && page == Page.Grid -> copy(marked = null)
            pages.size > 1 -> copy(pages = pages.dropLast(1))
            else -> null
        }

    /** Choose a photo for a comparison: the second one opens it, the same one again is let go. */
    fun mark(index: Int): Screens =
        when (marked) {
            null -> copy(marked = index)
            index -> copy(marked = null)
            else -> copy(marked = null).open(Page.Compare(marked, index))
        }

    fun encode(): ByteArray = Journal.frame { it.write(this) }

    /** Keep it in [file]; what was there stays whole until the new one is. */
    fun save(file: File) {
        val draft = File(file.path + ".draft")
        draft.writeBytes(encode())
        if (!draft.renameTo(file)) throw IOException("$file cannot be replaced")
    }

    companion object {
        /** The screens in [bytes]; the first screen where they are damaged or of another version. */
        fun decode(bytes: ByteArray?): Screens {
            val body = bytes?.let { Journal.next(DataInputStream(it.inputStream())) } ?: return Screens()
            return try {
                DataInputStream(body.inputStream()).readScreens()
            } catch (_: IOException) {
                Screens()
            }
        }

        fun load(file: File): Screens = decode(if (file.exists()) file.readBytes() else null)
    }
}

private const val VERSION = 1
private const val GRID = 0
private const val DETAIL = 1
private const val COMPARE = 2
private const val BENCH = 3
private const val MODEL = 4

private fun DataOutputStream.write(screens: Screens) {
    writeByte(VERSION)
    writeInt(screens.pages.size)
    screens.pages.forEach { write(it) }
    orNothing(screens.filter.atLeast) { writeDouble(it) }
    orNothing(screens.filter.atMost) { writeDouble(it) }
    orNothing(screens.filter.reason) { writeText(it) }
    writeBoolean(screens.filter.bestOfBurst)
    orNothing(screens.marked) { writeInt(it) }
    writeInt(screens.top)
    orNothing(screens.capture) { writeText(it) }
}

private fun DataInputStream.readScreens(): Screens {
    if (readByte().toInt() != VERSION) throw IOException("another version wrote these screens")
    val pages = List(readInt()) { readPage() }
    return Screens(
        pages = if (pages.firstOrNull() == Page.Grid) pages else listOf(Page.Grid) + pages,
        filter =
            Filter(
                atLeast = orNothing { readDouble() },
                atMost = orNothing { readDouble() },
                reason = orNothing { readText() },
                bestOfBurst = readBoolean(),
            ),
        marked = orNothing { readInt() },
        top = readInt(),
        capture = orNothing { readText() },
    )
}

private fun DataOutputStream.write(page: Page) {
    when (page) {
        Page.Grid -> {
            writeByte(GRID)
        }

        is Page.Detail -> {
            writeByte(DETAIL)
            writeInt(page.index)
        }

        is Page.Compare -> {
            writeByte(COMPARE)
            writeInt(page.first)
            writeInt(page.second)
        }

        Page.Bench -> {
            writeByte(BENCH)
        }

        Page.Model -> {
            writeByte(MODEL)
        }
    }
}

private fun DataInputStream.readPage(): Page =
    when (val kind = readByte().toInt()) {
        GRID -> Page.Grid
        DETAIL -> Page.Detail(readInt())
        COMPARE -> Page.Compare(readInt(), readInt())
        BENCH -> Page.Bench
        MODEL -> Page.Model
        else -> throw IOException("page $kind is not known")
    }

private fun <T : Any> DataOutputStream.orNothing(
    value: T?,
    write: (T) -> Unit,
) {
    writeBoolean(value != null)
    value?.let(write)
}

private fun <T> DataInputStream.orNothing(read: () -> T): T? = if (readBoolean()) read() else null
