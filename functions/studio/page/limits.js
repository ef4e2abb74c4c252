// A limit was met: which one, when it opens again, and what would lift it.

import { h } from "./dom.js";
import { count, moment, plural } from "./format.js";
import { closeDialog, showDialog } from "./notices.js";
import { higherPlans, offerHigher, openPortal, planName } from "./plans.js";

/** True where `problem` is a limit, and so has been shown; `again()` repeats the request. */
export function showLimit(problem, me, again) {
  const { code, details } = problem;
  if (code === "rate_limited") {
    countDown(problem, again);
  } else if (code === "quota_exceeded") {
    const lift = higherPlans(me).length > 0 ? ", or at once on a higher plan" : "";
    offerHigher(me, details.scope === "month" ? monthly(details, lift) : daily(details, lift));
  } else if (code === "too_many_streams") {
    const message = `Your plan writes ${plural(details.limit, "answer", "answers")} at once. Wait for one to finish, or stop it.`;
    offerHigher(me, { title: "All your answers are busy", message });
  } else if (code === "spend_cap_reached") {
    showDialog({ title: "A pause for everybody", message: capped(details) });
  } else if (code === "account_suspended") {
    const billing = h("button", { type: "button", className: "primary", onclick: openPortal }, "Billing and invoices");
    const body = [h("div", { className: "actions" }, billing)];
    showDialog({ title: "Your account is on hold", message: ON_HOLD, body });
  } else if (code === "plan_required") {
    const plan = planName(details.required_plan);
    offerHigher(me, { title: `This needs ${plan}`, message: problem.message });
  } else {
    return false;
  }
  return true;
}

const daily = ({ limit, resets_at: resetsAt }, lift) => ({
  title: "Today’s generations are used up",
  message: `All ${plural(limit, "generation", "generations")} of the day are used. The next ones open ${moment(resetsAt)}${lift}.`,
});

const monthly = ({ limit, remaining, resets_at: resetsAt }, lift) => ({
  title: "This month’s tokens are used up",
  message: `${count(remaining ?? 0)} of ${count(limit)} tokens are left, too few for this request. The next ones open ${moment(resetsAt)}${lift}.`,
});

const ON_HOLD =
  "Nothing is written meanwhile. Most often a payment of yours is disputed at your bank: the account opens again once that is settled. If you know of none, ask those who run this service. Your text and your drafts are kept.";

const capped = ({ resets_at: resetsAt }) =>
  `The service has spent what it may spend in a day. It writes again ${moment(resetsAt)}. Nothing was charged, and your text is kept.`;

function countDown(problem, again) {
  const until = Date.now() + (problem.retryAfter ?? 60) * 1000;
  const clock = h("p", { className: "countdown", role: "timer" });
  const retry = h("button", { type: "button", className: "primary", disabled: true }, "Send again");
  const tick = () => {
    const left = Math.max(0, Math.ceil((until - Date.now()) / 1000));
    clock.textContent = left > 0 ? `Again in ${left} s` : "Ready when you are.";
    retry.disabled = left > 0;
    if (left === 0) clearInterval(timer);
  };
  const timer = setInterval(tick, 250);
  retry.onclick = () => {
    closeDialog();
    again();
  };
  tick();
  showDialog({
    title: "A short pause",
    message: "Every plan allows ten generations in any minute. Your text is kept.",
    body: [clock, h("div", { className: "actions" }, retry)],
    onclose: () => clearInterval(timer),
  });
}
