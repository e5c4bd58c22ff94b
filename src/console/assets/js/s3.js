// The S3 API through the console's own door: the server signs each request with the key of the session, so that the
// same policies and limits hold as for every other client. Knows S3's words and nothing of the page.

import { SIGNED_OUT, unreachable } from "./api.js";
import { baseName } from "./format.js";
import { sha256Base64 } from "./sha256.js";
import { all, canCarry, child, decoded, documentOf, element, integer, parseXml, text } from "./xml.js";

/** Keys on one page of a listing, and in one DeleteObjects. */
export const PAGE = 1000;
/** Bytes of one DeleteObjects, far below what the server reads. */
const DELETE_BYTES = 1 << 20;
const DOTS = /(^|\/)\.{1,2}(\/|$)/;

/** A refusal of S3. */
export class S3Error extends Error {
  constructor(status, code, message, retryAfter) {
    super(message || code);
    this.name = "S3Error";
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

/** The address of a bucket or an object. `parameters` are pairs; a value of `null` is a name alone. */
export function s3Url(bucket, key, parameters = {}) {
  let path = bucket === null ? "/s3/" : `/s3/${encodeURIComponent(bucket)}`;
  if (key !== null && key !== undefined && key !== "") {
    const escaped = encodeURIComponent(key);
    // Browsers resolve `.` and `..` in paths, escaped or not; a slash that is escaped hides them.
    path += `/${DOTS.test(key) ? escaped : escaped.replaceAll("%2F", "/")}`;
  }
  const query = Object.entries(parameters)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => (value === null ? name : `${name}=${encodeURIComponent(value)}`));
  return query.length === 0 ? path : `${path}?${query.join("&")}`;
}

/** Where an object is downloaded from, under its own name. */
export function downloadUrl(bucket, key, version) {
  const name = encodeURIComponent(baseName(key).replace(/\/$/, "")).replace(
    /['()*]/g,
    (mark) => `%${mark.codePointAt(0).toString(16)}`,
  );
  const disposition = `attachment; filename*=UTF-8''${name}`;
  return s3Url(bucket, key, { versionId: version, "response-content-disposition": disposition });
}

/** Whether a browser can name that key in an address. */
export function isAddressable(key) {
  return key !== "." && key !== "..";
}

/** What an error document says. */
export function readError(status, body, retryAfter) {
  let [code, message] = ["Unknown", ""];
  try {
    const root = parseXml(body);
    [code, message] = [text(root, "Code") ?? code, text(root, "Message") ?? ""];
  } catch {
    const words = {
      0: "The server cannot be reached.",
      403: "Access denied.",
      404: "It does not exist.",
      412: "It has changed meanwhile.",
    };
    message = words[status] ?? `The server answered ${status}.`;
    try {
      message = JSON.parse(body).message ?? message;
    } catch {
      // Neither XML nor JSON: the status is all there is.
    }
  }
  return new S3Error(status, code, message, retryAfter);
}

/** One request; the response, or `S3Error`. */
export async function s3(method, url, { body, headers = {}, signal } = {}) {
  const all = method === "GET" || method === "HEAD" ? headers : { ...headers, "x-sluicegate-csrf": "1" };
  let response;
  try {
    response = await fetch(url, {
      method,
      headers: all,
      body,
      signal,
      cache: "no-store",
      credentials: "same-origin",
    });
  } catch (error) {
    throw unreachable(error);
  }
  if (response.ok) return response;
  const error = readError(
    response.status,
    await response.text(),
    Number(response.headers.get("retry-after")) || null,
  );
  if (error.status === 401) window.dispatchEvent(new CustomEvent(SIGNED_OUT));
  throw error;
}

/** One request whose answer is XML; its root. An error inside a 200 is an error. */
export async function s3Xml(method, url, options) {
  const response = await s3(method, url, options);
  const body = await response.text();
  const root = parseXml(body);
  if (root.localName === "Error") throw readError(response.status, body, null);
  return root;
}

/** Sends a document with the checksum that S3 wants on it. */
export async function s3Document(method, url, xml, options = {}) {
  const bytes = new TextEncoder().encode(xml);
  const headers = {
    "content-type": "application/xml",
    "x-amz-checksum-sha256": await sha256Base64(bytes),
    ...options.headers,
  };
  return s3(method, url, { ...options, headers, body: bytes });
}

/** The root of a document of a bucket, or `null` if it has none of these. */
export async function optionalXml(url, codes, options) {
  try {
    return await s3Xml("GET", url, options);
  } catch (error) {
    if (codes.includes(error.code)) return null;
    throw error;
  }
}

/** All buckets that the session may see. */
export async function listBuckets(options) {
  const root = await s3Xml("GET", s3Url(null, null), options);
  return all(child(root, "Buckets"), "Bucket").map((bucket) => ({
    name: text(bucket, "Name"),
    created: text(bucket, "CreationDate"),
  }));
}

const objectOf = (node) => ({
  key: decoded(node, "Key"),
  size: integer(node, "Size"),
  modified: text(node, "LastModified"),
  etag: text(node, "ETag"),
});

/** One page of objects and folders. */
export async function listObjects(bucket, { prefix = "", delimiter = "/", token, max = PAGE, ...options } = {}) {
  const url = s3Url(bucket, null, {
    "list-type": "2",
    "encoding-type": "url",
    prefix,
    delimiter: delimiter || undefined,
    "max-keys": max,
    "continuation-token": token ?? undefined,
  });
  const root = await s3Xml("GET", url, options);
  return {
    objects: all(root, "Contents").map(objectOf),
    folders: all(root, "CommonPrefixes").map((node) => decoded(node, "Prefix")),
    next: text(root, "IsTruncated") === "true" ? text(root, "NextContinuationToken") : null,
  };
}

/** One page of versions and delete markers, newest first for each key. `after` is what the page before gave. */
export async function listVersions(bucket, { prefix = "", delimiter = "/", after, max = PAGE, ...options } = {}) {
  const url = s3Url(bucket, null, {
    versions: null,
    "encoding-type": "url",
    prefix,
    delimiter: delimiter || undefined,
    "max-keys": max,
    "key-marker": after?.key,
    "version-id-marker": after?.version ?? undefined,
  });
  const root = await s3Xml("GET", url, options);
  const versions = [...root.children].filter((node) => ["Version", "DeleteMarker"].includes(node.localName));
  return {
    versions: versions.map((node) => ({
      ...objectOf(node),
      version: text(node, "VersionId"),
      isLatest: text(node, "IsLatest") === "true",
      isMarker: node.localName === "DeleteMarker",
    })),
    folders: all(root, "CommonPrefixes").map((node) => decoded(node, "Prefix")),
    next:
      text(root, "IsTruncated") === "true"
        ? { key: decoded(root, "NextKeyMarker"), version: text(root, "NextVersionIdMarker") }
        : null,
  };
}

/** Deletes one object or version. */
export async function deleteObject(bucket, key, version, options) {
  await s3("DELETE", s3Url(bucket, key, { versionId: version ?? undefined }), options);
}

function batches(items) {
  const found = [];
  let size = DELETE_BYTES;
  for (const item of items) {
    const cost = item.key.length * 6 + 100;
    if (size + cost > DELETE_BYTES || found.at(-1).length === PAGE) {
      found.push([]);
      size = 0;
    }
    found.at(-1).push(item);
    size += cost;
  }
  return found;
}

/** Deletes many; returns what could not be deleted, as `{key, message}`. Keys that XML cannot carry go one by one. */
export async function deleteObjects(bucket, items, options = {}) {
  const failed = [];
  for (const batch of batches(items.filter((item) => canCarry(item.key)))) {
    const objects = batch.map(({ key, version }) =>
      element("Object", element("Key", key), version ? element("VersionId", version) : null),
    );
    const xml = documentOf("Delete", element("Quiet", "true"), ...objects);
    const response = await s3Document("POST", s3Url(bucket, null, { delete: null }), xml, options);
    const root = parseXml(await response.text());
    failed.push(...all(root, "Error").map((node) => ({ key: text(node, "Key"), message: text(node, "Message") })));
  }
  for (const { key, version } of items.filter((item) => !canCarry(item.key))) {
    try {
      await deleteObject(bucket, key, version, options);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      failed.push({ key, message: error.message });
    }
  }
  return failed;
}

/** Makes a version of an object its newest again. */
export async function restoreVersion(bucket, key, version, options) {
  const source = `/${encodeURIComponent(bucket)}/${encodeURIComponent(key).replaceAll("%2F", "/")}`;
  const root = await s3Xml("PUT", s3Url(bucket, key), {
    ...options,
    headers: { "x-amz-copy-source": `${source}?versionId=${encodeURIComponent(version)}` },
  });
  return text(root, "ETag");
}

/** One page of unfinished uploads of a bucket. */
export async function listUploads(bucket, { after, ...options } = {}) {
  const url = s3Url(bucket, null, {
    uploads: null,
    "encoding-type": "url",
    "key-marker": after?.key,
    "upload-id-marker": after?.id,
  });
  const root = await s3Xml("GET", url, options);
  return {
    uploads: all(root, "Upload").map((node) => ({
      bucket,
      key: decoded(node, "Key"),
      id: text(node, "UploadId"),
      started: text(node, "Initiated"),
    })),
    next:
      text(root, "IsTruncated") === "true"
        ? { key: decoded(root, "NextKeyMarker"), id: text(root, "NextUploadIdMarker") }
        : null,
  };
}

/** The parts of an upload: a map from number to `{etag, size}`. */
export async function listParts(bucket, key, id, options) {
  const parts = new Map();
  let after;
  do {
    const url = s3Url(bucket, key, { uploadId: id, "part-number-marker": after });
    const root = await s3Xml("GET", url, options);
    for (const node of all(root, "Part")) {
      parts.set(integer(node, "PartNumber"), { etag: text(node, "ETag"), size: integer(node, "Size") });
    }
    after = text(root, "IsTruncated") === "true" ? text(root, "NextPartNumberMarker") : undefined;
  } while (after !== undefined && after !== null);
  return parts;
}

/** Gives up an upload and frees its parts. One that is gone already is no error. */
export async function abortUpload(bucket, key, id, options) {
  try {
    await s3("DELETE", s3Url(bucket, key, { uploadId: id }), options);
  } catch (error) {
    if (error.code !== "NoSuchUpload") throw error;
  }
}
