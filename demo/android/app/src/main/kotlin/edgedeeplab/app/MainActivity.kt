package edgedeeplab.app

import android.Manifest
import android.content.pm.PackageManager
import android.net.Uri
import android.os.Bundle
import android.view.Gravity
import android.view.ViewGroup.LayoutParams.MATCH_PARENT
import android.view.ViewGroup.LayoutParams.WRAP_CONTENT
import android.widget.Button
import android.widget.FrameLayout
import android.widget.LinearLayout
import android.widget.TextView
import androidx.activity.ComponentActivity
import androidx.activity.result.contract.ActivityResultContracts
import androidx.camera.core.CameraSelector
import androidx.camera.core.ImageAnalysis
import androidx.camera.core.ImageProxy
import androidx.camera.lifecycle.ProcessCameraProvider
import androidx.documentfile.provider.DocumentFile
import com.google.ai.edge.litert.Accelerator
import edgedeeplab.core.StageTimes
import edgedeeplab.core.Statistics
import java.util.concurrent.Executors

private val ACCELERATORS = listOf(Accelerator.CPU, Accelerator.GPU, Accelerator.NPU)

/** The camera's picture, segmented, its classes in colour; a tap on a button changes the accelerator or replays a folder. */
class MainActivity : ComponentActivity() {
    private val worker = Executors.newSingleThreadExecutor()
    private lateinit var view: OverlayView
    private lateinit var status: TextView
    private var segmenter: Segmenter? = null
    private var statistics = Statistics()

    private val askForCamera = registerForActivityResult(ActivityResultContracts.RequestPermission()) { allowed ->
        if (allowed) startCamera() else say("the camera was refused: allow it in the system's settings")
    }
    private val askForFolder = registerForActivityResult(ActivityResultContracts.OpenDocumentTree()) { folder ->
        if (folder != null) worker.execute { replay(folder) }
    }

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        view = OverlayView(this)
        status = TextView(this)
        setContentView(layout())
        open(Accelerator.CPU)
        val allowed = checkSelfPermission(Manifest.permission.CAMERA) == PackageManager.PERMISSION_GRANTED
        if (allowed) startCamera() else askForCamera.launch(Manifest.permission.CAMERA)
    }

    override fun onDestroy() {
        worker.execute { segmenter?.close() }
        worker.shutdown()
        super.onDestroy()
    }

    private fun layout() = FrameLayout(this).apply {
        addView(view, FrameLayout.LayoutParams(MATCH_PARENT, MATCH_PARENT))
        val buttons = LinearLayout(context)
        ACCELERATORS.forEach { each -> buttons.addView(button(each.name) { open(each) }) }
        buttons.addView(button("Replay") { askForFolder.launch(null) })
        val bottom = LinearLayout(context).apply { orientation = LinearLayout.VERTICAL }
        bottom.addView(status)
        bottom.addView(buttons)
        addView(bottom, FrameLayout.LayoutParams(MATCH_PARENT, WRAP_CONTENT, Gravity.BOTTOM))
    }

    private fun button(label: String, tapped: () -> Unit) = Button(this).apply {
        text = label
        setOnClickListener { tapped() }
    }

    /** Opens the model on an accelerator, behind the frames that are under way. */
    private fun open(accelerator: Accelerator) = worker.execute {
        segmenter?.close()
        segmenter = null
        statistics = Statistics()
        segmenter = trying { Segmenter.open(assets, accelerator) }
    }

    private fun startCamera() {
        val provider = ProcessCameraProvider.getInstance(this)
        provider.addListener({
            trying {
                val frames = ImageAnalysis.Builder()
                    .setOutputImageFormat(ImageAnalysis.OUTPUT_IMAGE_FORMAT_RGBA_8888)
                    .setBackpressureStrategy(ImageAnalysis.STRATEGY_KEEP_ONLY_LATEST)
                    .build()
                frames.setAnalyzer(worker) { frame -> frame.use { trying { show(it) } } }
                provider.get().unbindAll()
                provider.get().bindToLifecycle(this, CameraSelector.DEFAULT_BACK_CAMERA, frames)
            }
        }, mainExecutor)
    }

    private fun show(frame: ImageProxy) {
        val model = segmenter ?: return
        val start = System.nanoTime()
        val picture = modelPictureOf(frame)
        val segmented = model.segment(picture, start)
        val drawing = System.nanoTime()
        view.show(picture, segmented.ids)
        val end = System.nanoTime()
        val times = segmented.times
        statistics.add(StageTimes(times.infer, times.prepare, (end - drawing) / 1e6), end)
        say(told(model))
    }

    private fun told(model: Segmenter): String {
        val stages = listOf("prepare" to StageTimes::prepare, "infer" to StageTimes::infer, "draw" to StageTimes::draw)
            .joinToString(", ") { (name, stage) -> "$name %.1f ms".format(statistics.median(stage) ?: 0.0) }
        val fallback = model.why?.let { "\n${model.asked} was asked for: $it" } ?: ""
        val debug = if (BuildConfig.DEBUG) "\ndebug build: a release is faster" else ""
        return "${model.got}, %.1f frames a second; $stages$fallback$debug".format(statistics.framesPerSecond ?: 0.0)
    }

    private fun replay(folder: Uri) {
        trying {
            val model = checkNotNull(segmenter) { "no model is open" }
            val tree = checkNotNull(DocumentFile.fromTreeUri(this, folder))
            PhotographReplay(this, model).run(tree) { done, all -> say("replaying $done of $all") }
            say("class maps are in the folder's masks: score them with edge-deeplab parity --masks")
        }
    }

    /** What an action gives; its failure is shown in place of it. */
    private fun <T> trying(action: () -> T): T? = try {
        action()
    } catch (error: Exception) {
        say(error.message ?: error.javaClass.simpleName)
        null
    }

    private fun say(text: String) = runOnUiThread { status.text = text }
}
