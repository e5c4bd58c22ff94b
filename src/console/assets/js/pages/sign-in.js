// The way in: an access key of the gateway. The secret is sent once and kept nowhere in the browser.

import { post } from "../api.js";
import { h } from "../dom.js";
import { field, form } from "../forms.js";
import { themePicker } from "../frame.js";

function explained(error) {
  if (error.code === "wrong-credentials") return new Error("This access key and secret do not belong together.");
  if (error.code === "too-many-attempts") {
    const wait = error.retryAfter ? ` Try again in ${error.retryAfter} s.` : " Try again later.";
    return new Error(`Too many attempts.${wait}`);
  }
  return error;
}

/** The page. `entered` gets the session. */
export function signIn({ message, entered }) {
  const id = field({
    label: "Access key ID",
    name: "username",
    autocomplete: "username",
    autocapitalize: "off",
    required: true,
  });
  const secret = field({
    label: "Secret access key",
    type: "password",
    name: "password",
    autocomplete: "current-password",
    required: true,
  });
  const work = async () => {
    try {
      const body = { access_key_id: id.input.value.trim(), secret_access_key: secret.input.value.trim() };
      entered(await post("/v1/session", body, { quiet: true }));
    } catch (error) {
      secret.input.value = "";
      secret.input.focus();
      throw explained(error);
    }
  };
  return h(
    "main",
    { class: "lone", id: "main" },
    h(
      "div",
      { class: "card" },
      h(
        "div",
        { class: "brand" },
        h("img", { src: "/console/icon.svg", alt: "", width: "40", height: "40" }),
        h("h1", { tabindex: "-1" }, "Sign in to Sluicegate"),
      ),
      message ? h("p", { class: "note info", role: "status" }, message) : null,
      form({ submit: "Sign in", work }, id, secret),
      h(
        "p",
        { class: "hint" },
        "Use any access key of this gateway. Administrators see everything, other keys see ",
        "their buckets. The first start wrote the root key to ",
        h("code", {}, "DATA_DIR/credentials"),
        ".",
      ),
    ),
    h("div", { class: "below" }, themePicker()),
  );
}
