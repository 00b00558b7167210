package org.ralikit.demo.app

import android.content.Context
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.net.Uri
import android.os.Build
import android.os.Handler
import android.os.Looper
import android.util.LruCache
import android.util.Size
import android.widget.ImageView
import java.io.IOException
import java.util.concurrent.Executors

private const val THREADS = 2
private const val SHARE_OF_HEAP = 8
private const val SMALL = 320
private const val LARGE = 1080

/** Small pictures for the screen, an eighth of the heap at most. The score never comes from these. */
class Thumbnails(
    private val context: Context,
) {
    private val main = Handler(Looper.getMainLooper())
    private val readers = Executors.newFixedThreadPool(THREADS)
    private val kept =
        object : LruCache<String, Bitmap>((Runtime.getRuntime().maxMemory() / SHARE_OF_HEAP).toInt()) {
            override fun sizeOf(
                key: String,
                value: Bitmap,
            ) = value.byteCount
        }

    /** Show the photo in [view], now or soon; a view that shows another one by then keeps that. */
    fun show(
        address: String,
        view: ImageView,
        large: Boolean = false,
    ) {
        val edge = if (large) LARGE else SMALL
        val key = "$edge $address"
        view.tag = key
        view.setImageBitmap(kept.get(key))
        if (kept.get(key) != null) return
        readers.execute {
            if (view.tag != key) return@execute
            val bitmap = read(Uri.parse(address), edge) ?: return@execute
            main.post {
                kept.put(key, bitmap)
                if (view.tag == key) view.setImageBitmap(bitmap)
            }
        }
    }

    private fun read(
        address: Uri,
        edge: Int,
    ): Bitmap? =
        try {
            if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q) {
                context.contentResolver.loadThumbnail(address, Size(edge, edge), null)
            } else {
                decode(address, edge)
            }
        } catch (_: IOException) {
            null
        } catch (_: RuntimeException) {
            // Whatever a provider throws: the cell stays empty, the score does not depend on it.
            null
        }

    private fun decode(
        address: Uri,
        edge: Int,
    ): Bitmap? {
        val options = BitmapFactory.Options().apply { inJustDecodeBounds = true }
        stream(address, options)
        options.inJustDecodeBounds = false
        options.inSampleSize = maxOf(1, minOf(options.outWidth, options.outHeight) / edge)
        return stream(address, options)
    }

    private fun stream(
        address: Uri,
        options: BitmapFactory.Options,
    ): Bitmap? = context.contentResolver.openInputStream(address)?.use { BitmapFactory.decodeStream(it, null, options) }
}
