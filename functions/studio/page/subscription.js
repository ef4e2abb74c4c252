// How the subscription stands, where that is something to know: a line with its date and the way on.

import { $, h } from "./dom.js";
import { date } from "./format.js";
import { lowestPlan, offerPlans, openPortal, planName } from "./plans.js";

const SEEN = "tollgate.ended"; // the end that the person has put away, by its date

/** Says nothing of a subscription that simply runs. */
export function showSubscription(me) {
  const { status, ...dates } = me.subscription;
  const stated = states[status]?.(me, dates) ?? null;
  $("subscription").hidden = stated === null;
  if (stated === null) return;
  const { mood, title, text, action, second, onclick } = stated;
  const button = (label) => h("button", { type: "button", className: "small", onclick }, label);
  const buttons = h("span", { className: "ways" }, button(action), second ? button(second) : null);
  $("subscription").dataset.mood = mood;
  $("subscription").replaceChildren(h("p", {}, h("strong", {}, title), ` ${text}`), buttons);
}

const states = {
  trialing: (me, dates) => ending(me, dates) ?? onTrial(me, dates),
  active: (me, dates) => running(me, dates),
  incomplete: (me) => unconfirmed(me),
  past_due: (me, dates) => owing(me, dates),
  unpaid: (me, dates) => owing(me, dates),
  paused: (me) => ({
    mood: "bad",
    title: "Your subscription is paused.",
    text: `You are on ${me.plan.name}, and your drafts are kept.`,
    action: "Resume it",
    onclick: openPortal,
  }),
  canceled: (me, dates) => ended(me, dates),
};

/** Stripe calls active what waits for its first bank debit, and what it has given up collecting. */
function running(me, dates) {
  if (dates.grace_until) return owing(me, dates);
  return me.plan.id === lowestPlan() ? awaited() : ending(me, dates);
}

const awaited = () => ({
  mood: "warn",
  title: "Your first payment is not confirmed yet.",
  text: "A bank may take days. Your plan begins the moment it says yes.",
  action: "Pay another way",
  onclick: openPortal,
});

/** Its owner was asked and has not said yes; on a laptop also a bank debit under way. */
const unconfirmed = (me) => ({
  mood: "warn",
  title: "Your first payment was not confirmed.",
  text: "Nothing was charged. Pay again and your plan begins; only a bank debit takes its days.",
  action: "Pay another way",
  onclick: () => offerPlans(me),
});

function onTrial(me, { current_period_end: end }) {
  return {
    mood: "calm",
    title: `Your trial of ${me.plan.name} runs until ${date(end)}.`,
    text: "The first payment is due then; cancel before that and you pay nothing.",
    action: "Manage",
    onclick: openPortal,
  };
}

function ending(me, { cancel_at_period_end: ends, current_period_end: end }) {
  if (!ends) return null;
  return {
    mood: "warn",
    title: `${me.plan.name} ends on ${date(end)}.`,
    text: `After that you are on ${planName(lowestPlan())}, and your drafts are kept.`,
    action: "Keep it",
    onclick: openPortal,
  };
}

/** Another card alone pays nothing at once: what is owed must be paid. */
function owing(me, { grace_until: until, cancel_at_period_end: ends, current_period_end: end }) {
  const ways = { mood: "bad", action: "Pay now", second: ends ? "Keep it" : null, onclick: openPortal };
  const cancelled = ends ? ` It is cancelled as well, and ends on ${date(end)} even if you pay.` : "";
  if (me.plan.id === lowestPlan()) {
    const text = `A payment is still missing, so you are on ${me.plan.name}. Pay it and your plan is back at once.`;
    return { ...ways, title: "Your plan has lapsed.", text: text + cancelled };
  }
  const last = ends && end < until ? end : until;
  const text = last
    ? `${me.plan.name} goes on until ${date(last)}. Pay it by then, or you are on ${planName(lowestPlan())}.`
    : `Pay it, or ${me.plan.name} ends.`;
  return { ...ways, title: "Your last payment failed.", text: text + cancelled };
}

/** Until the person has looked at the plans once: free is a plan as well. */
function ended(me, { current_period_end: end }) {
  if (me.plan.id !== lowestPlan() || localStorage.getItem(SEEN) === `${end}`) return null;
  return {
    mood: "calm",
    title: "Your subscription has ended.",
    text: `You are on ${me.plan.name}, and your drafts are kept.`,
    action: "See the plans",
    onclick: () => {
      localStorage.setItem(SEEN, `${end}`);
      $("subscription").hidden = true;
      offerPlans(me);
    },
  };
}
