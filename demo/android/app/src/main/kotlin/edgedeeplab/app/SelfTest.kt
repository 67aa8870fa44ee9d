package edgedeeplab.app

import android.content.res.AssetManager
import android.graphics.BitmapFactory
import edgedeeplab.core.Picture
import org.json.JSONObject

private const val GOLDEN = "golden"
private const val ENOUGH = 0.99

/** The first golden frame against what the phone makes of it: accelerators were seen to compute wrong class maps. */
class SelfTest(private val assets: AssetManager) {
    /** Says what is wrong with a model's class map; null where it is right. */
    fun complaint(segmenter: Segmenter): String? {
        val golden = JSONObject(assets.open("$GOLDEN/golden.json").use { it.reader().readText() })
        val frame = golden.getJSONArray("frames").getJSONObject(0)
        val ids = segmenter.segment(read(frame.getJSONObject("input").getString("file"))).ids
        val wanted = read(frame.getJSONObject("class_map").getString("file")).pixels
        val strange = ids.count { (it.toInt() and 0xff) >= Contract.CLASSES.size }
        if (strange > 0) return "$strange pixels have an id that is no class"
        val share = ids.indices.count { ids[it].toInt() == wanted[it] and 0xff }.toDouble() / ids.size
        return if (share >= ENOUGH) null else "only %.1f %% of the pixels are right".format(100 * share)
    }

    private fun read(file: String): Picture = assets.open("$GOLDEN/$file").use { stream ->
        pictureOf(checkNotNull(BitmapFactory.decodeStream(stream)) { "$file is no picture" })
    }
}
