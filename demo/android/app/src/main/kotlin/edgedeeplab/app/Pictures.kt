package edgedeeplab.app

import android.graphics.Bitmap
import android.graphics.Matrix
import android.media.ExifInterface
import androidx.camera.core.ImageProxy
import edgedeeplab.core.Picture
import edgedeeplab.core.resized

/** The pixels of a bitmap. */
fun pictureOf(bitmap: Bitmap): Picture {
    val pixels = IntArray(bitmap.width * bitmap.height)
    bitmap.getPixels(pixels, 0, bitmap.width, 0, 0, bitmap.width, bitmap.height)
    return Picture(pixels, bitmap.width, bitmap.height)
}

/** A photograph as people see it: turned and mirrored as its EXIF orientation says. */
fun uprightOf(bitmap: Bitmap, exif: ExifInterface): Bitmap {
    val turn = Matrix()
    when (exif.getAttributeInt(ExifInterface.TAG_ORIENTATION, ExifInterface.ORIENTATION_NORMAL)) {
        ExifInterface.ORIENTATION_FLIP_HORIZONTAL -> turn.setScale(-1f, 1f)
        ExifInterface.ORIENTATION_ROTATE_180 -> turn.setRotate(180f)
        ExifInterface.ORIENTATION_FLIP_VERTICAL -> turn.setScale(1f, -1f)
        ExifInterface.ORIENTATION_TRANSPOSE -> turn.apply { setRotate(90f) }.postScale(-1f, 1f)
        ExifInterface.ORIENTATION_ROTATE_90 -> turn.setRotate(90f)
        ExifInterface.ORIENTATION_TRANSVERSE -> turn.apply { setRotate(-90f) }.postScale(-1f, 1f)
        ExifInterface.ORIENTATION_ROTATE_270 -> turn.setRotate(-90f)
        else -> return bitmap
    }
    return Bitmap.createBitmap(bitmap, 0, 0, bitmap.width, bitmap.height, turn, false)
}

/** What the model sees of a camera's frame: upright, the middle of its own proportions, in its own size. */
fun modelPictureOf(frame: ImageProxy): Picture {
    val plane = frame.planes[0] // RGBA_8888 has one
    val upright = Picture.fromRgba(plane.buffer, frame.width, frame.height, plane.rowStride)
        .turned(frame.imageInfo.rotationDegrees)
    val part = Contract.crop(upright.width, upright.height)
    return upright.part(part.x, part.y, part.width, part.height).resized(Contract.WIDTH, Contract.HEIGHT)
}
