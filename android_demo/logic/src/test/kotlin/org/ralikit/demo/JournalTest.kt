package org.ralikit.demo

import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Test
import java.io.File

class JournalTest {
    private fun texts(file: File): List<String> {
        val read = ArrayList<String>()
        Journal.open(file) { read += it.readText() }.close()
        return read
    }

    @Test
    fun `what is written comes back after any cut, whole record by whole record`() {
        val file = File(folder(), "journal")
        val ends = ArrayList<Long>()
        Journal.open(file) {}.use { journal ->
            for (text in listOf("one", "zwei, drei", "")) {
                journal.append { it.writeText(text) }
                ends += file.length()
            }
        }
        val bytes = file.readBytes()
        for (cut in 0..bytes.size) {
            file.writeBytes(bytes.copyOf(cut))
            assertEquals(listOf("one", "zwei, drei", "").take(ends.count { it <= cut }), texts(file))
            assertEquals("the torn tail is cut off", ends.filter { it <= cut }.maxOrNull() ?: 0L, file.length())
        }
    }

    @Test
    fun `a changed byte ends the journal before its record`() {
        val file = File(folder(), "journal")
        Journal.open(file) {}.use { journal -> repeat(3) { n -> journal.append { it.writeText("text $n") } } }
        val bytes = file.readBytes()
        val size = bytes.size / 3
        for (at in bytes.indices) {
            file.writeBytes(bytes.clone().also { it[at] = (it[at] + 1).toByte() })
            assertEquals("byte $at", List(at / size) { "text $it" }, texts(file))
        }
    }

    @Test
    fun `what is appended after a torn record is read`() {
        val file = File(folder(), "journal")
        Journal.open(file) {}.use { it.append { out -> out.writeText("first") } }
        file.appendBytes(byteArrayOf(0, 0, 0, 9, 1))
        Journal.open(file) {}.use { it.append { out -> out.writeText("second") } }
        assertEquals(listOf("first", "second"), texts(file))
    }

    @Test
    fun `a library of another version is none, and is begun anew`() {
        val folder = folder()
        Journal.open(File(folder, "journal")) {}.use { it.append { out -> out.writeByte(77) } }
        assertEquals(null, Library.open(folder))
        library(folder, 1).use { assertEquals(1, it.progress.total) }
        assertFalse(Library.open(folder) == null)
    }
}
