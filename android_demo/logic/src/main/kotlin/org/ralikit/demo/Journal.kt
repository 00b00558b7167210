package org.ralikit.demo

import java.io.ByteArrayOutputStream
import java.io.Closeable
import java.io.DataInputStream
import java.io.DataOutputStream
import java.io.EOFException
import java.io.File
import java.io.RandomAccessFile
import java.util.zip.CRC32

private const val HEAD = 8
private const val LARGEST = 1 shl 20

/**
 * A file of records that a process may die over at any byte. A record is its length, the CRC-32 of its bytes, and
 * the bytes; what does not check at the end was being written, and is cut off when the file is opened again.
 */
class Journal private constructor(
    private val file: RandomAccessFile,
) : Closeable {
    /** Append what [write] writes. It is with the system, not with this process, when this returns. */
    fun append(write: (DataOutputStream) -> Unit) {
        val bytes = frame(write)
        file.write(bytes)
    }

    override fun close() = file.close()

    companion object {
        /** Open or make a journal, and hand every whole record to [read], in order. */
        fun open(
            path: File,
            read: (DataInputStream) -> Unit,
        ): Journal {
            val file = RandomAccessFile(path, "rw")
            try {
                file.setLength(replay(path, read))
                file.seek(file.length())
                return Journal(file)
            } catch (error: Throwable) {
                file.close()
                throw error
            }
        }

        /** One record with its length and check. */
        fun frame(write: (DataOutputStream) -> Unit): ByteArray {
            val body = ByteArrayOutputStream()
            write(DataOutputStream(body))
            val whole = ByteArrayOutputStream(HEAD + body.size())
            val out = DataOutputStream(whole)
            out.writeInt(body.size())
            out.writeInt(crc(body.toByteArray()))
            body.writeTo(whole)
            return whole.toByteArray()
        }

        /** The bytes of the next record; null: the end, or what is no whole record. */
        fun next(input: DataInputStream): ByteArray? =
            try {
                val length = input.readInt()
                val check = input.readInt()
                if (length !in 0..LARGEST) {
                    null
                } else {
                    ByteArray(length).also(input::readFully).takeIf { crc(it) == check }
                }
            } catch (_: EOFException) {
                null
            }

        private fun replay(
            path: File,
            read: (DataInputStream) -> Unit,
        ): Long {
            var whole = 0L
            DataInputStream(path.inputStream().buffered()).use { input ->
                while (true) {
                    val bytes = next(input) ?: break
                    read(DataInputStream(bytes.inputStream()))
                    whole += HEAD + bytes.size
                }
            }
            return whole
        }

        private fun crc(bytes: ByteArray): Int = CRC32().apply { update(bytes) }.value.toInt()
    }
}
