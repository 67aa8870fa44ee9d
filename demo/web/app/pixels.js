// Pixels of pictures, without a colour profile or transparency changing them.

const EXACT = { colorSpaceConversion: "none", premultiplyAlpha: "none" };

/** RGBA bytes of a picture file of that size, exactly as it stores them. */
export async function rgbaOf(blob, width, height) {
  const bitmap = await createImageBitmap(blob, EXACT);
  try {
    if (bitmap.width !== width || bitmap.height !== height) {
      throw new Error(`a picture is ${bitmap.width} x ${bitmap.height}, not ${width} x ${height}`);
    }
    const context = canvasOf(width, height).getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    return new Uint8ClampedArray(context.getImageData(0, 0, width, height).data.buffer);
  } finally {
    bitmap.close();
  }
}

/** A canvas that is not shown. */
export function canvasOf(width, height) {
  return Object.assign(document.createElement("canvas"), { width, height });
}
