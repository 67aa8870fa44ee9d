package edgedeeplab.core

import java.security.MessageDigest
import java.util.Locale

/** Milliseconds that a photograph took; null for a stage that was not timed. */
class StageTimes(val infer: Double, val prepare: Double? = null, val draw: Double? = null)

/** A class map that was written: its file's name, the photograph's with the ending .png, and its hash. */
class ReplayedImage(val file: String, val sha256: String, val ms: StageTimes)

/**
 * What a device says of the class maps that it made: `replay.json`, which lies beside them and which
 * `edge-deeplab parity --masks` reads.
 */
class Replay(
    val device: String,
    val os: String,
    val runtime: String,
    val version: String,
    val asked: String,
    val got: String,
    val modelSha256: String,
    val height: Int,
    val width: Int,
    val classes: List<String>,
    val images: List<ReplayedImage>,
) {
    fun toJson(): String = buildString {
        append("{\n \"device\": ").append(quoted(device))
        append(",\n \"os\": ").append(quoted(os))
        append(",\n \"runtime\": ").append(quoted(runtime))
        append(",\n \"version\": ").append(quoted(version))
        append(",\n \"accelerator\": {\"asked\": ").append(quoted(asked))
        append(", \"got\": ").append(quoted(got))
        append("},\n \"model_sha256\": ").append(quoted(modelSha256))
        append(",\n \"size_hw\": [").append(height).append(", ").append(width)
        append("],\n \"classes\": [").append(classes.joinToString(", ", transform = ::quoted))
        append("],\n \"images\": [\n").append(images.joinToString(",\n", transform = ::entry)).append("\n ]\n}\n")
    }

    private fun entry(image: ReplayedImage): String {
        val ms = image.ms
        val times = listOf("prepare" to ms.prepare, "infer" to ms.infer, "draw" to ms.draw)
            .joinToString(", ") { (stage, time) -> "\"$stage\": ${time?.let(::number) ?: "null"}" }
        return "  {\"file\": ${quoted(image.file)}, \"sha256\": ${quoted(image.sha256)}, \"ms\": {$times}}"
    }
}

/** The hash of bytes, hexadecimal. */
fun sha256(bytes: ByteArray): String =
    MessageDigest.getInstance("SHA-256").digest(bytes).joinToString("") { "%02x".format(Locale.ROOT, it) }

private fun number(value: Double): String = "%.3f".format(Locale.ROOT, value)

private fun quoted(text: String): String = text.map { letter ->
    when {
        letter == '"' || letter == '\\' -> "\\$letter"
        letter < ' ' -> "\\u%04x".format(Locale.ROOT, letter.code)
        else -> letter.toString()
    }
}.joinToString("", "\"", "\"")
