// One conversation: its turns, the answer that is being written, and the turns before.

import { call, get, part } from "./api.js";
import { $, h, newId } from "./dom.js";
import { Markdown } from "./markdown.js";
import { CutShort, parts } from "./stream.js";

const PAGE = 10;

export class Conversation {
  id = newId("cnv_");
  #earlier = null;
  #stopper = null;

  get busy() {
    return this.#stopper !== null;
  }

  /** True where the answer came to its end, false where it was stopped or cut; throws what refused it. */
  async send({ text, blueprint, model, onstart, onfinish }) {
    this.#stopper = new AbortController();
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
        else if (event.type === "error") answer.note(event.errorText);
        else if (event.type === "finish") onfinish(event.messageMetadata ?? {});
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
      answer.end();
      this.#stopper = null;
    }
  }

  stop() {
    this.#stopper?.abort();
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

  end() {
    cancelAnimationFrame(this.#frame);
    this.#draw();
    this.#speak(this.#unspoken.length);
    this.root.ariaBusy = "false";
    this.#keepInSight(() => this.#text && this.root.append(copyButton(this.#text)));
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
  return h("article", { className: "turn answer", ariaLabel: "Answer" }, body, copyButton(text));
}

const userTurn = (text) => h("article", { className: "turn user", ariaLabel: "You" }, text);

function copyButton(text) {
  const button = h("button", { type: "button", className: "quiet small copy" }, "Copy");
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
