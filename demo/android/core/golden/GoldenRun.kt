// Runs everything that an app does around the model on golden frames, and writes each result for a test to compare.

import edgedeeplab.core.Picture
import edgedeeplab.core.Replay
import edgedeeplab.core.ReplayedImage
import edgedeeplab.core.StageTimes
import edgedeeplab.core.greyPng
import edgedeeplab.core.resized
import edgedeeplab.core.sha256
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import javax.imageio.ImageIO

/** The folder has a line in frames.txt for each frame: its name, whose .photo.png, .input.png and .output lie there. */
fun main(arguments: Array<String>) {
    val folder = File(arguments[0])
    val images = folder.resolve("frames.txt").readLines().map { run(folder, it) }
    val replay = Replay(
        "a \"device\" \\ Straße", "Android 16", "LiteRT", "2.3.0", "gpu", "cpu", Contract.MODEL_SHA256,
        Contract.HEIGHT, Contract.WIDTH, Contract.CLASSES.toList(), images,
    )
    folder.resolve("replay.json").writeText(replay.toJson())
}

private fun run(folder: File, name: String): ReplayedImage {
    val photograph = read(folder.resolve("$name.photo.png"))
    folder.resolve("$name.resized").writeBytes(bytesOf(photograph.resized(Contract.WIDTH, Contract.HEIGHT).pixels))
    val tensor = Contract.prepare(read(folder.resolve("$name.input.png")).pixels)
    folder.resolve("$name.tensor").writeBytes(bytesOf(tensor))
    val ids = Contract.classMap(output(folder.resolve("$name.output").readBytes()))
    folder.resolve("$name.ids").writeBytes(ids)
    folder.resolve("$name.colours").writeBytes(bytesOf(Contract.colour(ids)))
    val png = greyPng(ids, Contract.WIDTH, Contract.HEIGHT)
    folder.resolve("$name.png").writeBytes(png)
    for (degrees in listOf(90, 180, 270)) {
        folder.resolve("$name.turned$degrees").writeBytes(bytesOf(photograph.turned(degrees).pixels))
    }
    return ReplayedImage("$name.png", sha256(png), StageTimes(infer = 12.5, prepare = 0.25))
}

private fun read(file: File): Picture {
    val image = ImageIO.read(file)
    return Picture(image.getRGB(0, 0, image.width, image.height, null, 0, image.width), image.width, image.height)
}

private fun bytesOf(values: Any): ByteArray = when (values) {
    is ByteArray -> values
    is IntArray -> little(4 * values.size).apply { asIntBuffer().put(values) }.array()
    is FloatArray -> little(4 * values.size).apply { asFloatBuffer().put(values) }.array()
    else -> error("no such array")
}

private fun little(size: Int): ByteBuffer = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN)
