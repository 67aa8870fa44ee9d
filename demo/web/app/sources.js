// What is segmented: a still picture, a video file or the camera. A source has `picture`, what a canvas draws, `part`, which
// of it the model sees, `next()`, true once there is a new frame, and `close()`; a still one has `rewind()` too.

import { crop } from "../contract.js";

const named = (name, message) => Object.assign(new Error(message), { name });
const whole = (width, height) => ({ x: 0, y: 0, width, height });

/** A picture file; one frame, seen whole. */
export async function openPicture(file) {
  let picture;
  try {
    picture = await createImageBitmap(file);
  } catch {
    throw named("PictureError", file.name);
  }
  let seen = false;
  return {
    kind: "picture",
    picture,
    part: whole(picture.width, picture.height),
    next: async () => !seen && (seen = true),
    rewind: () => (seen = false),
    close: () => picture.close(),
  };
}

/** A video file, again and again, seen whole. */
export async function openVideo(file) {
  const address = URL.createObjectURL(file);
  const video = silentVideo({ src: address, loop: true });
  try {
    await started(video);
  } catch {
    URL.revokeObjectURL(address);
    throw named("VideoError", file.name);
  }
  return {
    kind: "video",
    picture: video,
    get part() {
      return whole(video.videoWidth, video.videoHeight);
    },
    next: () => nextFrame(video),
    close() {
      video.pause();
      video.removeAttribute("src");
      URL.revokeObjectURL(address);
    },
  };
}

/** The camera that looks at the world ("environment") or at the user ("user"), cropped to the model's proportions. */
export async function openCamera(facing) {
  if (!navigator.mediaDevices) throw named("InsecureContextError", "the browser has no mediaDevices here");
  const wish = { facingMode: { ideal: facing }, width: { ideal: 1280 }, height: { ideal: 720 } };
  const stream = await navigator.mediaDevices.getUserMedia({ video: wish, audio: false });
  const [track] = stream.getVideoTracks();
  const video = silentVideo({ srcObject: stream });
  await started(video).catch((error) => {
    track.stop();
    throw error;
  });
  return {
    kind: "camera",
    facing,
    label: track.label,
    picture: video,
    get part() {
      return crop(video.videoWidth, video.videoHeight);
    },
    hasTorch: Boolean(track.getCapabilities?.().torch),
    setTorch: (on) => track.applyConstraints({ advanced: [{ torch: on }] }),
    onLost: (tell) => track.addEventListener("ended", tell),
    next: () => nextFrame(video),
    close() {
      video.srcObject = null;
      track.stop();
    },
  };
}

/** How many cameras there are. */
export async function countCameras() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter((device) => device.kind === "videoinput").length;
}

function silentVideo(properties) {
  return Object.assign(document.createElement("video"), { muted: true, playsInline: true, ...properties });
}

async function started(video) {
  await video.play();
  if (!video.videoWidth) throw new Error("there is no picture in it");
}

/** True once the video shows another frame; a source that was closed shows none. */
function nextFrame(video) {
  if (video.paused || (!video.src && !video.srcObject)) return Promise.resolve(false);
  return new Promise((resolve) => {
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(() => resolve(true));
    else requestAnimationFrame(() => resolve(true));
  });
}
