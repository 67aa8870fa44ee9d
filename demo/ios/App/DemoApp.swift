import AVFoundation
import CoreML
import EdgeDeepLabDemo
import MetalKit
import SwiftUI

@main
struct DemoApp: App {
    @StateObject private var demo = Demo()

    var body: some Scene {
        WindowGroup {
            VStack {
                OverlayView(demo: demo)
                    .aspectRatio(demo.proportion, contentMode: .fit)
                Text(demo.status)
                    .font(.footnote.monospacedDigit())
                    .padding()
                HStack {
                    Button("CPU") { demo.open(.cpuOnly) }
                    Button("GPU") { demo.open(.cpuAndGPU) }
                    Button("Neural Engine") { demo.open(.cpuAndNeuralEngine) }
                    #if canImport(CoreAI)
                    if #available(iOS 27, *) {
                        Button("Core AI") { demo.openInCoreAI() }
                    }
                    #endif
                    Button("Replay") { demo.choosesFolder = true }
                }
                .buttonStyle(.bordered)
                .fileImporter(isPresented: $demo.choosesFolder, allowedContentTypes: [.folder]) { demo.replay(in: $0) }
            }
            .task { await demo.start() }
        }
    }
}

struct OverlayView: UIViewRepresentable {
    let demo: Demo

    func makeUIView(context: Context) -> MTKView {
        let view = MTKView(frame: .zero, device: MTLCreateSystemDefaultDevice())
        demo.renderer = try? OverlayRenderer(view: view)
        view.delegate = demo.renderer
        return view
    }

    func updateUIView(_ view: MTKView, context: Context) {}
}

/// Camera, model and what is said of them. What is private is touched on one queue alone; a frame that comes while
/// the model runs is dropped.
final class Demo: NSObject, ObservableObject, AVCaptureVideoDataOutputSampleBufferDelegate {
    @Published var status = "opening the model"
    @Published var choosesFolder = false
    let proportion = CGFloat(Contract.width) / CGFloat(Contract.height)
    var renderer: OverlayRenderer?

    private let queue = DispatchQueue(label: "model")
    private let session = AVCaptureSession()
    private let pictures = Pictures()
    private var segmenter: (any Segmenting)?
    private var busy = false
    private var rotation: AVCaptureDevice.RotationCoordinator?
    private var turning: NSKeyValueObservation?

    /// https://developer.apple.com/documentation/avfoundation/capture-setup
    func start() async {
        open(.cpuAndNeuralEngine)
        guard await AVCaptureDevice.requestAccess(for: .video) else {
            return say("the camera was refused: allow it in Settings")
        }
        guard let camera = AVCaptureDevice.default(for: .video), let input = try? AVCaptureDeviceInput(device: camera) else {
            return say("there is no camera")
        }
        let output = AVCaptureVideoDataOutput()
        output.videoSettings = [kCVPixelBufferPixelFormatTypeKey as String: kCVPixelFormatType_32BGRA]
        output.alwaysDiscardsLateVideoFrames = true
        output.setSampleBufferDelegate(self, queue: queue)
        session.sessionPreset = .vga640x480
        session.addInput(input)
        session.addOutput(output)
        keepUpright(output, of: camera)
        queue.async { self.session.startRunning() }
    }

    /// Frames come as the sensor lies; a model that saw streets upright is to be shown them so, however the phone is held.
    /// https://developer.apple.com/documentation/avfoundation/avcapturedevice/rotationcoordinator
    private func keepUpright(_ output: AVCaptureVideoDataOutput, of camera: AVCaptureDevice) {
        let rotation = AVCaptureDevice.RotationCoordinator(device: camera, previewLayer: nil)
        self.rotation = rotation
        turning = rotation.observe(\.videoRotationAngleForHorizonLevelCapture, options: [.initial, .new]) { rotation, _ in
            let angle = rotation.videoRotationAngleForHorizonLevelCapture
            if let connection = output.connection(with: .video), connection.isVideoRotationAngleSupported(angle) {
                connection.videoRotationAngle = angle
            }
        }
    }

    func open(_ units: MLComputeUnits) {
        queue.async {
            self.trying {
                guard let compiled = Bundle.main.url(forResource: "model", withExtension: "mlmodelc") else {
                    return self.say("model.mlpackage is not in the app: README.md says how it gets there")
                }
                self.segmenter = try Segmenter(compiled: compiled, units: units)
            }
        }
    }

    #if canImport(CoreAI)
    @available(iOS 27, *)
    func openInCoreAI() {
        guard let asset = Bundle.main.url(forResource: "model", withExtension: "aimodel") else {
            return say("model.aimodel is not in the app: README.md says how it gets there")
        }
        say("Core AI prepares the model for this device")
        working {
            let opened = try await CoreAISegmenter(asset: asset, preferring: .neuralEngine)
            self.queue.async { self.segmenter = opened }
        }
    }
    #endif

    func captureOutput(_ output: AVCaptureOutput, didOutput sample: CMSampleBuffer, from connection: AVCaptureConnection) {
        guard !busy, let segmenter, let frame = sample.imageBuffer, let picture = pictures.modelPicture(ofFrame: frame) else { return }
        busy = true
        working {
            defer { self.queue.async { self.busy = false } }
            let segmented = try await segmenter.segment(picture)
            self.renderer?.show(picture, segmented.ids)
            self.say(String(format: "%.1f ms, \(segmenter.runtime), asked for \(segmenter.asked)", segmented.seconds * 1000))
        }
    }

    func replay(in chosen: Result<URL, Error>) {
        queue.async {
            guard let segmenter = self.segmenter else { return self.say("no model is open") }
            self.working { try await self.replay(in: chosen.get(), with: segmenter) }
        }
    }

    private func replay(in folder: URL, with segmenter: any Segmenting) async throws {
        guard folder.startAccessingSecurityScopedResource() else { return say("the folder cannot be read") }
        defer { folder.stopAccessingSecurityScopedResource() }
        let photographs = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .filter { ["jpg", "jpeg", "png", "heic"].contains($0.pathExtension.lowercased()) }
            .sorted { $0.path < $1.path }
        try await EdgeDeepLabDemo.replay(
            photographs: photographs, with: segmenter, device: UIDevice.current.model, into: folder.appending(path: "masks")
        ) { self.say("replaying \($0) of \(photographs.count)") }
        say("class maps are in the folder's masks: score them with edge-deeplab parity --masks")
    }

    private func working(_ action: @escaping () async throws -> Void) {
        Task {
            do {
                try await action()
            } catch {
                say("\(error)")
            }
        }
    }

    private func trying(_ action: () throws -> Void) {
        do {
            try action()
        } catch {
            say("\(error)")
        }
    }

    private func say(_ text: String) {
        DispatchQueue.main.async { self.status = text }
    }
}
