package org.ralikit.demo

import java.io.DataInputStream
import java.io.DataOutputStream
import java.io.IOException

/** What a library's journal says, one record each. */
internal sealed class Note {
    class Begun(
        val source: Source,
        val model: ModelInfo,
    ) : Note()

    class Added(
        val found: Found,
    ) : Note()

    class Came(
        val index: Int,
        val outcome: Outcome?,
    ) : Note()

    class Entered(
        val phase: Phase,
        val message: String?,
    ) : Note()
}

internal fun DataOutputStream.write(note: Note) {
    when (note) {
        is Note.Begun -> {
            writeByte(BEGUN)
            writeUTF(note.source.origin.name)
            writeText(note.source.address)
            writeText(note.source.title)
            write(note.model)
        }

        is Note.Added -> {
            writeByte(ADDED)
            writeText(note.found.address)
            writeText(note.found.name)
        }

        is Note.Came -> {
            writeByte(CAME)
            writeInt(note.index)
            write(note.outcome)
        }

        is Note.Entered -> {
            writeByte(ENTERED)
            writeUTF(note.phase.name)
            writeBoolean(note.message != null)
            writeText(note.message ?: "")
        }
    }
}

/** @throws IOException if another version wrote it. */
internal fun DataInputStream.readNote(): Note =
    when (val kind = readByte().toInt()) {
        BEGUN -> Note.Begun(Source(Origin.valueOf(readUTF()), readText(), readText()), readModel())
        ADDED -> Note.Added(Found(readText(), readText()))
        CAME -> Note.Came(readInt(), readOutcome())
        ENTERED -> Note.Entered(Phase.valueOf(readUTF()), optional(readBoolean(), readText()))
        else -> throw IOException("the library's file has a record of kind $kind, which this version does not know")
    }

private const val BEGUN = 1
private const val ADDED = 2
private const val CAME = 3
private const val ENTERED = 4
private const val NOTHING = 0
private const val SCORED = 1
private const val FAILED = 2

private fun <T> optional(
    there: Boolean,
    value: T,
): T? = value.takeIf { there }

/** Text of any length: writeUTF refuses more than 65,535 bytes. */
internal fun DataOutputStream.writeText(text: String) {
    val bytes = text.toByteArray()
    writeInt(bytes.size)
    write(bytes)
}

internal fun DataInputStream.readText(): String {
    val size = readInt()
    if (size !in 0..available()) throw IOException("a text of $size bytes does not fit its record")
    return String(ByteArray(size).also(::readFully), Charsets.UTF_8)
}

private fun DataOutputStream.write(model: ModelInfo) {
    writeText(model.name)
    writeText(model.precision)
    writeText(model.sha256)
    writeDouble(model.minimum)
    writeDouble(model.maximum)
    writeBoolean(model.tieWidth != null)
    writeDouble(model.tieWidth ?: 0.0)
    writeInt(model.reasons.size)
    for (reason in model.reasons) {
        writeText(reason.id)
        writeText(reason.words)
    }
}

private fun DataInputStream.readModel(): ModelInfo =
    ModelInfo(
        name = readText(),
        precision = readText(),
        sha256 = readText(),
        minimum = readDouble(),
        maximum = readDouble(),
        tieWidth = optional(readBoolean(), readDouble()),
        reasons = List(readInt()) { ReasonInfo(readText(), readText()) },
    )

private fun DataOutputStream.write(outcome: Outcome?) {
    when (outcome) {
        null -> {
            writeByte(NOTHING)
        }

        is Outcome.Failed -> {
            writeByte(FAILED)
            writeText(outcome.message)
        }

        is Outcome.Scored -> {
            writeByte(SCORED)
            writeDouble(outcome.value)
            writeInt(outcome.width)
            writeInt(outcome.height)
            writeInt(outcome.reasons.size)
            outcome.reasons.forEach(::writeFloat)
            writeInt(outcome.fingerprint.size)
            write(outcome.fingerprint)
            writeBoolean(outcome.taken != null)
            writeDouble(outcome.taken ?: 0.0)
        }
    }
}

private fun DataInputStream.readOutcome(): Outcome? =
    when (val kind = readByte().toInt()) {
        NOTHING -> {
            null
        }

        FAILED -> {
            Outcome.Failed(readText())
        }

        SCORED -> {
            val value = readDouble()
            val width = readInt()
            val height = readInt()
            val reasons = FloatArray(readInt()) { readFloat() }
            val fingerprint = ByteArray(readInt()).also(::readFully)
            Outcome.Scored(value, width, height, reasons, fingerprint, optional(readBoolean(), readDouble()))
        }

        else -> {
            throw IOException("an outcome of kind $kind is not known")
        }
    }
