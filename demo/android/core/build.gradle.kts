// All that is not Android; this project's tests compile and run it against golden frames.
plugins {
    id("org.jetbrains.kotlin.jvm")
}

kotlin {
    jvmToolchain(17)
}
