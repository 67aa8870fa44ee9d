import CoreGraphics
import CoreImage
import CoreVideo
import ImageIO
import UniformTypeIdentifiers

/// Pictures of the model's size, made of frames and photographs.
public final class Pictures {
    private let context = CIContext()

    public init() {}

    /// What the model sees of a camera's frame: the middle of its own proportions, in its own size.
    public func modelPicture(ofFrame frame: CVPixelBuffer) -> CVPixelBuffer? {
        let image = CIImage(cvPixelBuffer: frame)
        let part = Contract.crop(width: Int(image.extent.width), height: Int(image.extent.height))
        let rect = CGRect(x: part.x, y: part.y, width: part.width, height: part.height)
        return scaled(image.cropped(to: rect))
    }

    /// A whole photograph in the model's size, as parity scales it; its resize is not Pillow's to the last bit.
    public func modelPicture(ofPhotograph url: URL) -> CVPixelBuffer? {
        // https://developer.apple.com/documentation/coreimage/ciimage/init(contentsof:)
        CIImage(contentsOf: url, options: [.applyOrientationProperty: true]).flatMap(scaled)
    }

    private func scaled(_ image: CIImage) -> CVPixelBuffer? {
        let moved = image.transformed(by: .init(translationX: -image.extent.minX, y: -image.extent.minY))
        let size = CGSize(width: Contract.width, height: Contract.height)
        let fitted = moved.transformed(
            by: .init(scaleX: size.width / image.extent.width, y: size.height / image.extent.height),
            highQualityDownsample: true
        )
        var buffer: CVPixelBuffer?
        CVPixelBufferCreate(
            nil, Contract.width, Contract.height, kCVPixelFormatType_32BGRA,
            [kCVPixelBufferIOSurfacePropertiesKey: [:], kCVPixelBufferMetalCompatibilityKey: true] as CFDictionary, &buffer
        )
        guard let buffer else { return nil }
        // https://developer.apple.com/documentation/coreimage/cicontext/render(_:to:bounds:colorspace:)
        context.render(fitted, to: buffer, bounds: CGRect(origin: .zero, size: size), colorSpace: CGColorSpace(name: CGColorSpace.sRGB))
        return buffer
    }
}

/// The RGBA bytes of a 32BGRA picture, without the padding of its rows, as the contract's `prepare` takes them.
public func rgba(of picture: CVPixelBuffer) -> [UInt8] {
    // https://developer.apple.com/documentation/corevideo/cvpixelbufferlockbaseaddress(_:_:)
    CVPixelBufferLockBaseAddress(picture, .readOnly)
    defer { CVPixelBufferUnlockBaseAddress(picture, .readOnly) }
    guard let base = CVPixelBufferGetBaseAddress(picture) else { return [] }
    let stride = CVPixelBufferGetBytesPerRow(picture)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(4 * Contract.width * Contract.height)
    for y in 0..<Contract.height {
        let row = (base + y * stride).assumingMemoryBound(to: UInt8.self)
        for x in 0..<Contract.width {
            bytes += [row[4 * x + 2], row[4 * x + 1], row[4 * x], row[4 * x + 3]]
        }
    }
    return bytes
}

/// A class map as a PNG file: 8-bit grey, each sample a class id.
public func greyPNG(_ ids: [UInt8], width: Int, height: Int) -> Data? {
    precondition(ids.count == width * height)
    let content = NSMutableData()
    guard let provider = CGDataProvider(data: Data(ids) as CFData),
          // https://developer.apple.com/documentation/coregraphics/cgimage: no colour space of an ICC profile, so samples stay
          let image = CGImage(
              width: width, height: height, bitsPerComponent: 8, bitsPerPixel: 8, bytesPerRow: width,
              space: CGColorSpaceCreateDeviceGray(), bitmapInfo: CGBitmapInfo(rawValue: CGImageAlphaInfo.none.rawValue),
              provider: provider, decode: nil, shouldInterpolate: false, intent: .defaultIntent
          ),
          // https://developer.apple.com/documentation/imageio/cgimagedestination
          let destination = CGImageDestinationCreateWithData(content, UTType.png.identifier as CFString, 1, nil)
    else { return nil }
    CGImageDestinationAddImage(destination, image, nil)
    return CGImageDestinationFinalize(destination) ? content as Data : nil
}
