package org.ralikit.demo.app

import android.app.Application

/** Holds the one [Session], which outlives every rotation. */
class App : Application() {
    val session: Session by lazy { Session(this) }
}
