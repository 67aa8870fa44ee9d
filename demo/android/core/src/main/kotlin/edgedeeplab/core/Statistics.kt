package edgedeeplab.core

private const val WINDOW = 60

/** The times of the last frames: what a demo shows of its speed. */
class Statistics {
    private val frames = ArrayDeque<StageTimes>()
    private val ends = ArrayDeque<Long>()

    /** Counts a frame that was finished at a time of System.nanoTime. */
    fun add(times: StageTimes, endNanos: Long) {
        frames.addLast(times)
        ends.addLast(endNanos)
        if (frames.size > WINDOW) {
            frames.removeFirst()
            ends.removeFirst()
        }
    }

    /** Frames a second over the last of them; null before there are two. */
    val framesPerSecond: Double?
        get() {
            val nanos = if (ends.size < 2) 0 else ends.last() - ends.first()
            return if (nanos <= 0) null else (ends.size - 1) * 1e9 / nanos
        }

    /** The median of a stage in milliseconds; null where no frame has it. */
    fun median(stage: (StageTimes) -> Double?): Double? {
        val times = frames.mapNotNull(stage).sorted()
        if (times.isEmpty()) return null
        val middle = times.size / 2
        return if (times.size % 2 == 1) times[middle] else (times[middle - 1] + times[middle]) / 2
    }
}
