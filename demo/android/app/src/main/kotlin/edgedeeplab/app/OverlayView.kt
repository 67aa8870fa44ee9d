package edgedeeplab.app

import android.content.Context
import android.opengl.GLES30
import android.opengl.GLSurfaceView
import edgedeeplab.core.Picture
import java.nio.ByteBuffer
import java.nio.ByteOrder
import javax.microedition.khronos.egl.EGLConfig
import javax.microedition.khronos.opengles.GL10

private const val VERTICES = """#version 300 es
out vec2 place;
uniform vec2 stretch;
void main() {
    vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1);
    place = vec2(corner.x, 1.0 - corner.y);
    gl_Position = vec4((corner * 2.0 - 1.0) * stretch, 0.0, 1.0);
}"""

private const val COLOURS = """#version 300 es
precision mediump float;
in vec2 place;
out vec4 shown;
uniform sampler2D frame;
uniform sampler2D ids;
uniform sampler2D palette;
uniform float opacity;
void main() {
    int id = int(texture(ids, place).r * 255.0 + 0.5);
    vec4 colour = texelFetch(palette, ivec2(id, 0), 0);
    shown = vec4(mix(texture(frame, place).rgb, colour.rgb, opacity * colour.a), 1.0);
}"""

/** The frame that was segmented, its class map over it; colours are looked up on the GPU. */
class OverlayView(context: Context) : GLSurfaceView(context), GLSurfaceView.Renderer {
    private class Shown(val frame: ByteBuffer, val ids: ByteBuffer)

    @Volatile
    private var next: Shown? = null

    @Volatile
    var opacity = 0.5f

    private var program = 0
    private var stretch = floatArrayOf(1f, 1f)

    init {
        setEGLContextClientVersion(3)
        setRenderer(this)
        renderMode = RENDERMODE_WHEN_DIRTY
    }

    /** Shows a picture of the model's size and its class map; called from any thread. */
    fun show(picture: Picture, ids: ByteArray) {
        next = Shown(rgba(picture.pixels), ByteBuffer.allocateDirect(ids.size).put(ids).apply { rewind() })
        requestRender()
    }

    override fun onSurfaceCreated(unused: GL10?, config: EGLConfig?) {
        program = GLES30.glCreateProgram()
        for ((kind, source) in listOf(GLES30.GL_VERTEX_SHADER to VERTICES, GLES30.GL_FRAGMENT_SHADER to COLOURS)) {
            val shader = GLES30.glCreateShader(kind)
            GLES30.glShaderSource(shader, source)
            GLES30.glCompileShader(shader)
            GLES30.glAttachShader(program, shader)
        }
        GLES30.glLinkProgram(program)
        GLES30.glUseProgram(program)
        GLES30.glPixelStorei(GLES30.GL_UNPACK_ALIGNMENT, 1)
        val textures = IntArray(3).also { GLES30.glGenTextures(3, it, 0) }
        listOf("frame", "ids", "palette").forEachIndexed { unit, name ->
            GLES30.glActiveTexture(GLES30.GL_TEXTURE0 + unit)
            GLES30.glBindTexture(GLES30.GL_TEXTURE_2D, textures[unit])
            for (filter in listOf(GLES30.GL_TEXTURE_MIN_FILTER, GLES30.GL_TEXTURE_MAG_FILTER)) {
                val kind = if (unit == 0) GLES30.GL_LINEAR else GLES30.GL_NEAREST
                GLES30.glTexParameteri(GLES30.GL_TEXTURE_2D, filter, kind)
            }
            GLES30.glTexParameteri(GLES30.GL_TEXTURE_2D, GLES30.GL_TEXTURE_WRAP_S, GLES30.GL_CLAMP_TO_EDGE)
            GLES30.glTexParameteri(GLES30.GL_TEXTURE_2D, GLES30.GL_TEXTURE_WRAP_T, GLES30.GL_CLAMP_TO_EDGE)
            GLES30.glUniform1i(GLES30.glGetUniformLocation(program, name), unit)
        }
        upload(2, GLES30.GL_RGBA, 256, 1, rgba(IntArray(256) { Contract.PALETTE.getOrElse(it) { 0 } }))
    }

    override fun onSurfaceChanged(unused: GL10?, width: Int, height: Int) {
        GLES30.glViewport(0, 0, width, height)
        val proportion = Contract.WIDTH.toFloat() / Contract.HEIGHT * height / width
        stretch = if (proportion > 1) floatArrayOf(1f, 1 / proportion) else floatArrayOf(proportion, 1f)
    }

    override fun onDrawFrame(unused: GL10?) {
        GLES30.glClear(GLES30.GL_COLOR_BUFFER_BIT)
        val shown = next ?: return
        upload(0, GLES30.GL_RGBA, Contract.WIDTH, Contract.HEIGHT, shown.frame)
        upload(1, GLES30.GL_RED, Contract.WIDTH, Contract.HEIGHT, shown.ids)
        GLES30.glUniform2fv(GLES30.glGetUniformLocation(program, "stretch"), 1, stretch, 0)
        GLES30.glUniform1f(GLES30.glGetUniformLocation(program, "opacity"), opacity)
        GLES30.glDrawArrays(GLES30.GL_TRIANGLE_STRIP, 0, 4)
    }

    private fun upload(unit: Int, format: Int, width: Int, height: Int, content: ByteBuffer) {
        GLES30.glActiveTexture(GLES30.GL_TEXTURE0 + unit)
        val stored = if (format == GLES30.GL_RED) GLES30.GL_R8 else GLES30.GL_RGBA
        GLES30.glTexImage2D(
            GLES30.GL_TEXTURE_2D, 0, stored, width, height, 0, format, GLES30.GL_UNSIGNED_BYTE, content,
        )
    }

    private fun rgba(argb: IntArray): ByteBuffer {
        val bytes = ByteBuffer.allocateDirect(4 * argb.size).order(ByteOrder.BIG_ENDIAN)
        for (colour in argb) bytes.putInt((colour shl 8) or (colour ushr 24))
        return bytes.apply { rewind() }
    }
}
