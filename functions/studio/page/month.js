// One calendar month of use: its quota periods, its days, its models, and what they cost.

import { get, part } from "./api.js";
import { h, icon } from "./dom.js";
import { cost, count, day, month, plural } from "./format.js";
import { report, showDialog } from "./notices.js";
import { planName } from "./plans.js";
import { lastAnswers } from "./receipts.js";

const FINEST = 6; // digits behind the point that a table has room for

/** Opens the present month; earlier ones are a click away. */
export async function showMonth() {
  try {
    const present = await get("usage");
    const root = h("div", { className: "month" });
    const move = (to) => get(`usage?period=${part(to)}`).then((shown) => draw(root, shown, present.period, move), report);
    draw(root, present, present.period, move);
    const message = "Days and months are UTC’s. Costs are what the models charge for your tokens.";
    showDialog({ title: "Usage", message, body: [root], wide: true });
  } catch (error) {
    report(error);
  }
}

function draw(root, shown, latest, move) {
  const { period, totals, days, models, periods } = shown;
  const used = days.length > 0;
  root.replaceChildren(
    chooser(period, latest, move),
    ...periods.map(periodBar),
    h("div", { className: "tiles" }, ...tiles(totals)),
    ...(used ? [chart(period, days), table("Day", days, (row) => day(row.day)), table("Model", models, (row) => row.model)] : []),
  );
  const answers = period === latest ? lastAnswers() : null;
  if (answers) root.append(h("section", { ariaLabel: "Last answers" }, h("h3", {}, "Receipts of your last answers"), answers));
}

function chooser(period, latest, move) {
  const step = (by, label, shape) => {
    const onclick = () => move(shifted(period, by));
    const button = h("button", { type: "button", className: "quiet icon-only", ariaLabel: label, onclick });
    button.append(icon(shape));
    return button;
  };
  const later = step(+1, "Next month", "right");
  later.disabled = period >= latest;
  const name = h("h3", { ariaLive: "polite" }, month(period));
  return h("div", { className: "chooser" }, name, step(-1, "Previous month", "left"), later);
}

function shifted(period, by) {
  const [year, number] = period.split("-").map(Number);
  return new Date(Date.UTC(year, number - 1 + by, 1)).toISOString().slice(0, 7);
}

function periodBar({ open, start, end, plan, granted, used, reserved, debt, closed_at: closedAt }) {
  const name = open ? `${day(start)} – ${day(end)}` : `From ${day(start)}`;
  const of = granted === null ? "tokens" : `of ${count(granted)} tokens`;
  const head = h("p", { className: "bar-head" }, h("strong", {}, `${name} · ${planName(plan)}`), h("span", { className: "figure" }, `${count(used)} ${of}`));
  const notes = open
    ? [`resets ${day(end)}`, reserved > 0 ? `${count(reserved)} set aside for open answers` : null]
    : [`closed ${day(closedAt)}`, debt === 0 ? null : `${count(debt)} added after that`];
  const note = h("p", { className: "bar-note muted small" }, ...notes.filter(Boolean).map((each) => h("span", {}, each)));
  return h("div", { className: "usage-bar" }, head, granted === null ? null : meter(name, used, granted), note);
}

function meter(name, used, granted) {
  const fill = h("span");
  fill.style.width = `${Math.min(1, used / granted) * 100}%`;
  const values = { "aria-valuemin": 0, "aria-valuemax": granted, "aria-valuenow": Math.min(used, granted) };
  return h("div", { className: "track", role: "meter", ariaLabel: `Used, ${name}`, ...values }, fill);
}

function* tiles(totals) {
  const tile = (value, name) => h("p", {}, h("strong", {}, value), h("span", { className: "muted small" }, name));
  yield tile(count(totals.generations), totals.generations === 1 ? "generation" : "generations");
  yield tile(count(tokens(totals)), "tokens");
  yield tile(cost(totals.cost, FINEST), "cost");
}

const tokens = (row) => row.input_tokens + row.output_tokens;

/** A column a day. The table below says the same in words. */
function chart(period, days) {
  const [year, number] = period.split("-").map(Number);
  const length = new Date(Date.UTC(year, number, 0)).getUTCDate();
  const used = new Map(days.map((row) => [Number(row.day.slice(8)), row]));
  const most = Math.max(1, ...days.map(tokens));
  const columns = Array.from({ length }, (_, at) => {
    const row = used.get(at + 1);
    const column = h("span", { className: row ? "some" : "none" });
    column.style.height = row ? `${Math.max(4, (100 * tokens(row)) / most)}%` : null;
    if (row) column.title = `${day(row.day)}: ${plural(tokens(row), "token", "tokens")}`;
    return column;
  });
  const labels = [1, Math.ceil(length / 2), length].map((at) => h("span", {}, day(`${period}-${String(at).padStart(2, "0")}`)));
  return h(
    "div",
    { className: "chart", ariaHidden: "true" },
    h("div", { className: "columns" }, ...columns),
    h("p", { className: "bar-note muted small" }, ...labels),
  );
}

function table(title, rows, name) {
  const heads = [title, "Generations", "Tokens", "Cost"].map((each) => h("th", { scope: "col" }, each));
  const cells = (row) => [count(row.generations), count(tokens(row)), cost(row.cost, FINEST)].map((each) => h("td", {}, each));
  const lines = rows.map((row) => h("tr", {}, h("th", { scope: "row" }, name(row)), ...cells(row)));
  return h("table", { ariaLabel: `By ${title.toLowerCase()}` }, h("thead", {}, h("tr", {}, ...heads)), h("tbody", {}, ...lines));
}
