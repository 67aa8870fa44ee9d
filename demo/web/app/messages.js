// What went wrong, in words for whoever holds the phone: what happened, and what to do.

const MEMORY = /out of memory|could not allocate|bad_alloc|allocation failed|memory access out of bounds|Aborted\(OOM/i;

const BY_NAME = {
  NotAllowedError: [
    "The camera was refused",
    "Allow it for this page in the browser's settings, then press Camera again. A photo or a video works without it.",
  ],
  SecurityError: ["The camera was refused", "It is not allowed where this page is shown; open it in a tab of its own."],
  NotFoundError: ["There is no camera", "Connect one and press Camera again, or choose a photo or a video."],
  OverconstrainedError: ["There is no such camera", "Press Camera again for another one."],
  NotReadableError: ["The camera is busy", "Another app or tab may hold it; close that and press Camera again."],
  AbortError: ["The camera stopped", "Press Camera to start it again."],
  InsecureContextError: [
    "The camera needs https",
    "A browser gives no camera to a page that came over plain http. Open it over https or on localhost; " +
      "a photo or a video works here too.",
  ],
  PictureError: ["This picture cannot be read", "The browser opens JPEG, PNG and WebP; choose another file."],
  VideoError: ["This video cannot be played", "The browser plays MP4 with H.264 and WebM; choose another file."],
};

const OUT_OF_MEMORY = [
  "Out of memory",
  "The browser has no memory left for this model. Close other tabs and load the page again, or export a smaller one.",
];

const UNKNOWN = ["The model cannot run here", "Load the page again; if that does not help, use another browser."];

/** Title, advice and the browser's own words of an error. */
export function explain(error) {
  const detail = `${error.name}: ${error.message}`;
  const [title, advice] = MEMORY.test(error.message) ? OUT_OF_MEMORY : BY_NAME[error.name] ?? UNKNOWN;
  return { title, advice, detail };
}
