package org.ralikit.demo.app

import android.view.LayoutInflater
import android.view.View
import android.view.ViewGroup
import android.widget.AbsListView
import android.widget.BaseAdapter
import android.widget.Button
import android.widget.GridView
import android.widget.ImageView
import android.widget.ProgressBar
import android.widget.TextView
import org.ralikit.demo.Comparison
import org.ralikit.demo.Page
import org.ralikit.demo.Phase
import org.ralikit.demo.Row
import org.ralikit.demo.compare

/** A page as it is drawn. */
interface Screen {
    val view: View
    val title: String

    /** Draw what the view-model holds now. */
    fun draw()
}

/** What every page draws with. */
class Tools(
    val activity: MainActivity,
    val session: Session,
    val words: Words,
    val thumbnails: Thumbnails,
) {
    val viewModel get() = session.viewModel

    fun inflate(layout: Int): View =
        LayoutInflater.from(activity).inflate(layout, activity.findViewById(R.id.page), false)

    /** Fill a cell with a photo. */
    fun cell(
        cell: View,
        row: Row,
    ) {
        val model = viewModel.library?.model ?: return
        thumbnails.show(row.entry.found.address, cell.findViewById(R.id.picture))
        cell.findViewById<TextView>(R.id.score).text = words.score(row.entry.outcome, model)
        cell.findViewById<TextView>(R.id.why).text = words.why(row.entry.outcome, model)
        cell.contentDescription = words.spoken(row, model)
    }
}

/** The ranked grid. */
class GridScreen(
    private val tools: Tools,
) : Screen {
    override val view: View = tools.inflate(R.layout.grid)
    override val title: String
        get() =
            if (tools.viewModel.screens.marked != null) {
                tools.activity.getString(R.string.compare_pick)
            } else {
                tools.viewModel.library
                    ?.source
                    ?.title ?: tools.activity.getString(R.string.app_name)
            }
    private val grid: GridView = view.findViewById(R.id.photos)
    private val pause: Button = view.findViewById(R.id.pause)
    private val cells = Cells(tools)

    init {
        // Large letters get wider cells, so fewer of them in a row.
        val scale = tools.activity.resources.configuration.fontScale
        grid.columnWidth = (CELL_DP * maxOf(1f, scale) * tools.activity.resources.displayMetrics.density).toInt()
        grid.adapter = cells
        grid.setOnItemClickListener { _, _, at, _ -> open(cells.rows[at].entry.index) }
        grid.setOnItemLongClickListener { _, _, at, _ ->
            tools.viewModel.mark(cells.rows[at].entry.index)
            true
        }
        grid.setOnScrollListener(Scrolled())
        view.findViewById<View>(R.id.empty_photos).setOnClickListener { tools.activity.choosePhotos() }
        view.findViewById<View>(R.id.empty_folder).setOnClickListener { tools.activity.chooseFolder() }
        draw()
        grid.setSelection(tools.viewModel.screens.top)
    }

    override fun draw() {
        cells.rows = tools.viewModel.rows()
        cells.notifyDataSetChanged()
        status()
        val empty = tools.viewModel.library == null
        grid.visibility = if (empty) View.GONE else View.VISIBLE
        view.findViewById<View>(R.id.empty).visibility = if (empty) View.VISIBLE else View.GONE
    }

    private fun open(index: Int) {
        if (tools.viewModel.screens.marked !=
            null
        ) {
            tools.viewModel.mark(index)
        } else {
            tools.viewModel.open(Page.Detail(index))
        }
    }

    private fun status() {
        val progress = tools.viewModel.progress
        val bar: ProgressBar = view.findViewById(R.id.progress)
        bar.max = maxOf(1, progress?.total ?: 1)
        bar.progress = bar.max - (progress?.left ?: 0)
        bar.visibility = if (progress?.phase?.goesOn == true) View.VISIBLE else View.GONE
        view.findViewById<TextView>(R.id.status).text = statusText()
        val resumes = progress?.phase == Phase.PAUSED
        val retries = progress?.phase == Phase.BROKEN || (progress?.phase == Phase.DONE && progress.failed > 0)
        val offered = tools.session.comparable && (progress?.phase?.goesOn == true || resumes || retries)
        pause.visibility = if (offered) View.VISIBLE else View.GONE
        pause.setText(
            if (resumes) {
                R.string.resume
            } else if (retries) {
                R.string.retry
            } else {
                R.string.pause
            },
        )
        pause.setOnClickListener { if (resumes || retries) tools.session.resume() else tools.session.pause() }
    }

    private fun statusText(): String {
        val problem = tools.session.problem
        val progress = tools.viewModel.progress
        return when {
            problem != null -> tools.activity.getString(R.string.model_missing, problem)
            tools.session.scorer == null -> tools.activity.getString(R.string.opening_model)
            progress == null -> ""
            !tools.session.comparable -> tools.activity.getString(R.string.status_other_model)
            else -> tools.words.status(progress, tools.session.secondsLeft)
        }
    }

    private inner class Scrolled : AbsListView.OnScrollListener {
        override fun onScrollStateChanged(
            list: AbsListView,
            state: Int,
        ) = tools.viewModel.scrolled(list.firstVisiblePosition)

        override fun onScroll(
            list: AbsListView,
            first: Int,
            visible: Int,
            total: Int,
        ) = Unit
    }

    private companion object {
        const val CELL_DP = 150
    }
}

