#if canImport(CoreAI)
import CoreAI
import CoreVideo

/// The model in Core AI: https://developer.apple.com/documentation/coreai/aimodel
@available(iOS 27, macOS 27, *)
public final class CoreAISegmenter: Segmenting {
    public let runtime = "Core AI"
    public let asked: String

    private let function: InferenceFunction
    private let output: String

    /// - Parameter asset: the `.aimodel` that Contract.swift tells of.
    /// - Parameter units: what the model prefers; the rest of the device is used for what these cannot run, and which
    ///   ran it is not told. Nil is the processor alone.
    public init(asset: URL, preferring units: ComputeUnitKind?) async throws {
        // https://developer.apple.com/documentation/coreai/specializationoptions
        let options = units.map { SpecializationOptions(preferredComputeUnitKind: $0) } ?? .cpuOnly
        let model = try await AIModel(contentsOf: asset, options: options)
        guard let main = try model.loadFunction(named: "main"), let name = main.descriptor.outputNames.first else {
            throw SegmenterError.noClassMap("nothing")
        }
        function = main
        output = name
        asked = units.map { "\($0) preferred" } ?? "cpu"
    }

    public func segment(_ picture: CVPixelBuffer) async throws -> Segmented {
        // https://developer.apple.com/documentation/coreai/ndarray/init(scalars:shape:)
        let input = NDArray(scalars: Contract.prepare(rgba(of: picture)), shape: Contract.inputShape)
        let start = ContinuousClock.now
        // https://developer.apple.com/documentation/coreai/inferencefunction/run(inputs:states:outputviews:)-mqfb
        var outputs = try await function.run(inputs: [Contract.inputName: input])
        guard let array = outputs.remove(output)?.ndArray else { throw SegmenterError.noClassMap(output) }
        let ids = Contract.classMap(try elements(of: array))
        return Segmented(ids: ids, seconds: (ContinuousClock.now - start) / .seconds(1))
    }
}

/// The elements in row-major order, whatever their strides; the type is the one that the contract's class map takes.
@available(iOS 27, macOS 27, *)
private func elements<Element: BitwiseCopyable>(of array: borrowing NDArray) throws -> [Element] {
    // https://developer.apple.com/documentation/coreai/ndarray/view
    let view = array.view(as: Element.self)
    guard view.interleaveLayout == nil, array.shape.elementsEqual(Contract.outputShape) else {
        throw SegmenterError.noClassMap("an array of \(array.shape)")
    }
    return view.withUnsafePointer { first, shape, strides in
        var indices = [Int](repeating: 0, count: shape.count)
        let count = Contract.outputShape.reduce(1, *)
        return [Element](unsafeUninitializedCapacity: count) { elements, written in
            while written < count {
                var offset = 0
                for axis in indices.indices { offset += indices[axis] * strides[axis] }
                elements.initializeElement(at: written, to: first[offset])
                written += 1
                for axis in indices.indices.reversed() {
                    indices[axis] += 1
                    if indices[axis] < shape[axis] { break }
                    indices[axis] = 0
                }
            }
        }
    }
}
#endif
