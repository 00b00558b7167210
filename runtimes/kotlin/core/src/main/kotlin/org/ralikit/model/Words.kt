package org.ralikit.model

import org.ralikit.ModelError

/** Name of the facts' metadata entry, in every format. */
internal const val KEY = "ralikit"

/** Name of the digest's entry. */
internal const val DIGEST_KEY = "ralikit.digest"

/** What stands before the digest's 64 digits. */
internal const val MARK = "ralikit-sha256:"

/** A file's own words. @property digest where its 64 digits stand, and the digits; null: it has none. */
internal class Words(
    val facts: ByteArray?,
    val digest: Digest?,
    val ends: GraphEnds,
)

/** Names of a graph's inputs and outputs. */
internal data class GraphEnds(
    val inputs: List<String>,
    val outputs: List<String>,
)

internal data class Digest(
    val at: Long,
    val digits: String,
)

/** The error of an altered file. */
internal fun damaged(where: String) =
    ModelError("$where is damaged: it differs from what ralikit export wrote; copy or export it again")

/** The error of a file that says the same thing twice: readers would not agree on which of them counts. */
internal fun twice(where: String) = ModelError("$where carries ralikit metadata twice: it was altered; export it again")

/** The digits of a digest's entry. @throws ModelError if it holds anything else. */
internal fun digitsOf(
    entry: ByteArray,
    where: String,
): String {
    val text = String(entry, Charsets.ISO_8859_1)
    val digits = text.removePrefix(MARK)
    val fits = text.startsWith(MARK) && digits.length == DIGITS && digits.all { it in '0'..'9' || it in 'a'..'f' }
    if (!fits) throw damaged(where)
    return digits
}
