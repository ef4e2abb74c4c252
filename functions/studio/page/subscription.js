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
  const { mood, title, text, action, onclick } = stated;
  const button = h("button", { type: "button", className: "small", onclick }, action);
  $("subscription").dataset.mood = mood;
  $("subscription").replaceChildren(h("p", {}, h("strong", {}, title), ` ${text}`), button);
}

const states = {
  trialing: (me, dates) => ending(me, dates) ?? onTrial(me, dates),
  active: (me, dates) => (me.plan.id === lowestPlan() ? unconfirmed(openPortal) : ending(me, dates)),
  incomplete: (me) => unconfirmed(() => offerPlans(me)),
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

/** A bank debit is under way for days, and a card's owner may have been asked and not have answered. */
const unconfirmed = (onclick) => ({
  mood: "warn",
  title: "Your first payment is not confirmed yet.",
  text: "A bank may take days. Your plan begins the moment it says yes.",
  action: "Pay another way",
  onclick,
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

function owing(me, { grace_until: until }) {
  if (me.plan.id === lowestPlan()) {
    return {
      mood: "bad",
      title: "Your plan has lapsed.",
      text: `A payment is still missing, so you are on ${me.plan.name}. Pay it and your plan is back at once.`,
      action: "Pay now",
      onclick: openPortal,
    };
  }
  return {
    mood: "bad",
    title: "Your last payment failed.",
    text: until
      ? `${me.plan.name} goes on until ${date(until)}. Update your card to keep it.`
      : "Update your card to keep your plan.",
    action: "Update the card",
    onclick: openPortal,
  };
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
