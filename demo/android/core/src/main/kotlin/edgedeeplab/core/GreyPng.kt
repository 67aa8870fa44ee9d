package edgedeeplab.core

import java.io.ByteArrayOutputStream
import java.io.DataOutputStream
import java.util.zip.CRC32
import java.util.zip.DeflaterOutputStream

private val SIGNATURE = byteArrayOf(0x89.toByte(), 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)

/** A class map as a PNG file: 8-bit grey, each sample a class id. Android's Bitmap writes none of that kind. */
fun greyPng(ids: ByteArray, width: Int, height: Int): ByteArray {
    require(ids.size == width * height) { "${ids.size} ids came for a map of ${width}x$height" }
    val file = ByteArrayOutputStream()
    val out = DataOutputStream(file)
    out.write(SIGNATURE)
    out.writeChunk("IHDR") {
        writeInt(width)
        writeInt(height)
        write(byteArrayOf(8, 0, 0, 0, 0)) // bits, grey, deflate, filters by row, not interlaced
    }
    out.writeChunk("IDAT") {
        val packed = DeflaterOutputStream(this)
        for (row in 0 until height) {
            packed.write(0) // no filter
            packed.write(ids, row * width, width)
        }
        packed.finish()
    }
    out.writeChunk("IEND") {}
    return file.toByteArray()
}

private fun DataOutputStream.writeChunk(name: String, fill: DataOutputStream.() -> Unit) {
    val content = ByteArrayOutputStream()
    DataOutputStream(content).apply { writeBytes(name) }.fill()
    val bytes = content.toByteArray()
    writeInt(bytes.size - name.length)
    write(bytes)
    writeInt(CRC32().apply { update(bytes) }.value.toInt())
}
