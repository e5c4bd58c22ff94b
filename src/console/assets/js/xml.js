// S3's documents: read with the browser's own parser, written by a function that escapes. Knows no operation.

/** References to characters that XML 1.0 has not: the parser would refuse the document for them. */
const ILLEGAL_REFERENCE = /&#x0*(?:[0-8bce-f]|1[0-9a-f]);|&#0*(?:[0-8]|1[124-9]|2[0-9]|3[01]);/gi;
/** What no XML document can carry. */
const UNSPEAKABLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/;

/** The root element of a document; throws if it is none. */
export function parseXml(text) {
  // Of an empty text the parser would make a page of its own that says so.
  if (text.trim() === "") throw new Error("The server's answer is empty.");
  const document = new DOMParser().parseFromString(
    text.trim().replace(ILLEGAL_REFERENCE, "\ufffd"),
    "application/xml",
  );
  if (document.getElementsByTagName("parsererror").length > 0) throw new Error("The server's answer is no XML.");
  return document.documentElement;
}

/** The direct children of that name. */
export function all(element, name) {
  return element ? [...element.children].filter((child) => child.localName === name) : [];
}

/** The first direct child of that name, along a path `A/B`. */
export function child(element, path) {
  return path.split("/").reduce((node, name) => (node ? (all(node, name)[0] ?? null) : null), element);
}

/** The text of a child along a path, or `null`. */
export function text(element, path) {
  return child(element, path)?.textContent ?? null;
}

/** A number in a child, or `null`. */
export function integer(element, path) {
  const found = text(element, path);
  return found === null || found.trim() === "" ? null : Number(found);
}

/** Text of a listing that was asked for with `encoding-type=url`. */
export function decoded(element, path) {
  const found = text(element, path);
  return found === null ? null : decodeURIComponent(found.replaceAll("+", "%20"));
}

/** Whether XML can carry a text. */
export function canCarry(value) {
  return !UNSPEAKABLE.test(value);
}

function escape(value) {
  return String(value).replace(/[&<>"'\r\n\t]/g, (mark) => `&#${mark.codePointAt(0)};`);
}

/** An element as text. Children are elements of this function; a string in `text` is escaped. */
export function element(name, ...children) {
  const inside = children.flat().filter((part) => part !== null && part !== undefined && part !== false);
  return { xml: `<${name}>${inside.map((part) => part.xml ?? escape(part)).join("")}</${name}>` };
}

/** An element that was read, as text again. */
export function verbatim(node) {
  return { xml: new XMLSerializer().serializeToString(node) };
}

/** A whole document. */
export function documentOf(name, ...children) {
  const inner = element(name, ...children).xml;
  return inner.replace(`<${name}>`, `<${name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`);
}
