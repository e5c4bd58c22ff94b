// One request: what was asked and answered and, if it was refused, the likely cause and what speaks for it.

import { get, segment } from "../api.js";
import { badge, copyable, facts, h, linkButton, panel, put } from "../dom.js";
import { bytes, date, millis, visible } from "../format.js";
import { answerBadge } from "./logs.js";

const KINDS = {
  signature: "Signature",
  policy: "Policy",
  overload: "Overload",
  clock: "Clock",
  key: "Access key",
  other: "Other cause",
};

function explanation(request) {
  const { explanation: told } = request;
  if (!told) {
    return panel(
      "Explanation",
      h(
        "p",
        {},
        request.status !== null && request.status < 400
          ? "The request was answered as asked."
          : "Nothing more is known than the answer says.",
      ),
    );
  }
  const texts = [
    ["Canonical request, as the server computed it", told.canonical_request],
    ["String to sign", told.string_to_sign],
  ];
  return panel(
    "Why it was refused",
    h("p", { class: "cause" }, badge(KINDS[told.kind] ?? told.kind, "warning"), " ", told.sentence),
    facts((told.facts ?? []).map(({ name, value }) => [name, h("code", { class: "key" }, visible(String(value)))])),
    texts.some(([, text]) => text)
      ? [
          h(
            "p",
            { class: "hint" },
            "Compare these with what the client's log shows: the first line that differs is the cause.",
          ),
          ...texts.filter(([, text]) => text).map(([label, text]) => copyable(label, text, { area: true })),
        ]
      : null,
  );
}

/** Shows the page. */
export async function render({ main, id, signal }) {
  const request = await get(`/v1/requests/${segment(id)}`, { signal });
  const bucket = request.bucket ? h("a", { href: `#/buckets/${segment(request.bucket)}` }, request.bucket) : null;
  put(
    main,
    h(
      "div",
      { class: "title" },
      h(
        "div",
        {},
        h("h1", {}, `${request.method} ${visible(request.path)}`),
        h("p", { class: "status" }, answerBadge(request), " ", date(request.at)),
      ),
      h("div", { class: "actions" }, linkButton("All requests", "#/logs")),
    ),
    explanation(request),
    panel(
      "Request",
      facts([
        ["Request ID", h("code", { class: "key" }, String(request.id))],
        ["Operation", request.operation],
        ["Bucket", bucket],
        ["Object", request.key ? h("span", { class: "key" }, visible(request.key)) : null],
        ["Key", request.name],
        [
          "Access key ID",
          request.access_key_id ? h("code", { class: "key" }, visible(request.access_key_id)) : "none sent",
        ],
        ["From", request.peer],
        ["Client", request.user_agent ? visible(request.user_agent) : null],
        ["Took", millis(request.duration_ms)],
        ["Received", bytes(request.received_bytes)],
        ["Sent", bytes(request.sent_bytes)],
      ]),
    ),
  );
}
