@file:JvmName("Scorers")

package org.ralikit.android

import android.content.Context
import android.content.res.AssetFileDescriptor
import android.graphics.Bitmap
import android.net.Uri
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.withContext
import org.ralikit.EngineOptions
import org.ralikit.RaliScorer
import org.ralikit.Score
import org.ralikit.ScorerOptions
import org.ralikit.onnx.OnnxEngineFactory
import java.io.File

/** Options of a scorer on Android: both engines, and the platform's decoder. */
@JvmOverloads
public fun androidOptions(engine: EngineOptions = EngineOptions()): ScorerOptions =
    ScorerOptions(listOf(OnnxEngineFactory(Telemetry::off), LiteRtEngineFactory()), engine, AndroidDecoder)

/** Open a model's file. Errors as in [RaliScorer.Companion.open]. */
@JvmSynthetic
public suspend fun RaliScorer.Companion.open(
    file: File,
    options: EngineOptions = EngineOptions(),
): RaliScorer = open(file, androidOptions(options))

/** Open a model by its path. Errors as in [RaliScorer.Companion.open]. */
@JvmSynthetic
public suspend fun RaliScorer.Companion.open(
    path: String,
    options: EngineOptions = EngineOptions(),
): RaliScorer = open(File(path), androidOptions(options))

/**
 * Open a model among the application's assets. Engines open a model by its path, so it is copied once, into the
 * cache; the system may take the copy away, and the next opening makes it again.
 */
@JvmSynthetic
public suspend fun RaliScorer.Companion.openAsset(
    context: Context,
    asset: String,
    options: EngineOptions = EngineOptions(),
): RaliScorer = open(withContext(Dispatchers.IO) { ModelFiles.ofAsset(context, asset) }, androidOptions(options))

/** Open a model by its descriptor, which stays the caller's to close; copied as [openAsset] does. */
@JvmSynthetic
public suspend fun RaliScorer.Companion.open(
    context: Context,
    descriptor: AssetFileDescriptor,
    options: EngineOptions = EngineOptions(),
): RaliScorer =
    open(withContext(Dispatchers.IO) { ModelFiles.ofDescriptor(context, descriptor) }, androidOptions(options))

/** Open a model that the user picked; copied as [openAsset] does. */
@JvmSynthetic
public suspend fun RaliScorer.Companion.open(
    context: Context,
    uri: Uri,
    options: EngineOptions = EngineOptions(),
): RaliScorer = open(withContext(Dispatchers.IO) { ModelFiles.ofUri(context, uri) }, androidOptions(options))

/** As `openAsset`, for Java, on the caller's own thread. */
@JvmOverloads
public fun openAssetBlocking(
    context: Context,
    asset: String,
    options: EngineOptions = EngineOptions(),
): RaliScorer = RaliScorer.openBlocking(ModelFiles.ofAsset(context, asset), androidOptions(options))

/** As `open` with an address, for Java, on the caller's own thread. */
@JvmOverloads
public fun openUriBlocking(
    context: Context,
    uri: Uri,
    options: EngineOptions = EngineOptions(),
): RaliScorer = RaliScorer.openBlocking(ModelFiles.ofUri(context, uri), androidOptions(options))

/** Score an upright picture. */
@JvmSynthetic
public suspend fun RaliScorer.score(
    bitmap: Bitmap,
    embedding: Boolean = false,
): Score = score(AndroidPhotos.bitmap(bitmap), embedding)

/** Score the photo behind an address. */
@JvmSynthetic
public suspend fun RaliScorer.score(
    context: Context,
    uri: Uri,
    embedding: Boolean = false,
): Score = score(AndroidPhotos.uri(context, uri), embedding)

/** Score upright sRGB pixels, row by row, ARGB with straight alpha. */
@JvmSynthetic
public suspend fun RaliScorer.score(
    argb: IntArray,
    width: Int,
    height: Int,
    embedding: Boolean = false,
): Score =
    score(
        org.ralikit.Photo
            .argb(argb, width, height),
        embedding,
    )
