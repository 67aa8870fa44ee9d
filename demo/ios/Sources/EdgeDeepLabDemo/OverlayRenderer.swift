import CoreVideo
import Metal
import MetalKit

private let shaders = """
#include <metal_stdlib>
using namespace metal;

struct Corner {
    float4 position [[position]];
    float2 place;
};

vertex Corner corner(uint index [[vertex_id]]) {
    float2 at = float2(index & 1, index >> 1);
    return {float4(at * 2 - 1, 0, 1), float2(at.x, 1 - at.y)};
}

fragment float4 colour(Corner in [[stage_in]], texture2d<float> frame [[texture(0)]], texture2d<uint> ids [[texture(1)]],
                       constant float4 *palette [[buffer(0)]], constant float &opacity [[buffer(1)]]) {
    constexpr sampler smooth(filter::linear);
    uint2 pixel = uint2(in.place * float2(ids.get_width(), ids.get_height()));
    float4 class_colour = palette[ids.read(min(pixel, uint2(ids.get_width(), ids.get_height()) - 1)).r];
    return float4(mix(frame.sample(smooth, in.place).rgb, class_colour.rgb, opacity * class_colour.a), 1);
}
"""

/// Draws the frame that was segmented and its class map over it; colours are looked up on the GPU.
/// https://developer.apple.com/documentation/metalkit/mtkviewdelegate
public final class OverlayRenderer: NSObject, MTKViewDelegate {
    public var opacity: Float = 0.5

    private let queue: MTLCommandQueue
    private let pipeline: MTLRenderPipelineState
    private let palette: MTLBuffer
    private let frame: MTLTexture
    private let ids: MTLTexture
    private let lock = NSLock()

    public init?(view: MTKView) throws {
        guard let device = view.device, let queue = device.makeCommandQueue() else { return nil }
        // https://developer.apple.com/documentation/metal/mtldevice/makelibrary(source:options:)
        let library = try device.makeLibrary(source: shaders, options: nil)
        let description = MTLRenderPipelineDescriptor()
        description.vertexFunction = library.makeFunction(name: "corner")
        description.fragmentFunction = library.makeFunction(name: "colour")
        description.colorAttachments[0].pixelFormat = view.colorPixelFormat
        pipeline = try device.makeRenderPipelineState(descriptor: description)
        let colours = (0..<256).map { id -> SIMD4<Float> in
            guard id < Contract.palette.count else { return .zero }
            let colour = Contract.palette[id].map { Float($0) / 255 }
            return SIMD4(colour[0], colour[1], colour[2], 1)
        }
        let length = MemoryLayout<SIMD4<Float>>.stride * colours.count
        guard let palette = device.makeBuffer(bytes: colours, length: length),
              let frame = Self.texture(device, .bgra8Unorm), let ids = Self.texture(device, .r8Uint)
        else { return nil }
        (self.queue, self.palette, self.frame, self.ids) = (queue, palette, frame, ids)
        super.init()
    }

    /// Takes a picture of the model's size, 32BGRA, and its class map; called from any thread.
    public func show(_ picture: CVPixelBuffer, _ classMap: [UInt8]) {
        lock.lock()
        defer { lock.unlock() }
        CVPixelBufferLockBaseAddress(picture, .readOnly)
        defer { CVPixelBufferUnlockBaseAddress(picture, .readOnly) }
        guard let pixels = CVPixelBufferGetBaseAddress(picture) else { return }
        let region = MTLRegionMake2D(0, 0, Contract.width, Contract.height)
        frame.replace(region: region, mipmapLevel: 0, withBytes: pixels, bytesPerRow: CVPixelBufferGetBytesPerRow(picture))
        ids.replace(region: region, mipmapLevel: 0, withBytes: classMap, bytesPerRow: Contract.width)
    }

    public func mtkView(_ view: MTKView, drawableSizeWillChange size: CGSize) {}

    public func draw(in view: MTKView) {
        lock.lock()
        defer { lock.unlock() }
        guard let pass = view.currentRenderPassDescriptor, let drawable = view.currentDrawable,
              let commands = queue.makeCommandBuffer(), let encoder = commands.makeRenderCommandEncoder(descriptor: pass)
        else { return }
        encoder.setRenderPipelineState(pipeline)
        encoder.setFragmentTexture(frame, index: 0)
        encoder.setFragmentTexture(ids, index: 1)
        encoder.setFragmentBuffer(palette, offset: 0, index: 0)
        encoder.setFragmentBytes(&opacity, length: MemoryLayout<Float>.size, index: 1)
        encoder.drawPrimitives(type: .triangleStrip, vertexStart: 0, vertexCount: 4)
        encoder.endEncoding()
        commands.present(drawable)
        commands.commit()
        commands.waitUntilCompleted() // the textures are written by the next frame
    }

    private static func texture(_ device: MTLDevice, _ format: MTLPixelFormat) -> MTLTexture? {
        device.makeTexture(
            descriptor: .texture2DDescriptor(
                pixelFormat: format, width: Contract.width, height: Contract.height, mipmapped: false
            )
        )
    }
}
