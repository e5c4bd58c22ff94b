// The files in what was dropped or picked, folders included, with the path that each had.

/** Files of one drop or one choice. More are a job for a sync program. */
export const FILES_MAX = 100_000;

function readAll(directory) {
  const reader = directory.createReader();
  const found = [];
  return new Promise((resolve, reject) => {
    // A call gives a hundred entries at most; an empty one is the end.
    const more = () =>
      reader.readEntries((entries) => {
        if (entries.length === 0) resolve(found);
        else {
          found.push(...entries);
          more();
        }
      }, reject);
    more();
  });
}

async function walk(entry, path, found) {
  if (found.length >= FILES_MAX)
    throw new Error(`More than ${FILES_MAX} files: use rclone or aws s3 sync for these.`);
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.push({ file, path: path + entry.name });
  } else if (entry.isDirectory) {
    for (const inner of await readAll(entry)) await walk(inner, `${path}${entry.name}/`, found);
  }
}

/** The files of a drop as `{file, path}`. Entries must be taken before the event ends, so this is called in it. */
export async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const plain = [...transfer.files];
  if (entries.length === 0) return plain.map((file) => ({ file, path: file.name }));
  const found = [];
  for (const entry of entries) await walk(entry, "", found);
  return found;
}

/** The files of an input as `{file, path}`. */
export function pickedFiles(input) {
  return [...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
}
