package org.ralikit.demo.app

import android.app.job.JobInfo
import android.app.job.JobParameters
import android.app.job.JobScheduler
import android.app.job.JobService
import android.content.ComponentName
import android.content.Context

/**
 * Lets a scan go on while the app is in the background and after its process has died. A job asks for no permission
 * and shows no notification; the system may stop it after some minutes, and starts it again later.
 */
class ScanJob : JobService() {
    private val session get() = (application as App).session

    override fun onStartJob(parameters: JobParameters): Boolean {
        session.idle = { jobFinished(parameters, false) }
        session.goOn()
        return true
    }

    override fun onStopJob(parameters: JobParameters): Boolean {
        session.idle = null
        // With the app on the screen the scan needs no job.
        if (session.screen == null) session.interrupt()
        return true
    }

    companion object {
        private const val ID = 1

        fun schedule(context: Context) {
            val job =
                JobInfo
                    .Builder(ID, ComponentName(context, ScanJob::class.java))
                    .setOverrideDeadline(0)
            val scheduler = context.getSystemService(Context.JOB_SCHEDULER_SERVICE) as JobScheduler
            if (scheduler.getPendingJob(ID) == null) scheduler.schedule(job.build())
        }
    }
}
