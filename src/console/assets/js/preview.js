// A look into an object without downloading it: pictures, sound, films and the beginning of texts. The server sends
// stored objects so that nothing in them can run; here they are only ever pictures, media or text.

import { h, note } from "./dom.js";
import { bytes } from "./format.js";
import { s3, s3Url } from "./s3.js";

/** Bytes of a text that are shown. */
const TEXT_BYTES = 64 * 1024;
/** Larger pictures are not loaded unasked. */
const IMAGE_BYTES_MAX = 32 << 20;
const IMAGES = /^image\/(png|jpe?g|gif|webp|avif|bmp|svg\+xml|x-icon|vnd\.microsoft\.icon)$/;
const TEXTS = /^text\/|json|xml|yaml|toml|javascript|x-sh$|sql/;
const NAMES = {
  image: /\.(png|jpe?g|gif|webp|avif|bmp|svg|ico)$/i,
  video: /\.(mp4|webm|ogv|mov|m4v)$/i,
  audio: /\.(mp3|ogg|oga|opus|wav|flac|m4a)$/i,
  text: /\.(txt|md|log|csv|tsv|json|jsonl|xml|ya?ml|toml|ini|conf|rs|js|mjs|ts|py|go|c|h|cpp|java|sh|sql|html?|css|svg)$/i,
};

/** What kind of preview an object gets: `image`, `video`, `audio`, `text` or `null`. */
export function previewKind(type, key) {
  const plain = (type ?? "").split(";")[0].trim().toLowerCase();
  if (IMAGES.test(plain)) return "image";
  if (plain.startsWith("video/")) return "video";
  if (plain.startsWith("audio/")) return "audio";
  if (TEXTS.test(plain)) return "text";
  if (plain !== "" && plain !== "application/octet-stream" && plain !== "binary/octet-stream") return null;
  return Object.keys(NAMES).find((kind) => NAMES[kind].test(key)) ?? null;
}

async function text(url, size, signal) {
  const headers = size > TEXT_BYTES ? { range: `bytes=0-${TEXT_BYTES - 1}` } : {};
  const response = await s3("GET", url, { headers, signal });
  const data = await response.arrayBuffer();
  const shown = h(
    "pre",
    { class: "preview", tabindex: "0", role: "group", "aria-label": "Beginning of the text" },
    new TextDecoder().decode(data),
  );
  return size > TEXT_BYTES
    ? [shown, h("p", { class: "hint" }, `The first ${bytes(TEXT_BYTES)} of ${bytes(size)}.`)]
    : shown;
}

/** An element that loads something, and what is said instead if that fails. */
function orNote(node, sentence) {
  node.addEventListener("error", () => node.replaceWith(note("info", h("p", {}, sentence))));
  return node;
}

/** The preview of an object, or a line that says why there is none. */
export async function preview({ bucket, key, version, type, size, signal }) {
  const url = s3Url(bucket, key, { versionId: version });
  const kind = previewKind(type, key);
  if (size === 0) return h("p", { class: "hint" }, "The object is empty.");
  if (kind === "text") return text(url, size, signal);
  if (kind === "image" && size <= IMAGE_BYTES_MAX) {
    const image = h("img", { class: "preview", src: url, alt: `Preview of ${key}` });
    return orNote(image, "The browser cannot show this picture.");
  }
  if (kind === "image") {
    return h("p", { class: "hint" }, `No preview of pictures larger than ${bytes(IMAGE_BYTES_MAX)}: download it.`);
  }
  if (kind === "video" || kind === "audio") {
    const player = h(kind, {
      class: kind === "video" ? "preview" : null,
      src: url,
      controls: true,
      preload: "metadata",
      "aria-label": `Preview of ${key}`,
    });
    return orNote(player, "The browser cannot play this. Download it for another player.");
  }
  return h("p", { class: "hint" }, "No preview for this kind of object.");
}
