package org.ralikit.demo

import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertSame
import org.junit.Assert.assertTrue
import org.junit.Test
import java.io.File

class ScreensTest {
    private val deep =
        Screens(
            pages = listOf(Page.Grid, Page.Detail(3), Page.Compare(3, 7), Page.Model, Page.Bench),
            filter = Filter(1.5, 4.25, "too-dark", true),
            marked = 5,
            top = 4711,
            capture = "capture-1.jpg",
        )

    @Test
    fun `every page and choice comes back`() {
        assertEquals(deep, Screens.decode(deep.encode()))
        assertEquals(Screens(), Screens.decode(Screens().encode()))
        for (page in deep.pages) assertEquals(page, Screens.decode(Screens().open(page).encode()).page)
    }

    @Test
    fun `damaged screens are the first screen`() {
        val bytes = deep.encode()
        assertEquals(Screens(), Screens.decode(null))
        for (cut in bytes.indices) assertEquals(Screens(), Screens.decode(bytes.copyOf(cut)))
        for (at in bytes.indices) {
            assertEquals(Screens(), Screens.decode(bytes.clone().also { it[at] = (it[at] + 1).toByte() }))
        }
    }

    @Test
    fun `back leads page by page out of the app`() {
        val pages = generateSequence(deep, Screens::back).map { it.page }.toList()
        assertEquals(listOf(Page.Bench, Page.Model, Page.Compare(3, 7), Page.Detail(3), Page.Grid, Page.Grid), pages)
        assertNull(Screens().back())
        assertEquals(Screens(), Screens(marked = 1).back())
    }

    @Test
    fun `two marked photos are compared, the same one again is let go`() {
        assertEquals(Page.Compare(2, 4), Screens().mark(2).mark(4).page)
        assertNull(Screens().mark(2).mark(4).marked)
        assertEquals(Screens(), Screens().mark(2).mark(2))
        assertEquals(deep.pages, deep.open(Page.Bench).pages)
    }

    @Test
    fun `rotation and death give the view-model's screen back, over the same library`() {
        val home = folder()
        val kept = library(File(home, "library"), 10)
        ViewModel(home) {}.apply {
            begin(kept)
            filter(Filter(atMost = 2.0))
            open(Page.Detail(9))
            scrolled(6)
            save()
        }
        kept.close()
        val next = ViewModel(home) {}
        val before = next.screens
        next.take(checkNotNull(Library.open(File(home, "library"))))
        assertEquals(Screens(listOf(Page.Grid, Page.Detail(9)), Filter(atMost = 2.0), null, 6, null), before)
        assertEquals(before, next.screens)
        assertTrue(next.back())
        assertEquals(Page.Grid, next.screens.page)
        assertFalse(next.back())
    }

    @Test
    fun `pages of photos that the library has not are left`() {
        val home = folder()
        ViewModel(home) {}.apply {
            begin(library(File(home, "library"), 10))
            open(Page.Detail(9))
            open(Page.Compare(1, 9))
            open(Page.Model)
            save()
        }
        val next = ViewModel(home) {}
        next.take(library(File(home, "other"), 3))
        assertEquals(listOf(Page.Grid, Page.Model), next.screens.pages)
    }

    @Test
    fun `rows are computed anew when a photo, a filter or the bursts change, else kept`() {
        var changes = 0
        val model = ViewModel(folder()) { changes++ }
        assertEquals(emptyList<Row>(), model.rows())
        val library = library(photos = 3)
        model.begin(library)
        val first = model.rows()
        assertSame(first, model.rows())
        library.came(2, scored(3.0))
        assertEquals(listOf(2, 0, 1), model.rows().map { it.entry.index })
        model.filter(Filter(atLeast = 3.5))
        assertEquals(emptyList<Row>(), model.rows())
        model.filter(Filter())
        model.grouped(Bursts(listOf(Burst(listOf(2, 0), listOf(2)))))
        assertEquals(listOf(2), model.rows()[0].burst?.kept)
        assertEquals(4, changes)
        assertEquals(Progress(Phase.LISTING, 3, 1, 0, null), model.progress)
    }
}
