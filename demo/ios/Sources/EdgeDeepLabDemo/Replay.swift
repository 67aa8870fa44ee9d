import CoreML
import CryptoKit
import Foundation

/// What a device says of the class maps that it made: `replay.json`, which `edge-deeplab parity --masks` reads.
public struct Replay: Codable {
    public struct Times: Codable {
        public let prepare: Double?
        public let infer: Double
    }

    public struct Image: Codable {
        public let file: String
        public let sha256: String
        public let ms: Times
    }

    public struct Accelerator: Codable {
        public let asked: String
        public let got: String
    }

    enum CodingKeys: String, CodingKey {
        case device, os, runtime, version, accelerator, images, classes
        case modelSHA256 = "model_sha256"
        case sizeHW = "size_hw"
    }

    public let device: String
    public let os: String
    public let runtime: String
    public let version: String
    public let accelerator: Accelerator
    public let modelSHA256: String
    public let sizeHW: [Int]
    public let images: [Image]
    public let classes: [String]
}

/// Runs photographs through the model and writes their class maps and `replay.json` into a new folder.
public func replay(
    photographs: [URL], with segmenter: any Segmenting, device: String, into masks: URL, progress: (Int) -> Void
) async throws {
    let pictures = Pictures()
    try FileManager.default.createDirectory(at: masks, withIntermediateDirectories: false)
    var images: [Replay.Image] = []
    for (index, photograph) in photographs.enumerated() {
        progress(index)
        let start = ContinuousClock.now
        guard let picture = pictures.modelPicture(ofPhotograph: photograph) else {
            throw CocoaError(.fileReadCorruptFile, userInfo: [NSFilePathErrorKey: photograph.path])
        }
        let prepared = (ContinuousClock.now - start) / .milliseconds(1)
        let segmented = try await segmenter.segment(picture)
        guard let png = greyPNG(segmented.ids, width: Contract.width, height: Contract.height) else {
            throw CocoaError(.fileWriteUnknown)
        }
        let name = photograph.deletingPathExtension().lastPathComponent + ".png"
        try png.write(to: masks.appending(path: name))
        let digest = SHA256.hash(data: png).map { String(format: "%02x", $0) }.joined()
        images.append(.init(file: name, sha256: digest, ms: .init(prepare: prepared, infer: segmented.seconds * 1000)))
    }
    let system = ProcessInfo.processInfo.operatingSystemVersionString
    let account = Replay(
        device: device, os: system, runtime: segmenter.runtime, version: system,
        accelerator: .init(asked: segmenter.asked, got: "not told"),
        modelSHA256: Contract.modelSHA256, sizeHW: [Contract.height, Contract.width], images: images, classes: Contract.classes
    )
    try JSONEncoder().encode(account).write(to: masks.appending(path: "replay.json"))
}
