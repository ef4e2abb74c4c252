// The first thing that a new subscriber reads: what the plan allows, and what is paid when.

import { $, h } from "./dom.js";
import { count, date, plural } from "./format.js";
import { closeDialog, showDialog } from "./notices.js";
import { planName, wasFirst } from "./plans.js";

export function welcome({ plan, subscription, usage: { day, month } }) {
  const daily = day.limit === null ? "as many generations as you like" : `${plural(day.limit, "generation", "generations")} a day`;
  const monthly = month.limit === null ? "unlimited tokens" : `${count(month.limit)} tokens a month`;
  const go = h("button", { type: "button", className: "primary", onclick: closeDialog }, "Start writing");
  showDialog({
    title: `Welcome to ${planName(plan.id)}`,
    message: `The barrier is up: ${daily}, ${monthly}, and every blueprint of your plan.`,
    body: [h("p", { className: "paid" }, paidFor(subscription)), h("div", { className: "actions" }, go)],
    onclose: () => $("prompt").focus(),
  });
}

/** Whose trial was refused saw one promised on Stripe's page, and must read why it was not given. */
function paidFor({ status, current_period_end: end }) {
  const first = wasFirst();
  if (status === "trialing") return `The first payment is due on ${date(end)}, when your trial ends.`;
  const refused = "If you were offered a trial: an address and a card have one each, and one of yours had it before.";
  return first ? `It is paid until ${date(end)}. ${refused}` : `It is paid until ${date(end)}.`;
}
