package org.ralikit.android

import android.system.ErrnoException
import android.system.Os

/** ONNX Runtime's reporter of usage. */
internal object Telemetry {
    /**
     * Turn it off, before the library is loaded: it acts on loading. A setting of the application's own stays.
     */
    fun off() {
        try {
            Os.setenv("ORT_DISABLE_TELEMETRY", "1", false)
        } catch (_: ErrnoException) {
            // The environment cannot be changed; the API's own switch follows as the library is loaded.
        }
    }
}
