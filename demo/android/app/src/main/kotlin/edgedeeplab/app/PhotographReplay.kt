package edgedeeplab.app

import android.content.Context
import android.graphics.BitmapFactory
import android.media.ExifInterface
import android.os.Build
import androidx.documentfile.provider.DocumentFile
import edgedeeplab.core.Replay
import edgedeeplab.core.ReplayedImage
import edgedeeplab.core.greyPng
import edgedeeplab.core.resized
import edgedeeplab.core.sha256
import java.io.InputStream

private const val MASKS = "masks"
private const val ACCOUNT = "replay.json"
private const val LITERT = "2.3.0"

/** Runs a folder of photographs through the model and writes their class maps and replay.json into its folder "masks". */
class PhotographReplay(private val context: Context, private val segmenter: Segmenter) {
    /** Replays the photographs of a folder that the user chose; told of each, and how many there are. */
    fun run(folder: DocumentFile, progress: (Int, Int) -> Unit) {
        val photographs = folder.listFiles().filter { it.type?.startsWith("image/") == true }.sortedBy { it.name }
        check(photographs.isNotEmpty()) { "the folder has no photographs" }
        folder.findFile(MASKS)?.let { old ->
            check(old.findFile(ACCOUNT) != null) { "the folder has a $MASKS that no replay wrote; move it elsewhere" }
            old.delete()
        }
        val masks = checkNotNull(folder.createDirectory(MASKS)) { "the folder cannot be written" }
        val images = photographs.mapIndexed { index, photograph ->
            progress(index, photographs.size)
            replay(photograph, masks)
        }
        write(masks, "application/json", ACCOUNT, accountOf(images).toJson().toByteArray())
    }

    private fun replay(photograph: DocumentFile, masks: DocumentFile): ReplayedImage {
        val name = checkNotNull(photograph.name).substringBeforeLast('.') + ".png"
        val options = BitmapFactory.Options().apply { inScaled = false }
        val stored = opened(photograph) {
            checkNotNull(BitmapFactory.decodeStream(it, null, options)) { "${photograph.name} is no picture" }
        }
        val bitmap = uprightOf(stored, opened(photograph) { ExifInterface(it) })
        val start = System.nanoTime()
        val segmented = segmenter.segment(pictureOf(bitmap).resized(Contract.WIDTH, Contract.HEIGHT), start)
        bitmap.recycle()
        val png = greyPng(segmented.ids, Contract.WIDTH, Contract.HEIGHT)
        write(masks, "image/png", name, png)
        return ReplayedImage(name, sha256(png), segmented.times)
    }

    private fun <T> opened(file: DocumentFile, read: (InputStream) -> T): T =
        context.contentResolver.openInputStream(file.uri).use { read(checkNotNull(it)) }

    private fun accountOf(images: List<ReplayedImage>) = Replay(
        device = "${Build.MANUFACTURER} ${Build.MODEL}",
        os = "Android ${Build.VERSION.RELEASE}",
        runtime = "LiteRT CompiledModel",
        version = LITERT,
        asked = segmenter.asked.name.lowercase(),
        got = segmenter.got.name.lowercase(),
        modelSha256 = Contract.MODEL_SHA256,
        height = Contract.HEIGHT,
        width = Contract.WIDTH,
        classes = Contract.CLASSES.toList(),
        images = images,
    )

    private fun write(folder: DocumentFile, type: String, name: String, content: ByteArray) {
        val file = checkNotNull(folder.createFile(type, name)) { "$name cannot be written" }
        context.contentResolver.openOutputStream(file.uri).use { checkNotNull(it).write(content) }
    }
}
