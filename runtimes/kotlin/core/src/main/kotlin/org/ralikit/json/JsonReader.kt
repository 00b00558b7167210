package org.ralikit.json

import java.nio.ByteBuffer
import java.nio.charset.CharacterCodingException
import java.nio.charset.CodingErrorAction

/** A JSON text that cannot be read; the message is one short sentence's end. */
internal class JsonError(
    message: String,
) : Exception(message)

/**
 * Plain values from a JSON text that anybody may have written: maps, lists, texts, longs, doubles, booleans and
 * null. Nesting is bounded and numbers are finite.
 *
 * @param once whether a name that stands twice in an object is refused; else the last one counts.
 */
internal fun parseJson(
    text: String,
    once: Boolean = false,
): Any? = JsonReader(text, once).whole()

/** Text of UTF-8 bytes; a byte order mark is left in. @throws JsonError where they are none. */
internal fun utf8(bytes: ByteArray): String =
    try {
        Charsets.UTF_8
            .newDecoder()
            .onMalformedInput(CodingErrorAction.REPORT)
            .onUnmappableCharacter(CodingErrorAction.REPORT)
            .decode(ByteBuffer.wrap(bytes))
            .toString()
    } catch (_: CharacterCodingException) {
        throw JsonError("it is not UTF-8")
    }

internal const val DEPTH = 64
private const val DIGITS = 300
private const val LONG_DIGITS = 18

private class JsonReader(
    private val text: String,
    private val once: Boolean,
) {
    private var at = 0

    fun whole(): Any? {
        val value = value(1)
        space()
        if (at < text.length) fail("something stands behind its end")
        return value
    }

    private fun value(depth: Int): Any? {
        if (depth > DEPTH) fail("it is nested more than $DEPTH deep")
        space()
        return when (peek()) {
            '{' -> objectOf(depth)
            '[' -> listOf(depth)
            '"' -> string()
            't' -> word("true", true)
            'f' -> word("false", false)
            'n' -> word("null", null)
            else -> number()
        }
    }

    private fun objectOf(depth: Int): Map<String, Any?> {
        val found = LinkedHashMap<String, Any?>()
        at++
        if (ends('}')) return found
        while (true) {
            space()
            if (peek() != '"') fail("a name is missing")
            val name = string()
            space()
            expect(':')
            val value = value(depth + 1)
            if (once && found.containsKey(name)) fail("the name \"${name.take(40)}\" appears twice")
            found[name] = value
            if (ends('}')) return found
            expect(',')
        }
    }

    private fun listOf(depth: Int): List<Any?> {
        val found = ArrayList<Any?>()
        at++
        if (ends(']')) return found
        while (true) {
            found += value(depth + 1)
            if (ends(']')) return found
            expect(',')
        }
    }

    private fun string(): String {
        at++
        val out = StringBuilder()
        while (true) {
            val c = take()
            when {
                c == '"' -> return out.toString()
                c == '\\' -> out.append(escape())
                c < ' ' -> fail("a control character stands in a text")
                else -> out.append(c)
            }
        }
    }

    private fun escape(): Char =
        when (val c = take()) {
            '"', '\\', '/' -> {
                c
            }

            'b' -> {
                '\b'
            }

            'f' -> {
                '\u000c'
            }

            'n' -> {
                '\n'
            }

            'r' -> {
                '\r'
            }

            't' -> {
                '\t'
            }

            'u' -> {
                var code = 0
                repeat(4) {
                    val digit = HEX.indexOf(take().lowercaseChar())
                    if (digit < 0) fail("an escape is no hexadecimal number")
                    code = code * 16 + digit
                }
                code.toChar()
            }

            else -> {
                fail("an unknown escape")
            }
        }

    private fun number(): Any {
        val start = at
        if (peek() == '-') at++
        val first = at
        digits()
        if (text[first] == '0' && at > first + 1) fail("a number begins with 0")
        val whole = at
        if (peekOrNull() == '.') {
            at++
            digits()
        }
        if (peekOrNull() == 'e' || peekOrNull() == 'E') {
            at++
            if (peekOrNull() == '+' || peekOrNull() == '-') at++
            digits()
        }
        val said = text.substring(start, at)
        if (at == whole && whole - first <= LONG_DIGITS) return said.toLong()
        if (at == whole && whole - first > DIGITS) fail("it has a whole number that is too large")
        val value = said.toDouble()
        if (value.isInfinite()) fail("it has a number that is too large")
        return value
    }

    private fun digits() {
        val start = at
        while (at < text.length && text[at] in '0'..'9') at++
        if (at == start) fail("a value is missing")
    }

    private fun <T> word(
        word: String,
        value: T,
    ): T {
        if (!text.startsWith(word, at)) fail("a value is missing")
        at += word.length
        return value
    }

    private fun ends(c: Char): Boolean {
        space()
        if (peek() != c) return false
        at++
        return true
    }

    private fun expect(c: Char) {
        if (take() != c) fail("a '$c' is missing")
    }

    private fun space() {
        while (at < text.length && (text[at] == ' ' || text[at] == '\n' || text[at] == '\r' || text[at] == '\t')) at++
    }

    private fun peekOrNull(): Char? = text.getOrNull(at)

    private fun peek(): Char = text.getOrNull(at) ?: fail("it is cut off")

    private fun take(): Char = peek().also { at++ }

    private fun fail(reason: String): Nothing = throw JsonError("$reason (at character $at)")

    private companion object {
        const val HEX = "0123456789abcdef"
    }
}
