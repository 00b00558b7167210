@file:JvmName("Scorers")

package org.ralikit.android

import android.content.Context
import android.content.res.AssetFileDescriptor
import android.graphics.Bitmap
import android.net.Uri
import java.io.File
import org.ralikit.EngineOptions
import org.ralikit.RaliScorer
import org.ralikit.Score

/** Open a model's file. Errors as in [RaliScorer.Companion.open]. */
@JvmSynthetic
public suspend fun RaliScorer.Companion.open(
    context: Context,
    file: File,
    options: EngineOptions = EngineOptions(),
): RaliScorer = TODO()

/** Open a model among the application's assets; it is copied once, into the folder that backups leave out. */
@JvmSynthetic
public suspend fun RaliScorer.Companion.openAsset(
    context: Context,
    asset: String,
    options: EngineOptions = EngineOptions(),
): RaliScorer = TODO()

/** Open a model by its descriptor, which stays the caller's to close; copied as [openAsset] does. */
@JvmSynthetic
public suspend fun RaliScorer.Companion.open(
    context: Context,
    descriptor: AssetFileDescriptor,
    options: EngineOptions = EngineOptions(),
): RaliScorer = TODO()

/** Open a model that the user picked; copied as [openAsset] does. */
@JvmSynthetic
public suspend fun RaliScorer.Companion.open(
    context: Context,
    uri: Uri,
    options: EngineOptions = EngineOptions(),
): RaliScorer = TODO()

/** Score an upright picture. */
@JvmSynthetic
public suspend fun RaliScorer.score(
    bitmap: Bitmap,
    embedding: Boolean = false,
): Score = TODO()

/** Score the photo behind an address. */
@JvmSynthetic
public suspend fun RaliScorer.score(
    context: Context,
    uri: Uri,
    embedding: Boolean = false,
): Score = TODO()
