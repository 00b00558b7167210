package org.ralikit.android

import android.content.Context
import android.content.res.AssetFileDescriptor
import android.net.Uri
import org.ralikit.ModelError
import java.io.File
import java.io.FileInputStream
import java.io.IOException
import java.io.InputStream
import java.security.MessageDigest

private const val PIECE = 1 shl 18

/** Copies of models that are no files of their own, in the cache, named by their hashes. */
internal object ModelFiles {
    fun ofAsset(
        context: Context,
        asset: String,
    ): File = named(asset) { context.assets.open(asset).use { copy(context, it, Long.MAX_VALUE) } }

    fun ofUri(
        context: Context,
        uri: Uri,
    ): File {
        val name = uri.lastPathSegment ?: uri.toString()
        return named(name) {
            val stream = context.contentResolver.openInputStream(uri) ?: throw IOException("nothing is there")
            stream.use { copy(context, it, Long.MAX_VALUE) }
        }
    }

    fun ofDescriptor(
        context: Context,
        descriptor: AssetFileDescriptor,
    ): File =
        named("the model") {
            // Not createInputStream: closing that would close the caller's descriptor.
            val stream = FileInputStream(descriptor.fileDescriptor)
            stream.channel.position(descriptor.startOffset)
            val length = descriptor.length
            copy(context, stream, if (length == AssetFileDescriptor.UNKNOWN_LENGTH) Long.MAX_VALUE else length)
        }

    private inline fun named(
        name: String,
        copied: () -> File,
    ): File =
        try {
            copied()
        } catch (error: IOException) {
            throw ModelError("$name cannot be read: ${error.message}", error)
        } catch (error: SecurityException) {
            throw ModelError("$name cannot be read, since permission ended; pick it again", error)
        }

    private fun copy(
        context: Context,
        from: InputStream,
        length: Long,
    ): File {
        val folder = File(context.cacheDir, "ralikit").apply { mkdirs() }
        val draft = File.createTempFile("model", ".draft", folder)
        try {
            val digest = MessageDigest.getInstance("SHA-256")
            draft.outputStream().use { out ->
                val piece = ByteArray(PIECE)
                var left = length
                while (left > 0) {
                    val count = from.read(piece, 0, minOf(left, piece.size.toLong()).toInt())
                    if (count < 0) break
                    digest.update(piece, 0, count)
                    out.write(piece, 0, count)
                    left -= count
                }
            }
            val name = digest.digest().joinToString("") { "%02x".format(it) }
            val kept = File(folder, "$name.model")
            // Whole or absent: an older copy of the same bytes may be in use and is as good.
            if (!kept.exists() && !draft.renameTo(kept)) throw IOException("the copy cannot be kept in $folder")
            return kept
        } finally {
            draft.delete()
        }
    }
}
