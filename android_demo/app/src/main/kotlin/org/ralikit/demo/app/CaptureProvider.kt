package org.ralikit.demo.app

import android.content.ContentProvider
import android.content.ContentValues
import android.content.Context
import android.database.Cursor
import android.database.MatrixCursor
import android.net.Uri
import android.os.ParcelFileDescriptor
import android.provider.OpenableColumns
import java.io.File
import java.io.FileNotFoundException

/**
 * Lends the camera app one file to write a photo into, and gives it back to this app. Nobody else may open it: the
 * provider is not exported, and an address is granted with the intent that asks for the photo.
 */
class CaptureProvider : ContentProvider() {
    override fun onCreate() = true

    override fun openFile(
        uri: Uri,
        mode: String,
    ): ParcelFileDescriptor = ParcelFileDescriptor.open(file(uri), ParcelFileDescriptor.parseMode(mode))

    override fun query(
        uri: Uri,
        projection: Array<String>?,
        selection: String?,
        arguments: Array<String>?,
        order: String?,
    ): Cursor {
        val file = file(uri)
        val cursor = MatrixCursor(projection ?: arrayOf(OpenableColumns.DISPLAY_NAME, OpenableColumns.SIZE))
        val row = cursor.newRow()
        row.add(OpenableColumns.DISPLAY_NAME, file.name)
        row.add(OpenableColumns.SIZE, file.length())
        return cursor
    }

    override fun getType(uri: Uri) = "image/jpeg"

    override fun insert(
        uri: Uri,
        values: ContentValues?,
    ): Uri? = null

    override fun delete(
        uri: Uri,
        selection: String?,
        arguments: Array<String>?,
    ) = 0

    override fun update(
        uri: Uri,
        values: ContentValues?,
        selection: String?,
        arguments: Array<String>?,
    ) = 0

    private fun file(uri: Uri): File {
        val name = uri.lastPathSegment.orEmpty()
        // The name alone counts, and only one that this app gave: no path leads out of the folder.
        if (!NAME.matches(name)) throw FileNotFoundException("$uri is no photo of this app")
        return File(folder(checkNotNull(context)), name)
    }

    companion object {
        private val NAME = Regex("""photo-\d+\.jpg""")

        private fun folder(context: Context) = File(context.filesDir, "captures").apply { mkdirs() }

        /** A new address for a photo. */
        fun next(context: Context): Uri = address(context, "photo-${System.currentTimeMillis()}.jpg")

        private fun address(
            context: Context,
            name: String,
        ): Uri = Uri.parse("content://${context.packageName}.captures/$name")

        /** Whether the camera wrote something. */
        fun written(
            context: Context,
            uri: Uri,
        ): Boolean = File(folder(context), uri.lastPathSegment.orEmpty()).length() > 0
    }
}
