// What the page says besides its content: alerts, and the one dialog.

import { Problem, Unreachable } from "./api.js";
import { $, h, icon } from "./dom.js";
import { CutShort } from "./stream.js";

/** Says every failure in its own sentence; the end of a session sends the person back to the door. */
export function report(error) {
  if (error.name === "AbortError") return;
  if (error instanceof Problem && error.status === 401) {
    document.dispatchEvent(new Event("session-ended"));
  } else if (error instanceof Problem || error instanceof Unreachable || error instanceof CutShort) {
    alertWith(error.message, error.requestId);
  } else {
    alertWith("The page ran into a mistake of its own. Reload it and try again.");
    throw error;
  }
}

export function alertWith(message, requestId) {
  const close = h("button", { type: "button", className: "quiet icon-only", ariaLabel: "Dismiss" });
  close.append(icon("cross"));
  const reference = requestId ? h("small", {}, `Request ${requestId}`) : null;
  const toast = h("div", { className: "toast" }, h("p", {}, message, reference), close);
  close.onclick = () => toast.remove();
  $("alerts").replaceChildren(toast);
}

export const clearAlerts = () => $("alerts").replaceChildren();

/** Opens the dialog with its title in focus, so that a screen reader begins there. */
export function showDialog({ title, message, body = [], wide = false, onclose = null }) {
  const dialog = $("dialog");
  if (dialog.open) dialog.close();
  $("dialog-title").textContent = title;
  $("dialog-message").textContent = message;
  $("dialog-body").replaceChildren(...body);
  dialog.classList.toggle("wide", wide);
  dialog.onclose = onclose;
  dialog.showModal();
  $("dialog-title").focus();
  dialog.scrollTop = 0;
}

export const closeDialog = () => $("dialog").close();

/** True where the person chose `action`. */
export function confirm({ title, message, action }) {
  return new Promise((resolve) => {
    const choose = (answer) => () => {
      resolve(answer);
      closeDialog();
    };
    const yes = h("button", { type: "button", className: "danger", onclick: choose(true) }, action);
    const no = h("button", { type: "button", onclick: choose(false) }, "Keep it");
    const body = [h("div", { className: "actions" }, no, yes)];
    showDialog({ title, message, body, onclose: () => resolve(false) });
  });
}
