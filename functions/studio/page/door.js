// What a person sees before the sign-in: the ways in, and what each plan costs.

import { get, leaveFor } from "./api.js";
import { $, h } from "./dom.js";
import { report } from "./notices.js";
import { planCards } from "./plans.js";

const WANTED = "tollgate.price"; // a plan chosen at the door waits here through the sign-in

export async function showProviders() {
  let providers = [];
  try {
    ({ providers } = await get("auth/providers"));
  } catch (error) {
    report(error);
  }
  $("providers").replaceChildren(...providers.map(providerLink));
  $("welcome-plans").replaceChildren(planCards((plan, price) => doorButton(plan, price, providers)));
}

/** The price key of the plan that was chosen at the door, once. */
export function takeWantedPrice() {
  const wanted = sessionStorage.getItem(WANTED);
  sessionStorage.removeItem(WANTED);
  return wanted;
}

function loginUrl(provider) {
  // Below a stage path `/auth/…` would miss the stage; without its slash it is relative to the page.
  const url = new URL(provider.login_url.replace(/^\//, ""), document.baseURI);
  url.searchParams.set("return_to", "/");
  return url.href;
}

const providerLink = (provider) =>
  h("a", { className: "button primary large", href: loginUrl(provider) }, `Continue with ${provider.name}`);

function doorButton(plan, price, providers) {
  const label = price ? `Choose ${plan.name}` : "Start free";
  const button = h("button", { type: "button", className: price ? "wide primary" : "wide" }, label);
  button.onclick = () => {
    if (price) sessionStorage.setItem(WANTED, price.key);
    else sessionStorage.removeItem(WANTED);
    if (providers.length === 1) leaveFor(loginUrl(providers[0]));
    else $("providers").querySelector("a")?.focus();
  };
  return button;
}
