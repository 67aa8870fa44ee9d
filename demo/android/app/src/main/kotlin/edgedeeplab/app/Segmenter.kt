package edgedeeplab.app

import android.content.res.AssetManager
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.TensorBuffer
import edgedeeplab.core.Picture
import edgedeeplab.core.StageTimes
import edgedeeplab.core.sha256

const val MODEL = "model.tflite"

/** A class map, and the times of its stages but for the drawing. */
class Segmented(val ids: ByteArray, val times: StageTimes)

/**
 * The model in LiteRT's CompiledModel (https://ai.google.dev/edge/litert/next/android_kotlin).
 *
 * @property asked the accelerator that was asked for.
 * @property got the one that LiteRT compiled the model for; it does not tell which operators stay on the CPU.
 * @property why what was wrong with the one asked for, where another was taken.
 */
class Segmenter private constructor(
    private val model: CompiledModel,
    val asked: Accelerator,
    val got: Accelerator,
    val why: String?,
) : AutoCloseable {
    private val inputs: List<TensorBuffer> = model.createInputBuffers()
    private val outputs: List<TensorBuffer> = model.createOutputBuffers()

    /** Segments a picture of the model's size. */
    fun segment(picture: Picture, preparedSince: Long = System.nanoTime()): Segmented {
        inputs[0].write(Contract.prepare(picture.pixels))
        val prepared = System.nanoTime()
        model.run(inputs, outputs)
        val ids = Contract.classMap(outputs[0].read())
        val inferred = System.nanoTime()
        return Segmented(ids, StageTimes((inferred - prepared) / 1e6, (prepared - preparedSince) / 1e6))
    }

    override fun close() {
        (inputs + outputs).forEach { it.close() }
        model.close()
    }

    companion object {
        /** Opens the model on an accelerator; where that fails or gives another class map than the golden one, on the CPU. */
        fun open(assets: AssetManager, asked: Accelerator): Segmenter {
            val content = assets.open(MODEL).use { it.readBytes() }
            check(sha256(content) == Contract.MODEL_SHA256) {
                "$MODEL is not the file that Contract.kt was written from; write both from one file"
            }
            if (asked == Accelerator.CPU) return onCpu(assets, asked, null)
            val tried = try {
                Segmenter(compile(assets, asked), asked, asked, null)
            } catch (error: Exception) { // LiteRT's own
                return onCpu(assets, asked, error.message ?: error.javaClass.simpleName)
            } catch (error: LinkageError) { // a library of the accelerator's is missing
                return onCpu(assets, asked, error.message ?: error.javaClass.simpleName)
            }
            val wrong = SelfTest(assets).complaint(tried) ?: return tried
            tried.close()
            return onCpu(assets, asked, wrong)
        }

        private fun onCpu(assets: AssetManager, asked: Accelerator, why: String?) =
            Segmenter(compile(assets, Accelerator.CPU), asked, Accelerator.CPU, why)

        private fun compile(assets: AssetManager, accelerator: Accelerator) =
            CompiledModel.create(assets, MODEL, CompiledModel.Options(accelerator), null)
    }
}

private fun TensorBuffer.write(values: ByteArray) = writeInt8(values)

private fun TensorBuffer.write(values: FloatArray) = writeFloat(values)

private inline fun <reified T> TensorBuffer.read(): T = when (T::class) {
    IntArray::class -> readInt()
    FloatArray::class -> readFloat()
    ByteArray::class -> readInt8()
    else -> error("the model gives ${T::class}; int32, float32 or int8 was expected; export it again")
} as T
