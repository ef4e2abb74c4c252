// The Studio: who is here, what is chosen, and what happens on a click.

import { call, get, Problem } from "./api.js";
import { Conversation } from "./conversation.js";
import { $, h, icon } from "./dom.js";
import { showProviders, takeWantedPrice } from "./door.js";
import { showLimit } from "./limits.js";
import { showMonth } from "./month.js";
import { alertWith, clearAlerts, closeDialog, report } from "./notices.js";
import {
  cameFromPortal,
  checkOut,
  checkoutResult,
  loadPlans,
  lowestPlan,
  offerHigher,
  offerPlans,
  openPortal,
} from "./plans.js";
import { forgetReceipts } from "./receipts.js";
import { closeRecent, markCurrent, onRecent, showRecent } from "./recent.js";
import { showSubscription } from "./subscription.js";
import { showOpened, showRemaining, showUsage } from "./usage.js";
import { welcome } from "./welcome.js";

const DRAFT = "tollgate.draft"; // the text survives a sign-in in this tab
const MAC = navigator.userAgent.includes("Mac");

let me = null;
let blueprints = [];
let conversation = new Conversation();
let blueprint = null;

async function start() {
  wire();
  try {
    await loadPlans();
    await signIn();
  } catch (error) {
    await showDoor();
    if (!(error instanceof Problem && error.status === 401)) report(error);
  }
}

async function showDoor() {
  me = null;
  startAfresh();
  forgetReceipts();
  if ($("dialog").open) closeDialog();
  document.body.dataset.view = "out";
  await showProviders();
}

// --- inside -----------------------------------------------------------------------------------

async function signIn() {
  await refreshMe();
  ({ blueprints } = await get("blueprints"));
  document.body.dataset.view = "in";
  startAfresh();
  $("prompt").value = sessionStorage.getItem(DRAFT) ?? "";
  await Promise.all([showRecent(conversation.id), returnFromCheckout()]).catch(report);
  if (cameFromPortal()) afterPortal().catch(report);
  const wanted = takeWantedPrice();
  if (wanted && me.subscription.status === "none") await checkOut(me, wanted);
}

async function refreshMe() {
  me = await get("me");
  const name = me.user.name || me.user.email;
  $("person-name").textContent = name;
  $("menu-button").ariaLabel = `Account: ${name}`;
  $("menu-email").textContent = me.user.email;
  $("plan-badge").textContent = me.plan.name;
  $("plan-badge").dataset.plan = me.plan.id;
  showAvatar(name, me.user.picture_url);
  showUsage(me.usage);
  showSubscription(me);
}

function showAvatar(name, pictureUrl) {
  $("avatar").textContent = [...name][0].toUpperCase();
  if (!pictureUrl) return;
  const picture = h("img", { alt: "", src: pictureUrl, referrerPolicy: "no-referrer" });
  picture.onerror = () => picture.remove();
  $("avatar").append(picture);
}

function showBlueprints() {
  const legend = h("legend", {}, "Choose a blueprint");
  $("blueprints").replaceChildren(legend, ...blueprints.map(blueprintCard));
}

function blueprintCard(one) {
  const text = [h("strong", {}, one.label), h("span", { className: "muted" }, one.description)];
  if (one.locked) {
    const lock = h("span", { className: "lock" }, icon("lock"), h("span", { className: "sr-only" }, "Locked"));
    const onclick = () => offerUnlock(one);
    return h("button", { type: "button", className: "blueprint locked", onclick }, ...text, lock);
  }
  const onchange = () => choose(one);
  const checked = one.slug === blueprint?.slug;
  const input = h("input", { type: "radio", name: "blueprint", value: one.slug, checked, onchange });
  return h("label", { className: "blueprint" }, input, ...text);
}

function offerUnlock(one) {
  const message = `“${one.label}” comes with a higher plan. Upgrade and use it at once.`;
  offerHigher(me, { title: `Unlock ${one.label}`, message });
}

function choose(one) {
  blueprint = one;
  $("prompt").placeholder = one ? `${one.label}: say what you need…` : "Say what you need…";
}

function startAfresh() {
  conversation.stop();
  conversation = new Conversation();
  choose(blueprints.find((one) => one.slug === blueprint?.slug && !one.locked) ?? blueprints.find((one) => !one.locked) ?? null);
  showBlueprints();
  showTurns(false);
  markCurrent(conversation.id);
}

/** Either the conversation or, before its first turn, the choice of a blueprint. */
function showTurns(shown) {
  if (!shown) $("turns").replaceChildren();
  $("earlier").hidden = true;
  $("picker").hidden = shown;
  $("conversation").hidden = !shown;
  $("conversation-title").textContent = blueprint?.label ?? "Draft";
  if (shown) $("prompt").placeholder = "Ask for a change, or go on…";
}

async function openStored(item) {
  conversation.stop();
  conversation = new Conversation();
  blueprint = blueprints.find((one) => one.slug === item.blueprint) ?? { slug: item.blueprint, label: item.title };
  const model = document.querySelector(`[name=model][value="${CSS.escape(item.model)}"]`);
  if (model) model.checked = true;
  showTurns(true);
  closeRecent();
  markCurrent(item.id);
  try {
    await conversation.open(item.id);
    $("conversation-title").focus();
  } catch (error) {
    report(error);
  }
}

