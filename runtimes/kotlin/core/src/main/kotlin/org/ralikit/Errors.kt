package org.ralikit

/** Anything that ralikit refuses: one clear sentence of what was expected, what came and what to do. */
public sealed class RaliError(
    message: String,
    cause: Throwable? = null,
) : RuntimeException(message, cause)

/** The file is foreign, damaged, of another schema, or does not fit its facts. */
public class ModelError
    @JvmOverloads
    constructor(
        message: String,
        cause: Throwable? = null,
    ) : RaliError(message, cause)

/** This photo cannot be read or scored; the others can. */
public class PhotoError
    @JvmOverloads
    constructor(
        message: String,
        cause: Throwable? = null,
    ) : RaliError(message, cause)

/** The library that runs the model is missing or refuses to start. */
public class RuntimeLoadError
    @JvmOverloads
    constructor(
        message: String,
        cause: Throwable? = null,
    ) : RaliError(message, cause)

/** The caller's mistake: a closed scorer, an unknown option, wrong shapes. */
public class UsageError
    @JvmOverloads
    constructor(
        message: String,
        cause: Throwable? = null,
    ) : RaliError(message, cause)

/** A line is no sealed record, or was edited. */
public class RecordError
    @JvmOverloads
    constructor(
        message: String,
        cause: Throwable? = null,
    ) : RaliError(message, cause)
