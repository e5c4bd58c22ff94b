// One access key: what it may do, its limits, a new secret for it, and its end.

import { allBuckets, api, get, post, segment } from "../api.js";
import { badge, button, facts, h, note, panel, put, toast } from "../dom.js";
import { confirmDialog, field, form, jsonEditor, openDialog } from "../forms.js";
import { ago, date } from "../format.js";
import { clientCommands, expiryField, limitFields, showSecret } from "../key-parts.js";
import { KEY_DOCUMENT, KEY_POLICIES } from "../presets.js";
import { policyFault } from "./settings-access.js";

const pathOf = (key) => `/v1/keys/${segment(key.access_key_id)}`;

function documentDialog(key, name, document) {
  return openDialog(
    name === "" ? "Add a policy" : `Policy ${name}`,
    (close) => {
      const title = field({ label: "Name", value: name, required: true, maxlength: "64", readOnly: name !== "" });
      const editor = jsonEditor({ label: "Policy", value: JSON.stringify(document, null, 2), check: policyFault });
      return form(
        {
          submit: "Save policy",
          cancel: () => close(),
          work: async () => {
            const read = editor.read();
            if (read === null) throw new Error("Write the policy first.");
            await api("PATCH", pathOf(key), { documents: { [title.input.value.trim()]: read } });
            close(true);
          },
        },
        title,
        editor,
      );
    },
    { wide: true },
  );
}

function policiesPanel(key, names, reload) {
  const attached = key.policies ?? [];
  const documents = key.documents ?? {};
  const saved = async (text) => {
    toast(text);
    await reload();
  };
  const detach = (name) =>
    button(
      "Detach…",
      async () => {
        const done = await confirmDialog({
          title: `Detach ${name}?`,
          confirm: "Detach",
          text:
            attached.length === 1
              ? "It is the last policy: the key may do nothing after that."
              : "The key keeps its other policies.",
          work: () => api("PATCH", pathOf(key), { detach: [name] }),
        });
        if (done) await saved("Policy detached.");
      },
      { "aria-label": `Detach ${name}` },
    );
  const rows = attached.map((name) =>
    h(
      "li",
      {},
      h("div", {}, h("strong", {}, name), h("p", { class: "hint" }, KEY_POLICIES[name] ?? "A policy of its own.")),
      h(
        "div",
        { class: "actions" },
        name in documents
          ? button(
              "Edit…",
              async () => {
                if (await documentDialog(key, name, documents[name])) await saved("Policy saved.");
              },
              { "aria-label": `Edit ${name}` },
            )
          : null,
        detach(name),
      ),
    ),
  );
  const free = names.filter((name) => !attached.includes(name));
  const choice = field({ label: "Ready-made policy", options: free.map((name) => [name, name]) });
  const limits = key.policies === null;
  return panel(
    "Policies",
    limits
      ? note(
          "info",
          h(
            "p",
            {},
            "No policies: the key may do all that its owner may. The first policy limits it to what that allows.",
          ),
        )
      : null,
    h("ul", { class: "list" }, ...rows),
    form(
      {
        submit: "Attach",
        work: async () => {
          await api("PATCH", pathOf(key), { attach: [choice.input.value] });
          await saved("Policy attached.");
        },
      },
      choice,
    ),
    h(
      "div",
      { class: "actions" },
      button("Add own policy…", async () => {
        if (await documentDialog(key, "", KEY_DOCUMENT)) await saved("Policy attached.");
      }),
    ),
  );
}

function limitsPanel(key, reload) {
  const [limits, expiry] = [limitFields(key), expiryField(key.expires)];
  const work = async () => {
    await api("PATCH", pathOf(key), { ...limits.read(), expires: expiry.read() });
    toast("Limits saved.");
    await reload();
  };
  return panel("Limits and expiry", form({ submit: "Save", work }, limits, expiry));
}

function endPanel(key, client, session, reload) {
  const isOwn = key.access_key_id === session.access_key_id;
  const rotate = button("New secret…", async () => {
    let made = null;
    const done = await confirmDialog({
      title: `New secret for ${key.name}?`,
      confirm: "Make a new secret",
      text: "The old secret stops working at once, in every client that has it.",
      work: async () => {
        made = await post(`${pathOf(key)}/rotate`, {});
      },
    });
    if (!done) return;
    await showSecret(`New secret of ${key.name}`, { access_key_id: key.access_key_id, ...made }, client);
    if (!isOwn) await reload();
  });
  const remove = button(
    "Remove key…",
    async () => {
      const done = await confirmDialog({
        title: `Remove ${key.name}?`,
        confirm: "Remove key",
        typed: key.name,
        text: "Every client that uses it is shut out at once. Buckets and objects stay.",
        work: () => api("DELETE", pathOf(key)),
      });
      if (done) {
        toast(`Key ${key.name} is removed.`);
        location.hash = "#/keys";
      }
    },
    { class: "danger" },
  );
  return panel(
    "Secret and end",
    isOwn ? note("warning", h("p", {}, "You are signed in with this key: both end your session.")) : null,
    h("div", { class: "actions" }, rotate, remove),
  );
}

/** Shows the page. */
export async function render({ main, id, session, signal, reload }) {
  const [key, { ready_made_policies: names }, buckets, overview] = await Promise.all([
    get(`/v1/keys/${segment(id)}`, { signal }),
    get("/v1/keys", { signal }),
    allBuckets({ signal }),
    get("/v1/overview", { signal }),
  ]);
  const client = {
    url: overview.s3_url,
    region: overview.region,
    buckets: buckets.map(({ name }) => name),
    policy: key.policies?.[0] ?? null,
  };
  put(
    main,
    h(
      "div",
      { class: "title" },
      h("div", {}, h("h1", {}, key.name), h("p", { class: "status" }, h("a", { href: "#/keys" }, "All keys"))),
    ),
    panel(
      "Summary",
      facts([
        ["Access key ID", h("code", { class: "key" }, key.access_key_id)],
        ["Works on the buckets of", key.owner_name ?? "itself"],
        ["Account", key.account],
        ["Created", key.created ? date(key.created) : null],
        ["Last used", key.last_used ? `${date(key.last_used)} (${ago(key.last_used)})` : "not seen"],
        ["Expires", key.expires ? `${date(key.expires)} (${ago(key.expires)})` : "never"],
      ]),
    ),
  );
  if (key.is_root) {
    main.append(
      note(
        "info",
        h(
          "p",
          {},
          badge("root", "good"),
          " The root key may do everything. Its secret is in the server's settings or in DATA_DIR/credentials.",
        ),
      ),
    );
    return;
  }
  main.append(
    policiesPanel(key, names, reload),
    limitsPanel(key, reload),
    h(
      "details",
      { class: "panel" },
      h("summary", {}, "How clients use this key"),
      h(
        "p",
        { class: "hint" },
        "Put the secret where THE-SECRET is. Nobody can ask for it again; a new one can be made.",
      ),
      clientCommands({ id: key.access_key_id, ...client }),
    ),
    endPanel(key, client, session, reload),
  );
}
