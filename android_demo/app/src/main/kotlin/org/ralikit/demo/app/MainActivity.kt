package org.ralikit.demo.app

import android.app.Activity
import android.app.AlertDialog
import android.content.ActivityNotFoundException
import android.content.ClipData
import android.content.Intent
import android.net.Uri
import android.os.Bundle
import android.provider.DocumentsContract
import android.view.View
import android.view.ViewGroup
import android.view.WindowManager
import android.widget.ArrayAdapter
import android.widget.CheckBox
import android.widget.EditText
import android.widget.PopupMenu
import android.widget.Spinner
import android.widget.TextView
import android.widget.Toast
import org.ralikit.demo.BenchOrder
import org.ralikit.demo.Filter
import org.ralikit.demo.Origin
import org.ralikit.demo.Page
import org.ralikit.demo.writeCsv
import java.io.IOException
import java.io.OutputStreamWriter

/** The app's one activity: draws the page that the view-model is on, and asks the system for photos and files. */
class MainActivity : Activity() {
    private val session get() = (application as App).session
    private val viewModel get() = session.viewModel
    private lateinit var tools: Tools
    private var shown: Pair<Page, Screen>? = null

    override fun onCreate(saved: Bundle?) {
        super.onCreate(saved)
        setContentView(R.layout.main)
        tools = Tools(this, session, Words(this), Thumbnails(applicationContext))
        findViewById<View>(R.id.back).setOnClickListener { leave() }
        findViewById<View>(R.id.camera).setOnClickListener { takePhoto() }
        findViewById<View>(R.id.filter).setOnClickListener { filter() }
        findViewById<View>(R.id.add).setOnClickListener { add(it) }
        findViewById<View>(R.id.more).setOnClickListener { more(it) }
        session.screen = ::draw
        draw()
        if (saved == null) take(intent)
    }

    override fun onNewIntent(intent: Intent) {
        super.onNewIntent(intent)
        take(intent)
    }

    override fun onStart() {
        super.onStart()
        session.screen = ::draw
        session.goOn()
        draw()
    }

    override fun onStop() {
        viewModel.save()
        session.screen = null
        super.onStop()
    }

    @Deprecated("The way back that API 24 to 34 share; the newer one is not in API 24.")
    override fun onBackPressed() = leave()

    override fun onActivityResult(
        request: Int,
        result: Int,
        data: Intent?,
    ) {
        super.onActivityResult(request, result, data)
        if (request == CAMERA) return photoTaken(result == RESULT_OK)
        if (result != RESULT_OK || data == null) return
        val address = data.data
        when (request) {
            PHOTOS -> take(addresses(data), Origin.PHOTOS, R.string.chosen_photos)
            FOLDER -> address?.let(::takeFolder)
            MODEL -> address?.let(::takeModel)
            CSV -> address?.let(::saveCsv)
            RECORD -> address?.let(::saveRecordTo)
        }
    }

    fun choosePhotos() {
        val intent = open("image/*").putExtra(Intent.EXTRA_ALLOW_MULTIPLE, true)
        ask(intent, PHOTOS)
    }

    fun chooseFolder() = ask(Intent(Intent.ACTION_OPEN_DOCUMENT_TREE), FOLDER)

    fun chooseModel() = ask(open("*/*"), MODEL)

    fun saveRecord() = ask(create("application/x-ndjson", "ralikit-phone.jsonl"), RECORD)

    private fun draw() {
        val page = viewModel.screens.page
        val screen = shown?.takeIf { it.first == page }?.second ?: make(page)
        screen.draw()
        findViewById<TextView>(R.id.title).text = screen.title
        val grid = page == Page.Grid
        findViewById<View>(R.id.back).visibility = visible(!grid || viewModel.screens.marked != null)
        for (id in intArrayOf(R.id.camera, R.id.add, R.id.more)) findViewById<View>(id).visibility = visible(grid)
        findViewById<View>(R.id.filter).visibility = visible(grid && viewModel.library != null)
    }

