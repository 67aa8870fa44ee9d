package edgedeeplab.core

import java.nio.ByteBuffer

/** A picture as Bitmap.getPixels gives it: ARGB, rows from the top. */
class Picture(val pixels: IntArray, val width: Int, val height: Int) {
    init {
        require(width > 0 && height > 0 && pixels.size == width * height) {
            "${pixels.size} pixels came for a picture of ${width}x$height"
        }
    }

    /** The picture turned clockwise, as a camera says that its frames are to be (`ImageInfo.rotationDegrees`). */
    fun turned(degrees: Int): Picture = when (Math.floorMod(degrees, 360)) {
        0 -> this
        90 -> of(height, width) { x, y -> pixels[(height - 1 - x) * width + y] }
        180 -> of(width, height) { x, y -> pixels[(height - 1 - y) * width + (width - 1 - x)] }
        270 -> of(height, width) { x, y -> pixels[x * width + (width - 1 - y)] }
        else -> throw IllegalArgumentException("$degrees degrees came; a multiple of 90 was expected")
    }

    /** A rectangle of the picture. */
    fun part(left: Int, top: Int, width: Int, height: Int): Picture {
        require(left >= 0 && top >= 0 && left + width <= this.width && top + height <= this.height) {
            "a part of ${width}x$height at $left, $top came for a picture of ${this.width}x${this.height}"
        }
        return of(width, height) { x, y -> pixels[(top + y) * this.width + left + x] }
    }

    companion object {
        /** The picture of `colour(x, y)`. */
        inline fun of(width: Int, height: Int, colour: (Int, Int) -> Int): Picture =
            Picture(IntArray(width * height) { colour(it % width, it / width) }, width, height)

        /** What CameraX's ImageAnalysis gives in its RGBA_8888 format: four bytes a pixel, rows perhaps padded. */
        fun fromRgba(bytes: ByteBuffer, width: Int, height: Int, rowStride: Int): Picture =
            of(width, height) { x, y ->
                val at = y * rowStride + 4 * x
                argb(bytes.get(at).toInt(), bytes.get(at + 1).toInt(), bytes.get(at + 2).toInt())
            }

        /** An opaque colour; of each value the low eight bits count. */
        fun argb(red: Int, green: Int, blue: Int): Int =
            (0xff shl 24) or ((red and 0xff) shl 16) or ((green and 0xff) shl 8) or (blue and 0xff)
    }
}
