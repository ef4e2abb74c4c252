// What is left of the day and of the month, and how many answers are open.

import { $, h } from "./dom.js";
import { brief, count, soon } from "./format.js";
import { showMonth } from "./month.js";

let usage = null;
let bars = null;
const open = h("span", { className: "muted small" });
const details = h("button", { type: "button", className: "quiet small", onclick: showMonth }, "Details");
const foot = h("p", { className: "open" }, open, details);

/** `shown` is the `usage` of `/me`. */
export function showUsage(shown) {
  usage = structuredClone(shown);
  bars ??= { day: bar("Today", "generation"), month: bar("This month", "token") };
  $("usage").replaceChildren(bars.day.root, bars.month.root, foot);
  draw();
}

/** `remaining` is a `finish` part's: `{day, month}`, null where unlimited, absent where unknown. */
export function showRemaining(remaining = {}) {
  for (const scope of ["day", "month"]) {
    if (Number.isFinite(remaining[scope])) usage[scope].remaining = remaining[scope];
  }
  draw();
}

/** One answer more (+1) or less (-1) is open in this page. */
export function showOpened(change) {
  usage.concurrent.open = Math.max(0, usage.concurrent.open + change);
  draw();
}

function draw() {
  bars.day.update(usage.day);
  bars.month.update(usage.month);
  const { limit, open: now } = usage.concurrent;
  open.textContent = limit === null ? `Open answers: ${now}` : `Open answers: ${now} of ${limit}`;
}

function bar(title, unit) {
  const figure = h("span", { className: "figure" });
  const fill = h("span");
  const track = h("div", { className: "track", role: "meter", ariaLabel: `${title}: ${unit}s left` }, fill);
  const note = h("p", { className: "bar-note muted small" });
  const head = h("p", { className: "bar-head" }, h("strong", {}, title), figure);
  const root = h("div", { className: "usage-bar" }, head, track, note);
  const update = ({ limit, remaining, resets_at: resetsAt }) => {
    track.hidden = limit === null;
    figure.textContent = limit === null ? "Unlimited" : `${brief(remaining)} left`;
    note.replaceChildren();
    if (limit === null) return;
    note.append(h("span", {}, `of ${count(limit)} ${unit}s`), h("span", {}, `resets ${soon(resetsAt)}`));
    const share = limit > 0 ? Math.max(0, Math.min(1, remaining / limit)) : 0;
    fill.style.width = `${share * 100}%`;
    root.classList.toggle("low", share <= 0.2);
    track.setAttribute("aria-valuemin", 0);
    track.setAttribute("aria-valuemax", limit);
    track.setAttribute("aria-valuenow", remaining);
    track.setAttribute("aria-valuetext", `${count(remaining)} of ${count(limit)} ${unit}s left`);
  };
  return { root, update };
}