    private fun make(page: Page): Screen {
        val screen =
            when (page) {
                Page.Grid -> GridScreen(tools)
                is Page.Detail -> DetailScreen(tools, page)
                is Page.Compare -> CompareScreen(tools, page)
                Page.Bench -> BenchScreen(tools)
                Page.Model -> ModelScreen(tools)
            }
        val holder = findViewById<ViewGroup>(R.id.page)
        holder.removeAllViews()
        holder.addView(screen.view)
        shown = page to screen
        return screen
    }

    private fun leave() {
        if (!viewModel.back()) finish()
    }

    private fun add(anchor: View) {
        PopupMenu(this, anchor).apply {
            menu.add(R.string.choose_photos).setOnMenuItemClickListener { true.also { choosePhotos() } }
            menu.add(R.string.choose_folder).setOnMenuItemClickListener { true.also { chooseFolder() } }
            show()
        }
    }

    private fun more(anchor: View) {
        PopupMenu(this, anchor).apply {
            if (viewModel.library != null) {
                menu.add(R.string.export_csv).setOnMenuItemClickListener {
                    true.also { ask(create("text/csv", "ralikit.csv"), CSV) }
                }
            }
            menu.add(R.string.model).setOnMenuItemClickListener { true.also { viewModel.open(Page.Model) } }
            menu.add(R.string.bench).setOnMenuItemClickListener { true.also { viewModel.open(Page.Bench) } }
            show()
        }
    }

    private fun filter() {
        val model = viewModel.library?.model ?: return
        val view = layoutInflater.inflate(R.layout.filter, null)
        val atLeast = view.findViewById<EditText>(R.id.at_least)
        val atMost = view.findViewById<EditText>(R.id.at_most)
        val best = view.findViewById<CheckBox>(R.id.best)
        val reason = view.findViewById<Spinner>(R.id.reason)
        val before = viewModel.screens.filter
        atLeast.setText(before.atLeast?.toString().orEmpty())
        atMost.setText(before.atMost?.toString().orEmpty())
        best.isChecked = before.bestOfBurst
        val names = listOf(getString(R.string.any_reason)) + model.reasons.map(tools.words::reason)
        reason.adapter = ArrayAdapter(this, android.R.layout.simple_spinner_dropdown_item, names)
        reason.setSelection(model.reasons.indexOfFirst { it.id == before.reason } + 1)
        AlertDialog
            .Builder(this)
            .setTitle(R.string.filter)
            .setView(view)
            .setNeutralButton(R.string.stop_filter) { _, _ -> viewModel.filter(Filter()) }
            .setPositiveButton(R.string.apply) { _, _ ->
                val id = model.reasons.getOrNull(reason.selectedItemPosition - 1)?.id
                viewModel.filter(Filter(number(atLeast), number(atMost), id, best.isChecked))
            }.show()
    }

    private fun number(field: EditText): Double? =
        field.text
            .toString()
            .replace(',', '.')
            .toDoubleOrNull()

    private fun takePhoto() {
        val address = CaptureProvider.next(this)
        val intent = Intent(IMAGE_CAPTURE).putExtra(OUTPUT, address)
        intent.clipData = ClipData.newRawUri("", address)
        intent.addFlags(Intent.FLAG_GRANT_WRITE_URI_PERMISSION or Intent.FLAG_GRANT_READ_URI_PERMISSION)
        viewModel.capturing(address.toString())
        // The process may die while the camera is on the screen.
        viewModel.save()
        ask(intent, CAMERA)
    }

    private fun photoTaken(taken: Boolean) {
        val address = viewModel.screens.capture?.let(Uri::parse)
        viewModel.capturing(null)
        if (address == null || !taken || !CaptureProvider.written(this, address)) return
        take(listOf(address), Origin.CAMERA, R.string.taken_photos)
    }

