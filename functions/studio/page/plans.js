// The plans as cards, and the ways to pay: checkout for a first subscription, the portal for a change.

import { call, get, leaveFor, part, Problem } from "./api.js";
import { h, icon, newId } from "./dom.js";
import { money } from "./format.js";
import { alertWith, report, showDialog } from "./notices.js";

const BUYABLE = new Set(["none", "canceled", "incomplete", "incomplete_expired"]); // nothing to change yet
const FIRST = "tollgate.first"; // set while this tab pays for the person's first subscription
const PORTAL = "tollgate.portal"; // set while this tab is at Stripe's portal

const CHANGES = "Change or cancel at any time.";
const CHANGES_DOWN = // Stripe's portal changes no subscription that has a metered price
  "Cancel at any time. From a plan that bills by usage, cancel first: choose another when it has ended.";

let plans = [];
let interval = "month";

export async function loadPlans() {
  ({ plans } = await get("billing/plans"));
  return plans;
}

export const planName = (id) => plans.find((plan) => plan.id === id)?.name ?? id;

/** Every plan, monthly or yearly; `action(plan, price)` makes each card's button, or null. */
export function planCards(action, shown = plans) {
  const cards = h("div", { className: "cards" });
  const draw = () => cards.replaceChildren(...shown.map((plan) => card(plan, action)));
  draw();
  return h("div", {}, intervalSwitch(draw), cards);
}

export function offerPlans(me) {
  const body = [planCards((plan, price) => upgradeButton(me, plan, price))];
  const down = isSubscribed(me) && plans.some((plan) => !isFree(plan) && isLower(plan, me));
  showDialog({ title: "Plans", message: down ? CHANGES_DOWN : CHANGES, body, wide: true });
}

export const lowestPlan = () => plans[0]?.id;

const place = (id) => plans.findIndex((plan) => plan.id === id);

const isLower = (plan, me) => place(plan.id) < place(me.plan.id);

const isFree = (plan) => plan.prices.length === 0;

const isSubscribed = (me) => !BUYABLE.has(me.subscription.status);

export const higherPlans = (me) => plans.slice(place(me.plan.id) + 1);

/** The plans above the present one, below the sentence that says why they are shown. */
export function offerHigher(me, { title, message }) {
  const higher = higherPlans(me);
  const cards = planCards((plan, price) => upgradeButton(me, plan, price), higher);
  showDialog({ title, message, body: higher.length ? [cards] : [], wide: higher.length > 1 });
}

export async function checkOut(me, priceKey) {
  if (me.subscription.status === "none") sessionStorage.setItem(FIRST, "yes");
  try {
    const answer = await call("POST", "billing/checkout", { json: { price_key: priceKey } });
    leaveFor((await answer.json()).url);
  } catch (error) {
    if (error instanceof Problem && error.code === "already_subscribed") await openPortal();
    else report(error);
  }
}

/** True once where this was a person's first checkout, in which a trial may have been promised. */
export function wasFirst() {
  const first = sessionStorage.getItem(FIRST) !== null;
  sessionStorage.removeItem(FIRST);
  return first;
}

export async function openPortal() {
  try {
    const { url } = await (await call("POST", "billing/portal")).json();
    sessionStorage.setItem(PORTAL, "left");
    leaveFor(url);
  } catch (error) {
    if (error instanceof Problem && error.code === "no_billing_account") {
      alertWith("There is nothing to manage yet: the billing portal opens with your first paid plan.");
    } else {
      report(error);
    }
  }
}

/** True once for each return. */
export function cameFromPortal() {
  const came = sessionStorage.getItem(PORTAL) !== null;
  sessionStorage.removeItem(PORTAL);
  return came;
}

/** `{status, plan}` of the checkout that the browser came back from. */
export const checkoutResult = (id) => get(`billing/checkout/${part(id)}`);

function upgradeButton(me, plan, price) {
  if (plan.id === me.plan.id) {
    return h("button", { type: "button", className: "wide", disabled: true }, icon("check"), "Your plan");
  }
  const subscribed = isSubscribed(me);
  if (subscribed ? isFree(plan) && me.subscription.cancel_at_period_end : !price) return null;
  const label = subscribed ? wayTo(plan, me) : `Upgrade to ${plan.name}`;
  const className = isLower(plan, me) ? "wide" : "wide primary";
  const button = h("button", { type: "button", className }, label);
  button.onclick = async () => {
    button.disabled = true;
    await (subscribed ? openPortal() : checkOut(me, price.key));
    button.disabled = false;
  };
  return button;
}

/** What Stripe's portal can do for who is subscribed: a lower plan may have to wait for the end. */
function wayTo(plan, me) {
  if (isFree(plan)) return "Cancel";
  return isLower(plan, me) ? "Go to billing" : `Change to ${plan.name}`;
}

function card(plan, action) {
  const price = plan.prices.find((one) => one.interval === interval);
  const amount = money(price?.amount ?? 0, price?.currency ?? currency());
  return h(
    "article",
    { className: `card plan-${plan.id}`, ariaLabel: plan.name },
    h("h3", {}, plan.name),
    h("p", { className: "price" }, h("strong", {}, amount), price ? ` / ${interval}` : null),
    h("ul", {}, ...plan.features.map((line) => h("li", {}, icon("check"), line))),
    action(plan, price),
  );
}

/** A free plan has no price to name its currency. */
const currency = () => plans.flatMap((plan) => plan.prices)[0]?.currency ?? "usd";

function intervalSwitch(redraw) {
  const name = newId("interval_"); // two switches may stand on one page
  const option = (value, label) => {
    const onchange = () => {
      interval = value;
      redraw();
    };
    const input = h("input", { type: "radio", name, value, checked: value === interval, onchange });
    return h("label", {}, input, h("span", {}, label));
  };
  const saved = saving();
  const yearly = saved > 0 ? `Yearly · save ${saved}%` : "Yearly";
  const options = [option("month", "Monthly"), option("year", yearly)];
  return h("fieldset", { className: "segments", ariaLabel: "How to pay" }, ...options);
}

/** The greatest saving of a year against twelve months, in whole per cent. */
function saving() {
  const savings = plans.map(({ prices }) => {
    const month = prices.find((price) => price.interval === "month");
    const year = prices.find((price) => price.interval === "year");
    return month && year ? Math.round(100 - (100 * year.amount) / (12 * month.amount)) : 0;
  });
  return Math.max(0, ...savings);
}