private class Cells(
    private val tools: Tools,
) : BaseAdapter() {
    var rows: List<Row> = emptyList()

    override fun getCount() = rows.size

    override fun getItem(position: Int) = rows[position]

    override fun getItemId(position: Int) = rows[position].entry.index.toLong()

    override fun hasStableIds() = true

    override fun getView(
        position: Int,
        reused: View?,
        parent: ViewGroup,
    ): View = (reused ?: tools.inflate(R.layout.cell)).also { tools.cell(it, rows[position]) }
}

/** One photo: its reasons, and the model that gives them. */
class DetailScreen(
    private val tools: Tools,
    private val page: Page.Detail,
) : Screen {
    override val view: View = tools.inflate(R.layout.detail)
    override val title get() =
        tools.viewModel.library
            ?.entry(page.index)
            ?.found
            ?.name
            .orEmpty()

    init {
        view.findViewById<View>(R.id.compare).setOnClickListener {
            toGrid()
            if (tools.viewModel.screens.marked == null) tools.viewModel.mark(page.index)
        }
        draw()
    }

    override fun draw() {
        val library = tools.viewModel.library ?: return
        val entry = library.entry(page.index) ?: return
        val burst = tools.viewModel.bursts.of(page.index)
        tools.thumbnails.show(entry.found.address, view.findViewById(R.id.picture), large = true)
        text(R.id.score, tools.words.score(entry.outcome, library.model))
        text(R.id.why, tools.words.why(entry.outcome, library.model))
        val size = entry.scored?.let { tools.activity.getString(R.string.size, it.width, it.height) }
        text(R.id.burst, listOfNotNull(size, burst?.let { tools.words.burst(entry, it) }).joinToString("\n"))
        text(R.id.reasons, entry.scored?.let { tools.words.allReasons(it, library.model) }.orEmpty())
        text(
            R.id.facts,
            tools.session.scorer
                ?.takeIf { tools.session.comparable }
                ?.let(tools.words::facts)
                .orEmpty(),
        )
    }

    private fun toGrid() {
        while (tools.viewModel.screens.page != Page.Grid) if (!tools.viewModel.back()) return
    }

    private fun text(
        id: Int,
        text: String,
    ) {
        val field: TextView = view.findViewById(id)
        field.text = text
        field.visibility = if (text.isEmpty()) View.GONE else View.VISIBLE
    }
}

/** Two photos side by side, and what the model can say of them. */
class CompareScreen(
    private val tools: Tools,
    private val page: Page.Compare,
) : Screen {
    override val view: View = tools.inflate(R.layout.compare)
    override val title get() = tools.activity.getString(R.string.compare)

    init {
        draw()
    }

    override fun draw() {
        val library = tools.viewModel.library ?: return
        val first = library.entry(page.first) ?: return
        val second = library.entry(page.second) ?: return
        for ((id, entry) in listOf(R.id.first to first, R.id.second to second)) {
            val cell: View = view.findViewById(id)
            tools.cell(cell, Row(entry, null, tools.viewModel.bursts.of(entry.index)))
            cell.findViewById<ImageView>(R.id.picture).scaleType = ImageView.ScaleType.FIT_CENTER
            cell.setOnClickListener { tools.viewModel.open(Page.Detail(entry.index)) }
        }
        val said: Comparison = compare(first, second, library.model)
        view.findViewById<TextView>(R.id.verdict).text = tools.words.comparison(said)
    }
}

/** The model that is open, and how to open another. */
class ModelScreen(
    private val tools: Tools,
) : Screen {
    override val view: View = tools.inflate(R.layout.text_page)
    override val title get() = tools.activity.getString(R.string.model)

    init {
        val open: Button = view.findViewById(R.id.first_action)
        open.setText(R.string.model_open)
        open.setOnClickListener { tools.activity.chooseModel() }
        val shipped: Button = view.findViewById(R.id.second_action)
        shipped.setText(R.string.model_shipped)
        shipped.setOnClickListener { tools.session.use(null) }
        draw()
    }

    override fun draw() {
        val problem = tools.session.problem
        val scorer = tools.session.scorer
        view.findViewById<TextView>(R.id.body).text =
            when {
                problem != null -> tools.activity.getString(R.string.model_missing, problem)
                scorer == null -> tools.activity.getString(R.string.opening_model)
                else -> tools.words.facts(scorer)
            }
    }
}