    private fun take(intent: Intent) {
        val order = BenchOrder.of(intent::getStringExtra) ?: return takeShared(intent)
        // A screen that goes dark slows the phone down in the middle of it.
        window.addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON)
        viewModel.open(Page.Bench)
        BenchScreen.obey(session, applicationContext, order)
    }

    private fun takeShared(intent: Intent) {
        val send = intent.action == Intent.ACTION_SEND || intent.action == Intent.ACTION_SEND_MULTIPLE
        if (send) take(addresses(intent), Origin.SHARED, R.string.shared_photos)
    }

    private fun take(
        addresses: List<Uri>,
        origin: Origin,
        title: Int,
    ) {
        if (origin == Origin.PHOTOS) addresses.forEach { Session.keep(this, it) }
        val app = applicationContext
        // A name is a question to another process: ten thousand of them are not asked on this thread.
        session.aside({ addresses.map { foundAt(app, it) } }) { found ->
            session.choose(found.getOrThrow(), origin, app.getString(title))
        }
    }

    private fun addresses(data: Intent): List<Uri> {
        val clip = data.clipData
        val many = if (clip == null) emptyList() else (0 until clip.itemCount).mapNotNull { clip.getItemAt(it).uri }
        return many.ifEmpty { listOfNotNull(data.data ?: stream(data)) }
    }

    @Suppress("DEPRECATION") // The typed call is newer than API 24.
    private fun stream(data: Intent): Uri? = data.getParcelableExtra(Intent.EXTRA_STREAM)

    private fun takeFolder(tree: Uri) {
        Session.keep(this, tree)
        session.chooseFolder(
            tree,
            DocumentsContract.getTreeDocumentId(tree).substringAfterLast('/').substringAfterLast(':'),
        )
    }

    private fun takeModel(address: Uri) {
        Session.keep(this, address)
        session.use(address)
        draw()
    }

    private fun saveCsv(address: Uri) {
        val library = viewModel.library ?: return
        val rows = viewModel.rows()
        val bursts = viewModel.bursts
        save(address) { out ->
            OutputStreamWriter(out, Charsets.UTF_8).buffered().use {
                writeCsv(rows, bursts, library.model, it)
            }
        }
    }

    private fun saveRecordTo(address: Uri) {
        val record = BenchScreen.last?.record ?: return
        save(address) { out -> out.write(record) }
    }

    private fun save(
        address: Uri,
        write: (java.io.OutputStream) -> Unit,
    ) {
        val resolver = applicationContext.contentResolver
        session.aside({
            // "wt": a file that is written over must not keep its old end.
            val out = resolver.openOutputStream(address, "wt") ?: throw IOException(address.toString())
            out.use(write)
        }) { result ->
            val failed = result.exceptionOrNull()
            val said = if (failed == null) getString(R.string.saved) else getString(R.string.not_saved, failed.message)
            Toast.makeText(applicationContext, said, Toast.LENGTH_LONG).show()
        }
    }

    private fun open(type: String) =
        Intent(Intent.ACTION_OPEN_DOCUMENT)
            .addCategory(Intent.CATEGORY_OPENABLE)
            .setType(type)
            .addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION or Intent.FLAG_GRANT_PERSISTABLE_URI_PERMISSION)

    private fun create(
        type: String,
        name: String,
    ) = Intent(
        Intent.ACTION_CREATE_DOCUMENT,
    ).addCategory(Intent.CATEGORY_OPENABLE).setType(type).putExtra(Intent.EXTRA_TITLE, name)

    private fun ask(
        intent: Intent,
        request: Int,
    ) {
        try {
            startActivityForResult(intent, request)
        } catch (_: ActivityNotFoundException) {
            Toast.makeText(this, R.string.no_app, Toast.LENGTH_LONG).show()
        }
    }

    private fun visible(yes: Boolean) = if (yes) View.VISIBLE else View.GONE

    private companion object {
        const val PHOTOS = 1
        const val FOLDER = 2
        const val CAMERA = 3
        const val CSV = 4
        const val MODEL = 5
        const val RECORD = 6

        // MediaStore.ACTION_IMAGE_CAPTURE and EXTRA_OUTPUT.
        const val IMAGE_CAPTURE = "android.media.action.IMAGE_CAPTURE"
        const val OUTPUT = "output"
    }
}