// --- generating -------------------------------------------------------------------------------

async function send() {
  const text = $("prompt").value.trim();
  if (!text || conversation.busy) return;
  const here = conversation;
  const first = !$("picker").hidden;
  const model = document.querySelector("[name=model]:checked").value;
  clearAlerts();
  showTurns(true);
  setPrompt("");
  setBusy(true);
  showOpened(+1);
  try {
    const finished = await here.send({
      text,
      blueprint: blueprint?.slug,
      model,
      onstart: (day) => day !== null && showRemaining({ day: Number(day) }),
      onfinish: ({ remaining }) => showRemaining(remaining),
    });
    await settled(finished);
  } catch (error) {
    if (first && here === conversation) showTurns(false);
    if (!$("prompt").value) setPrompt(text);
    showOpened(-1);
    setBusy(conversation.busy); // before a dialog opens: it gives the focus back to where it was
    refused(error);
  } finally {
    setBusy(conversation.busy);
  }
}

/** The service's own figures after an answer; what was stopped is settled there a moment later. */
async function settled(finished) {
  if (!me) return; // it was stopped by signing out
  if (!finished) setTimeout(() => me && refreshMe().catch(report), 1500);
  await Promise.all([refreshMe(), showRecent(conversation.id)]).catch(report);
}

function refused(error) {
  if (error instanceof Problem && showLimit(error, me, () => $("composer").requestSubmit())) {
    refreshMe().catch(report);
  } else {
    report(error);
  }
}

function setPrompt(text) {
  $("prompt").value = text;
  sessionStorage.setItem(DRAFT, text);
}

function setBusy(busy) {
  const stopHadFocus = document.activeElement === $("stop");
  const sendHadFocus = document.activeElement === $("send");
  $("send").hidden = busy;
  $("stop").hidden = !busy;
  $("stop").ariaDisabled = null;
  if (busy && sendHadFocus) $("stop").focus();
  if (!busy && stopHadFocus) $("prompt").focus();
}

// --- coming back from the payment page ----------------------------------------------------------

async function returnFromCheckout() {
  const id = new URLSearchParams(location.search).get("checkout");
  if (id === null) return;
  history.replaceState(null, "", location.pathname);
  if (!id.startsWith("cs_")) return;
  const { status, plan } = await checkoutResult(id);
  if (status !== "complete") {
    alertWith("The payment is not complete, and nothing was charged. You can try again from Plans.");
    return;
  }
  if (plan === lowestPlan()) {
    alertWith("The payment is still being confirmed. Your plan changes the moment it is.");
    return;
  }
  await untilPlanIs(plan);
  ({ blueprints } = await get("blueprints"));
  startAfresh();
  welcome(me);
}

/** Stripe's own message may arrive a moment after the browser does. */
async function untilPlanIs(plan) {
  for (let wait = 300; me.plan.id !== plan && wait < 5000; wait *= 2) {
    await new Promise((resolve) => setTimeout(resolve, wait));
    await refreshMe();
  }
}

/** What was changed in the portal is told to the service by Stripe, a moment later. */
async function afterPortal() {
  for (const wait of [500, 1500, 3000, 6000]) {
    await new Promise((resolve) => setTimeout(resolve, wait));
    if (!me) return; // signed out meanwhile
    await refreshMe();
    ({ blueprints } = await get("blueprints"));
    if (!$("picker").hidden) showBlueprints();
  }
}

// --- wiring -----------------------------------------------------------------------------------

function wire() {
  $("prompt-hint").textContent = MAC ? "⌘ Return to send" : "Ctrl + Enter to send";
  $("composer").onsubmit = (event) => {
    event.preventDefault();
    send();
  };
  $("prompt").onkeydown = (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    $("composer").requestSubmit();
  };
  $("prompt").oninput = () => sessionStorage.setItem(DRAFT, $("prompt").value);
  $("stop").onclick = () => {
    $("stop").ariaDisabled = "true"; // not `disabled`, which would take the focus away
    conversation.stop();
  };
  $("earlier").onclick = () => conversation.showEarlier().catch(report);
  $("dialog-close").onclick = closeDialog;
  $("new-conversation").onclick = () => {
    startAfresh();
    closeRecent();
    $("prompt").focus();
  };
  onRecent({ onopen: openStored, onremoved: (id) => id === conversation.id && startAfresh() });
  menuItem("menu-usage", showMonth);
  menuItem("menu-plans", () => offerPlans(me));
  menuItem("menu-portal", openPortal);
  menuItem("menu-sign-out", () => signOut("auth/logout"));
  menuItem("menu-sign-out-all", () => signOut("auth/logout-all"));
  document.addEventListener("session-ended", async () => {
    const wasInside = me !== null;
    await showDoor();
    if (wasInside) alertWith("Your session has ended. Sign in to go on; your text is kept.");
  });
}

function menuItem(id, action) {
  $(id).onclick = () => {
    $("menu").hidePopover();
    action();
  };
}

async function signOut(path) {
  try {
    await call("POST", path);
    sessionStorage.clear();
    await showDoor();
    $("main").focus();
  } catch (error) {
    report(error);
  }
}

start();
