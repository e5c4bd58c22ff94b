// What the browser remembers of uploads in parts, so that one goes on after a reload: the id that the server gave,
// by the file's name, size and time. The parts themselves are asked of the server, which knows what arrived.

const STEM = "sluicegate-upload:";
const MIB = 1 << 20;
/** Bytes of a part, unless the file has more than `PARTS_MAX` of them. */
export const PART_BYTES = 8 * MIB;
/** S3's bound on the parts of an upload. */
const PARTS_MAX = 10_000;
/** Uploads that are remembered; older ones are forgotten (the server's lifecycle rules free their parts). */
const REMEMBERED_MAX = 200;

/** Bytes of each part of a file of `size` bytes. */
export function partBytes(size) {
  if (size <= PART_BYTES * PARTS_MAX) return PART_BYTES;
  return Math.ceil(size / PARTS_MAX / MIB) * MIB;
}

/** First byte and length of part `number`, counted from 1. */
export function partRange(size, each, number) {
  const start = (number - 1) * each;
  return { start, end: Math.min(size, start + each) };
}

function nameOf(bucket, key, file) {
  return STEM + JSON.stringify([bucket, key, file.name, file.size, file.lastModified]);
}

function entries() {
  const found = [];
  try {
    for (let at = 0; at < localStorage.length; at += 1) {
      const name = localStorage.key(at);
      if (!name.startsWith(STEM)) continue;
      const [bucket, key, file, size] = JSON.parse(name.slice(STEM.length));
      found.push({ name, bucket, key, file, size, ...JSON.parse(localStorage.getItem(name)) });
    }
  } catch {
    // Storage is switched off, or somebody else wrote there: nothing is remembered.
  }
  return found;
}

/** The uploads of a bucket that did not end, as far as this browser knows. */
export function remembered(bucket) {
  return entries().filter((entry) => entry.bucket === bucket);
}

/** The upload id and part size of a file that was begun before, or `null`. */
export function recall(bucket, key, file) {
  try {
    return JSON.parse(localStorage.getItem(nameOf(bucket, key, file)));
  } catch {
    return null;
  }
}

/** Remembers an upload. */
export function remember(bucket, key, file, id, each) {
  try {
    const old = entries().sort((a, b) => a.at - b.at);
    old
      .slice(0, Math.max(0, old.length - REMEMBERED_MAX + 1))
      .forEach((entry) => localStorage.removeItem(entry.name));
    localStorage.setItem(nameOf(bucket, key, file), JSON.stringify({ id, each, at: Date.now() }));
  } catch {
    // Then it begins anew after a reload.
  }
}

/** Forgets an upload that has ended. */
export function forget(bucket, key, file) {
  try {
    localStorage.removeItem(nameOf(bucket, key, file));
  } catch {
    // It was never remembered.
  }
}

/** Forgets an upload by its id: it was aborted elsewhere in the console. */
export function forgetId(id) {
  for (const entry of entries().filter((found) => found.id === id)) localStorage.removeItem(entry.name);
}
