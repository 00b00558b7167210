package org.ralikit.android

import android.content.Context
import android.content.res.AssetFileDescriptor
import android.graphics.Bitmap
import android.net.Uri
import android.os.Build
import org.ralikit.Photo
import org.ralikit.PhotoContent
import org.ralikit.PhotoError
import java.io.ByteArrayOutputStream
import java.io.FileInputStream
import java.io.InputStream

private const val MOST_BYTES = 256 shl 20

/** Photos as Android hands them out. */
public object AndroidPhotos {
    /** The photo behind an address; its bytes are read when its turn comes. */
    @JvmStatic
    @JvmOverloads
    public fun uri(
        context: Context,
        uri: Uri,
        name: String = uri.lastPathSegment ?: "the photo",
    ): Photo {
        val resolver = context.applicationContext.contentResolver
        return StreamPhoto(name) { resolver.openInputStream(uri) ?: throw PhotoError("nothing is there any more") }
    }

    /** An upright picture; the caller keeps it, and leaves it as it is while it is scored. */
    @JvmStatic
    @JvmOverloads
    public fun bitmap(
        bitmap: Bitmap,
        name: String = "the picture",
    ): Photo =
        object : Photo {
            override val name = name

            override fun content() = PhotoContent.Pixels(sourceOf(bitmap))
        }

    /** A photo among the application's assets. */
    @JvmStatic
    public fun asset(
        context: Context,
        asset: String,
    ): Photo {
        val assets = context.applicationContext.assets
        return StreamPhoto(asset) { assets.open(asset) }
    }

    /** A photo behind a descriptor, which stays the caller's to close, after it is scored. */
    @JvmStatic
    @JvmOverloads
    public fun descriptor(
        descriptor: AssetFileDescriptor,
        name: String = "the photo",
    ): Photo =
        StreamPhoto(name) {
            val stream = FileInputStream(descriptor.fileDescriptor)
            stream.channel.position(descriptor.startOffset)
            val length = descriptor.length
            if (length == AssetFileDescriptor.UNKNOWN_LENGTH) stream else Limited(stream, length)
        }

    private fun sourceOf(bitmap: Bitmap): BitmapSource {
        if (bitmap.isRecycled) throw PhotoError("this bitmap is recycled")
        val hardware = Build.VERSION.SDK_INT >= Build.VERSION_CODES.O && bitmap.config == Bitmap.Config.HARDWARE
        if (!hardware) return BitmapSource(bitmap, owned = false, converted = true, upright = true)
        val copy = bitmap.copy(Bitmap.Config.ARGB_8888, false) ?: throw PhotoError("this bitmap cannot be read")
        return BitmapSource(copy, owned = true, converted = true, upright = true)
    }
}

private class StreamPhoto(
    override val name: String,
    private val open: () -> InputStream,
) : Photo {
    override fun content() = PhotoContent.Bytes(open().use(::whole))

    private fun whole(stream: InputStream): ByteArray {
        val out = ByteArrayOutputStream(maxOf(stream.available(), 1 shl 16))
        val piece = ByteArray(1 shl 16)
        while (true) {
            val count = stream.read(piece)
            if (count < 0) return out.toByteArray()
            out.write(piece, 0, count)
            if (out.size() > MOST_BYTES) throw PhotoError("is over ${MOST_BYTES shr 20} MB large")
        }
    }
}

/** The first [left] bytes of a stream that is not closed. */
private class Limited(
    private val stream: InputStream,
    private var left: Long,
) : InputStream() {
    override fun read(): Int = if (left > 0) stream.read().also { left-- } else -1

    override fun read(
        into: ByteArray,
        from: Int,
        count: Int,
    ): Int {
        if (left <= 0) return -1
        return stream.read(into, from, minOf(count.toLong(), left).toInt()).also { if (it > 0) left -= it }
    }
}
