import CoreML
import CoreVideo

/// A class map of the model's size, and the seconds that the model took.
public struct Segmented {
    public let ids: [UInt8]
    public let seconds: Double
}

/// A model in one of the device's runtimes, with what was asked of it.
public protocol Segmenting {
    var runtime: String { get }
    var asked: String { get }

    /// Segments a picture of the model's size, 32BGRA.
    func segment(_ picture: CVPixelBuffer) async throws -> Segmented
}

public enum SegmenterError: Error, CustomStringConvertible {
    case noClassMap(String)

    public var description: String {
        switch self {
        case .noClassMap(let output):
            return "the model gives \(output); class ids or scores of Contract.swift were expected; export both from one file"
        }
    }
}

/// The model in Core ML: https://developer.apple.com/documentation/coreml/mlmodel
public final class Segmenter: Segmenting {
    public let runtime = "Core ML"
    /// What was asked for; Core ML does not tell which of these units ran the model.
    public let asked: String

    private let model: MLModel
    private let output: String

    /// - Parameter compiled: what `MLModel.compileModel(at:)` or Xcode made of the `.mlpackage`.
    public init(compiled: URL, units: MLComputeUnits) throws {
        // https://developer.apple.com/documentation/coreml/mlmodelconfiguration/computeunits
        let configuration = MLModelConfiguration()
        configuration.computeUnits = units
        model = try MLModel(contentsOf: compiled, configuration: configuration)
        asked = name(of: units)
        guard let name = model.modelDescription.outputDescriptionsByName.keys.first else {
            throw SegmenterError.noClassMap("nothing")
        }
        output = name
    }

    /// Segments a picture of the model's size, 32BGRA: Core ML takes the colours from it in the order of the model.
    public func segment(_ picture: CVPixelBuffer) throws -> Segmented {
        // https://developer.apple.com/documentation/coreml/mlfeaturevalue/init(pixelbuffer:)
        let input = try MLDictionaryFeatureProvider(
            dictionary: [Contract.inputName: MLFeatureValue(pixelBuffer: picture)]
        )
        let start = ContinuousClock.now
        let result = try model.prediction(from: input)
        let ids = try classMap(of: result)
        return Segmented(ids: ids, seconds: (ContinuousClock.now - start) / .seconds(1))
    }

    private func classMap(of result: MLFeatureProvider) throws -> [UInt8] {
        guard let array = result.featureValue(for: output)?.multiArrayValue,
              array.count == Contract.outputShape.reduce(1, *)
        else {
            throw SegmenterError.noClassMap(output)
        }
        // https://developer.apple.com/documentation/coreml/mlshapedarray: contiguous, whatever the strides of the array
        switch array.dataType {
        case .int32: return Contract.classMap(values(MLShapedArray<Int32>(array).scalars))
        case .float32: return Contract.classMap(values(MLShapedArray<Float>(array).scalars))
        default: throw SegmenterError.noClassMap("\(array.dataType)")
        }
    }
}

/// The elements in the type that the contract's class map takes, which is known where `Contract.swift` is.
private func values<From: BinaryInteger, To: BinaryInteger>(_ elements: [From]) -> [To] { elements.map(To.init) }
private func values<From: BinaryFloatingPoint, To: BinaryFloatingPoint>(_ elements: [From]) -> [To] { elements.map(To.init) }
private func values<From: BinaryInteger, To: BinaryFloatingPoint>(_ elements: [From]) -> [To] { elements.map(To.init) }
private func values<From: BinaryFloatingPoint, To: BinaryInteger>(_ elements: [From]) -> [To] { elements.map(To.init) }

private func name(of units: MLComputeUnits) -> String {
    switch units {
    case .cpuOnly: "cpu"
    case .cpuAndGPU: "cpu and gpu"
    case .cpuAndNeuralEngine: "cpu and neural engine"
    default: "all"
    }
}
