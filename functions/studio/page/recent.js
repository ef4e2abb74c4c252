// The list of recent conversations.

import { call, get, part } from "./api.js";
import { $, h, icon } from "./dom.js";
import { stamp } from "./format.js";
import { confirm, report } from "./notices.js";

// On a phone the list is a panel over the page; beside it otherwise.
const narrow = matchMedia("(max-width: 52rem)");

let cursor = null;
let onopen = () => undefined;
let onremoved = () => undefined;

export function onRecent(handlers) {
  ({ onopen, onremoved } = handlers);
  $("recent-more").onclick = () => load(cursor).catch(report);
  narrow.onchange = place;
  place();
}

/** The newest page, with `current` marked. */
export async function showRecent(current) {
  await load(null);
  markCurrent(current);
}

export function markCurrent(id) {
  for (const button of $("recent-list").querySelectorAll("button.open")) {
    button.ariaCurrent = button.dataset.id === id ? "true" : null;
  }
}

export function closeRecent() {
  if ($("recent").matches(":popover-open")) $("recent").hidePopover();
}

function place() {
  $("recent").popover = narrow.matches ? "auto" : null;
}

async function load(from) {
  const page = await get(`conversations${from ? `?cursor=${part(from)}` : ""}`);
  const rows = page.items.map(row);
  if (from) $("recent-list").append(...rows);
  else $("recent-list").replaceChildren(...rows);
  cursor = page.next_cursor;
  $("recent-more").hidden = !cursor;
}

function row(item) {
  const title = item.title || "Untitled";
  const time = h("time", { dateTime: item.updated_at }, stamp(item.updated_at));
  const open = h("button", { type: "button", className: "quiet open" }, h("span", {}, title), time);
  open.dataset.id = item.id;
  open.onclick = () => onopen(item);
  const remove = h("button", { type: "button", className: "quiet icon-only", ariaLabel: `Delete ${title}` });
  remove.append(icon("bin"));
  const element = h("li", {}, open, remove);
  remove.onclick = async () => {
    const message = "Its messages are removed for good.";
    if (!(await confirm({ title: `Delete “${title}”?`, message, action: "Delete" }))) return;
    try {
      await call("DELETE", `conversations/${part(item.id)}`);
      element.remove();
      onremoved(item.id);
    } catch (error) {
      report(error);
    }
  };
  return element;
}
