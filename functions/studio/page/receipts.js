// Receipts: what an answer cost, and how to find the last answers' ones again.

import { get, part, Problem } from "./api.js";
import { h } from "./dom.js";
import { cost, count, day, moment, stamp } from "./format.js";
import { report, showDialog } from "./notices.js";

const KEPT = 5;
const OUTCOMES = {
  finished: "Finished",
  stopped: "Stopped: what was read and written is charged",
  failed: "Failed: nothing was written, nothing is charged",
  reclaimed: "Cut off: what was read and written is charged",
};

let last = []; // of this page, the newest first

export const forgetReceipts = () => (last = []);

/** Opens the receipt of one answer, and keeps the answer among the last ones. */
export function receiptButton(generationId, question) {
  last = [{ generationId, question, at: new Date() }, ...last].slice(0, KEPT);
  return opener(generationId, { className: "quiet small" }, "Receipt");
}

/** The last answers as a list, or null where there are none. */
export function lastAnswers() {
  if (last.length === 0) return null;
  const rows = last.map(({ generationId, question, at }) => {
    const time = h("time", { className: "muted", dateTime: at.toISOString() }, stamp(at));
    return h("li", {}, opener(generationId, { className: "quiet" }, h("span", {}, question), time));
  });
  return h("ul", { className: "last-answers" }, ...rows);
}

function opener(generationId, properties, ...children) {
  const onclick = () => showReceipt(generationId);
  return h("button", { type: "button", ...properties, onclick }, ...children);
}

async function showReceipt(generationId) {
  try {
    const receipt = await get(`usage/receipts/${part(generationId)}`);
    showDialog({ title: "Receipt", message: OUTCOMES[receipt.outcome], body: [...lines(receipt)] });
  } catch (error) {
    if (error instanceof Problem && error.status === 404) {
      const message = "This answer is still being settled. Its receipt is ready in a moment.";
      showDialog({ title: "Receipt", message });
    } else {
      report(error);
    }
  }
}

function* lines(receipt) {
  const { late } = receipt;
  const charged = late ?? receipt;
  const left = receipt.reserved - charged.used;
  yield h("p", { className: "receipt-cost" }, cost(charged.cost));
  yield list([
    ["Model", charged.model],
    ["Read", tokens(charged.input_tokens)],
    ["Written", tokens(charged.output_tokens)],
    ["Set aside", tokens(receipt.reserved)],
    left < 0 ? ["Used beyond that", tokens(-left)] : ["Given back", tokens(left)],
    ["Asked", moment(receipt.admitted_at)],
    ["Settled", moment(late?.at ?? receipt.decided_at)],
    ["Counts on", `${day(receipt.day)} (UTC)`],
    ["Prices", receipt.price_version],
    ["Number", receipt.generation_id],
  ]);
  if (charged.estimated) {
    yield h("p", { className: "note" }, "An estimate: the provider’s own count is missing.");
  }
  if (late) {
    const sentence = `Settled first as ${tokens(receipt.used)} for ${cost(receipt.cost)}; the answer’s own end corrected it.`;
    yield h("p", { className: "note" }, sentence);
  }
}

const tokens = (value) => `${count(value)} tokens`;

const list = (pairs) =>
  h("dl", { className: "receipt" }, ...pairs.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
