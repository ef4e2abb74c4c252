// One conversation: its turns, the answer that is being written, and the turns before.

import { call, get, part } from "./api.js";
import { $, h, newId } from "./dom.js";
import { Markdown } from "./markdown.js";
import { receiptButton } from "./receipts.js";
import { CutShort, parts } from "./stream.js";

const PAGE = 10;

export class Conversation {
  id = newId("cnv_");
  #earlier = null;
  #stopper = null;
  #stopped = false;
  #generation = null; // the id of the answer that is being written, once the service has named it

  get busy() {
    return this.#stopper !== null;
  }

  /** True where the stream came to its end, false where the connection was cut; throws what refused it. */
  async send({ text, blueprint, model, onstart, onfinish }) {
    this.#stopper = new AbortController();
    this.#stopped = false;
    this.#generation = null;
    const asked = userTurn(text);
    const answer = new Answer();
    $("turns").append(asked, answer.root);
    scrollDown();
    try {
      const response = await call("POST", "generate", {
        json: {
          id: this.id,
          messages: [{ id: newId("msg_"), role: "user", parts: [{ type: "text", text }] }],
          trigger: "submit-message",
          blueprint,
          model,
        },
        headers: { accept: "text/event-stream" },
        signal: this.#stopper.signal,
      });
      onstart(response.headers.get("x-usage-remaining"));
      for await (const event of parts(response.body)) {
        if (event.type === "text-delta") answer.add(event.delta);
        else if (event.type === "start") this.#generation = event.messageMetadata?.generation_id ?? null;
        else if (event.type === "error") answer.note(event.errorText);
        else if (event.type === "finish") {
          if (this.#stopped && event.finishReason === "other") answer.note("Stopped.");
          onfinish(event.messageMetadata ?? {});
        }
      }
      return true;
    } catch (error) {
      if (error.name === "AbortError") {
        answer.note("Stopped.");
      } else if (error instanceof CutShort) {
        answer.note(`${error.message} What arrived is kept.`);
      } else {
        asked.remove();
        answer.root.remove();
        throw error;
      }
      return false;
    } finally {
      answer.end(this.#generation && receiptButton(this.#generation, text));
      this.#stopper = null;
    }
  }

  /**
   * Asks the service to end the answer. What it wrote until then is charged, so it is read to its end;
   * the connection is only cut where there is nothing to name, or nobody to ask.
   */
  async stop() {
    if (!this.busy || this.#stopped) return;
    const stopper = this.#stopper;
    this.#stopped = true;
    if (this.#generation === null) {
      stopper.abort();
      return;
    }
    try {
      await call("POST", `generate/${part(this.#generation)}/stop`);
    } catch {
      stopper.abort();
    }
  }

  /** Shows a stored conversation, newest page first. */
  async open(id) {
    this.id = id;
    $("turns").replaceChildren();
    await this.showEarlier();
    scrollDown();
  }

  async showEarlier() {
    const before = this.#earlier ? `&before=${part(this.#earlier)}` : "";
    const page = await get(`conversations/${part(this.id)}/messages?limit=${PAGE}${before}`);
    this.#earlier = page.next_cursor;
    $("earlier").hidden = !page.next_cursor;
    $("turns").prepend(...page.items.toReversed().map(storedTurn));
  }
}

/** The answer's own element. It is no live region: whole sentences are spoken from another place. */
class Answer {
  root = h("article", { className: "turn answer", ariaLabel: "Answer", ariaBusy: "true" });
  #text = "";
  #unspoken = "";
  #frame = 0;
  #body = h("div", { className: "text" });
  #markdown = new Markdown(this.#body);

  constructor() {
    this.root.append(this.#body);
    $("spoken").replaceChildren();
  }

  add(delta) {
    this.#text += delta;
    this.#unspoken += delta;
    this.#frame ||= requestAnimationFrame(() => this.#draw());
    const end = this.#unspoken.search(/[.!?:\n]\s+\S*$/);
    if (end >= 0) this.#speak(end + 1);
  }

  note(sentence) {
    this.#speak(this.#unspoken.length);
    this.root.append(h("p", { className: "note" }, sentence));
    $("spoken").append(h("p", {}, sentence));
  }

  end(receipt) {
    cancelAnimationFrame(this.#frame);
    this.#draw();
    this.#speak(this.#unspoken.length);
    this.root.ariaBusy = "false";
    const copy = this.#text ? copyButton(this.#text) : null;
    if (copy || receipt) this.#keepInSight(() => this.root.append(actions(copy, receipt)));
  }

  #draw() {
    this.#frame = 0;
    this.#keepInSight(() => this.#markdown.show(this.#text));
  }

  /** Follows the text only where the person has not scrolled away from its end. */
  #keepInSight(change) {
    const scroll = $("scroll");
    const follows = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 80;
    change();
    if (follows) scrollDown();
  }

  #speak(length) {
    const sentence = this.#unspoken.slice(0, length).replace(/[*#`]/g, "").trim();
    this.#unspoken = this.#unspoken.slice(length);
    if (sentence) $("spoken").append(h("p", {}, sentence));
  }
}

function storedTurn({ role, text }) {
  if (role === "user") return userTurn(text);
  const body = h("div", { className: "text" });
  new Markdown(body).show(text);
  return h("article", { className: "turn answer", ariaLabel: "Answer" }, body, actions(copyButton(text)));
}

const actions = (...buttons) => h("div", { className: "answer-actions" }, ...buttons);

const userTurn = (text) => h("article", { className: "turn user", ariaLabel: "You" }, text);

function copyButton(text) {
  const button = h("button", { type: "button", className: "quiet small" }, "Copy");
  button.onclick = async () => {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  };
  return button;
}

function scrollDown() {
  $("scroll").scrollTop = $("scroll").scrollHeight;
}
