package org.ralikit.android

import android.content.Context
import android.content.res.AssetFileDescriptor
import android.graphics.Bitmap
import android.net.Uri
import org.ralikit.Photo

/** Photos as Android hands them out. */
public object AndroidPhotos {
    /** The photo behind an address; its bytes are read when its turn comes. */
    @JvmStatic
    @JvmOverloads
    public fun uri(
        context: Context,
        uri: Uri,
        name: String = uri.lastPathSegment ?: "the photo",
    ): Photo = TODO()

    /** An upright picture; the caller keeps it, and leaves it as it is while it is scored. */
    @JvmStatic
    @JvmOverloads
    public fun bitmap(
        bitmap: Bitmap,
        name: String = "the picture",
    ): Photo = TODO()

    /** A photo among the application's assets. */
    @JvmStatic
    public fun asset(
        context: Context,
        asset: String,
    ): Photo = TODO()

    /** A photo behind a descriptor, which stays the caller's to close. */
    @JvmStatic
    @JvmOverloads
    public fun descriptor(
        descriptor: AssetFileDescriptor,
        name: String = "the photo",
    ): Photo = TODO()
}
