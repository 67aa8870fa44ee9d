package edgedeeplab.app

import android.graphics.Bitmap
import androidx.camera.core.ImageProxy
import edgedeeplab.core.Picture
import edgedeeplab.core.resized

/** The pixels of a bitmap. */
fun pictureOf(bitmap: Bitmap): Picture {
    val pixels = IntArray(bitmap.width * bitmap.height)
    bitmap.getPixels(pixels, 0, bitmap.width, 0, 0, bitmap.width, bitmap.height)
    return Picture(pixels, bitmap.width, bitmap.height)
}

/** What the model sees of a camera's frame: upright, the middle of its own proportions, in its own size. */
fun modelPictureOf(frame: ImageProxy): Picture {
    val plane = frame.planes[0] // RGBA_8888 has one
    val upright = Picture.fromRgba(plane.buffer, frame.width, frame.height, plane.rowStride)
        .turned(frame.imageInfo.rotationDegrees)
    val part = Contract.crop(upright.width, upright.height)
    return upright.part(part.x, part.y, part.width, part.height).resized(Contract.WIDTH, Contract.HEIGHT)
}
