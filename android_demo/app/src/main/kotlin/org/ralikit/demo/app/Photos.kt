package org.ralikit.demo.app

import android.content.Context
import android.net.Uri
import android.provider.DocumentsContract
import android.provider.DocumentsContract.Document
import android.provider.OpenableColumns
import org.ralikit.Photo
import org.ralikit.RaliError
import org.ralikit.RaliScorer
import org.ralikit.android.AndroidPhotos
import org.ralikit.demo.Entry
import org.ralikit.demo.Found
import org.ralikit.demo.Judge
import org.ralikit.demo.Lister
import org.ralikit.demo.Origin
import org.ralikit.demo.Outcome
import org.ralikit.demo.ScanBroken
import org.ralikit.demo.Source

/** A photo picked, shared or taken, with the name its provider gives. */
fun foundAt(
    context: Context,
    address: Uri,
): Found = Found(address.toString(), nameOf(context, address))

private fun nameOf(
    context: Context,
    address: Uri,
): String {
    val asked = arrayOf(OpenableColumns.DISPLAY_NAME)
    val name =
        try {
            context.contentResolver
                .query(
                    address,
                    asked,
                    null,
                    null,
                    null,
                )?.use { if (it.moveToFirst()) it.getString(0) else null }
        } catch (_: RuntimeException) {
            // A provider may throw anything over its process' border; the photo may still be readable.
            null
        }
    return name ?: address.lastPathSegment ?: address.toString()
}

/** Lists what [source] names; photos picked one by one are in the library already. */
fun lister(
    context: Context,
    source: Source,
): Lister = if (source.origin == Origin.FOLDER) FolderLister(context, Uri.parse(source.address)) else Lister {}

/** All images of a folder and the folders in it, through the system's document provider. */
private class FolderLister(
    private val context: Context,
    private val tree: Uri,
) : Lister {
    override fun list(sink: (Found) -> Boolean) {
        val folders = ArrayDeque<String>()
        folders += DocumentsContract.getTreeDocumentId(tree)
        while (folders.isNotEmpty()) if (!children(folders.removeFirst(), folders, sink)) return
    }

    private fun children(
        folder: String,
        folders: ArrayDeque<String>,
        sink: (Found) -> Boolean,
    ): Boolean {
        val address = DocumentsContract.buildChildDocumentsUriUsingTree(tree, folder)
        val asked = arrayOf(Document.COLUMN_DOCUMENT_ID, Document.COLUMN_DISPLAY_NAME, Document.COLUMN_MIME_TYPE)
        val cursor =
            try {
                context.contentResolver.query(address, asked, null, null, null)
            } catch (error: RuntimeException) {
                throw ScanBroken(context.getString(R.string.folder_gone), error)
            } ?: throw ScanBroken(context.getString(R.string.folder_gone))
        cursor.use {
            while (it.moveToNext()) {
                val id = it.getString(0)
                val type = it.getString(2).orEmpty()
                if (type == Document.MIME_TYPE_DIR) folders += id
                if (type.startsWith("image/") && !sink(foundIn(id, it.getString(1)))) return false
            }
        }
        return true
    }

    private fun foundIn(
        id: String,
        name: String?,
    ) = Found(DocumentsContract.buildDocumentUriUsingTree(tree, id).toString(), name ?: id)
}

/** Scores photos with ralikit: the next is decoded while one is scored, no more are held. */
class RaliJudge(
    private val context: Context,
    private val scorer: RaliScorer,
) : Judge {
    override fun judge(
        photos: Iterator<Entry>,
        sink: (Entry, Outcome) -> Boolean,
    ) {
        // The scorer takes photos on a thread of its own, and answers in order.
        val asked = java.util.concurrent.ConcurrentLinkedQueue<Entry>()
        val opened = Iterable { Opening(photos, asked) }
        try {
            scorer.scoreAllBlocking(opened, { sink(asked.remove(), outcomeOf(it.score, it.error?.message)) })
        } catch (error: RaliError) {
            throw ScanBroken(error.message.orEmpty(), error)
        }
    }

    private inner class Opening(
        private val photos: Iterator<Entry>,
        private val asked: java.util.Queue<Entry>,
    ) : Iterator<Photo> {
        override fun hasNext() = photos.hasNext()

        override fun next(): Photo {
            val entry = photos.next()
            asked += entry
            return AndroidPhotos.uri(context, Uri.parse(entry.found.address), entry.found.name)
        }
    }

    private fun outcomeOf(
        score: org.ralikit.Score?,
        error: String?,
    ): Outcome =
        if (score == null) {
            Outcome.Failed(error.orEmpty())
        } else {
            val reasons = FloatArray(score.reasonValues.size) { score.reasonValues[it].value.toFloat() }
            Outcome.Scored(score.value, score.width, score.height, reasons, score.fingerprint, score.taken)
        }
}
