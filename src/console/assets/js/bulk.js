// What is done to many objects at once, page by page: deleting, restoring, emptying a bucket, finding what an upload
// would replace. Knows S3 and nothing of the page; each tells how far it is, and ends with its signal.

import { abortUpload, deleteObjects, listObjects, listUploads, listVersions } from "./s3.js";

/** Pages of a listing that are read to find what an upload would replace; in a larger folder nobody is asked. */
const LOOKS_MAX = 10;

/** Deletes objects and everything below folders. Returns how many are gone, and what could not be deleted. */
export async function deleteAll(bucket, { keys, folders }, { signal, told }) {
  let count = 0;
  const failed = [];
  const remove = async (items) => {
    failed.push(...(await deleteObjects(bucket, items, { signal })));
    count += items.length;
    told(count - failed.length);
  };
  if (keys.length > 0) await remove(keys.map((key) => ({ key })));
  for (const prefix of folders) {
    let token = null;
    do {
      const page = await listObjects(bucket, { prefix, delimiter: "", token, signal });
      if (page.objects.length > 0) await remove(page.objects.map(({ key }) => ({ key })));
      token = page.next;
    } while (token !== null);
  }
  return { count: count - failed.length, failed };
}

/** Takes away the delete markers of objects, and of everything below folders, so that what they hide is back. */
export async function restoreAll(bucket, { markers, folders }, { signal }) {
  let count = 0;
  const failed = [];
  const restore = async (items) => {
    if (items.length === 0) return;
    failed.push(...(await deleteObjects(bucket, items, { signal })));
    count += items.length;
  };
  await restore(markers);
  for (const prefix of folders) {
    let after;
    do {
      const page = await listVersions(bucket, { prefix, delimiter: "", after, signal });
      await restore(page.versions.filter(({ isLatest, isMarker }) => isLatest && isMarker));
      after = page.next;
    } while (after);
  }
  return { count: count - failed.length, failed };
}

/** Deletes every version of every object of a bucket, and gives up its unfinished uploads. */
export async function emptyBucket(bucket, { signal, told }) {
  let count = 0;
  const failed = [];
  let after;
  do {
    const page = await listVersions(bucket, { delimiter: "", after, signal });
    failed.push(...(await deleteObjects(bucket, page.versions, { signal })));
    count += page.versions.length;
    told(count - failed.length);
    after = page.next;
  } while (after);
  let page;
  do {
    page = await listUploads(bucket, { after: page?.next, signal });
    for (const upload of page.uploads) await abortUpload(bucket, upload.key, upload.id, { signal });
  } while (page.next);
  return { count: count - failed.length, failed };
}

function commonPrefix(keys) {
  let prefix = keys[0];
  for (const key of keys) while (!key.startsWith(prefix)) prefix = prefix.slice(0, -1);
  return prefix;
}

/** Which of these keys have an object already, as far as a few pages of the listing tell. */
export async function existingKeys(bucket, keys, { signal } = {}) {
  if (keys.length === 0) return new Set();
  const [wanted, found, prefix] = [new Set(keys), new Set(), commonPrefix(keys)];
  let token = null;
  for (let look = 0; look < LOOKS_MAX; look += 1) {
    const page = await listObjects(bucket, { prefix, delimiter: "", token, signal });
    for (const { key } of page.objects) if (wanted.has(key)) found.add(key);
    token = page.next;
    if (token === null) break;
  }
  return found;
}
