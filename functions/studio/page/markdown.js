// A model's Markdown as DOM nodes. What it does not know stays the text it was; links stay text too.

const FENCE = /^\s*(```+|~~~+)/;
const HEADING = /^(#{1,6})\s+(.*?)\s*#*$/;
const RULE = /^\s*([-*_])(\s*\1){2,}\s*$/;
const QUOTE = /^\s*>\s?/;
const BULLET = /^(\s*)[-*+]\s+/;
const ORDERED = /^(\s*)(\d{1,9})[.)]\s+/;
const INLINE = /(`+)(.+?)\1(?!`)|\*\*(?=\S)(.+?)\*\*|\*(?=[^\s*])([^*]+?)\*/g;

/** Renders a growing text into `target`; only the blocks that changed are replaced. */
export class Markdown {
  #target;
  #shown = [];

  constructor(target) {
    this.#target = target;
  }

  show(text) {
    const blocks = split(text.split(/\r\n|\n|\r/));
    blocks.forEach((block, index) => {
      const source = block.lines.join("\n");
      if (this.#shown[index] === source) return;
      const old = this.#target.children[index];
      const node = render(block);
      if (old) old.replaceWith(node);
      else this.#target.append(node);
      this.#shown[index] = source;
    });
    while (this.#target.children.length > blocks.length) this.#target.lastElementChild.remove();
    this.#shown.length = blocks.length;
  }
}

function split(lines) {
  const blocks = [];
  for (let at = 0; at < lines.length; ) {
    if (lines[at].trim() === "") {
      at += 1;
      continue;
    }
    const kind = kindOf(lines[at]);
    const end = ENDS[kind](lines, at);
    blocks.push({ kind, lines: lines.slice(at, end) });
    at = end;
  }
  return blocks;
}

function kindOf(line) {
  if (FENCE.test(line)) return "fence";
  if (HEADING.test(line)) return "heading";
  if (RULE.test(line)) return "rule";
  if (QUOTE.test(line)) return "quote";
  if (BULLET.test(line)) return "bullets";
  if (ORDERED.test(line)) return "numbers";
  return "paragraph";
}

const next = (lines, at) => at + 1;

/** The first line after `at` for which `belongs` is false. */
function run(belongs) {
  return (lines, at) => {
    let end = at + 1;
    while (end < lines.length && belongs(lines, end)) end += 1;
    return end;
  };
}

function listEnd(marker) {
  const goesOn = (line) => marker.test(line) || /^\s{2,}\S/.test(line);
  return run((lines, at) =>
    lines[at].trim() === "" ? at + 1 < lines.length && goesOn(lines[at + 1]) : goesOn(lines[at]),
  );
}

const ENDS = {
  heading: next,
  rule: next,
  quote: run((lines, at) => QUOTE.test(lines[at])),
  bullets: listEnd(BULLET),
  numbers: listEnd(ORDERED),
  paragraph: run((lines, at) => lines[at].trim() !== "" && kindOf(lines[at]) === "paragraph"),
  fence: (lines, at) => {
    const mark = FENCE.exec(lines[at])[1];
    const close = lines.findIndex((line, index) => index > at && line.trim().startsWith(mark));
    return close === -1 ? lines.length : close + 1;
  },
};

function render({ kind, lines }) {
  switch (kind) {
    case "heading": {
      const [, marks, text] = HEADING.exec(lines[0]);
      return withText(`h${Math.min(marks.length + 1, 6)}`, text); // the page has its own h1
    }
    case "rule":
      return document.createElement("hr");
    case "quote":
      return withBlocks("blockquote", lines.map((line) => line.replace(QUOTE, "")));
    case "fence":
      return code(lines);
    case "bullets":
      return list("ul", BULLET, lines);
    case "numbers": {
      const element = list("ol", ORDERED, lines);
      element.start = Number(ORDERED.exec(lines[0])[2]);
      return element;
    }
    default:
      return withText("p", lines.join("\n"));
  }
}

function code(lines) {
  const mark = FENCE.exec(lines[0])[1];
  const closed = lines.length > 1 && lines.at(-1).trim().startsWith(mark);
  const pre = document.createElement("pre");
  pre.tabIndex = 0; // it scrolls sideways: the keyboard must be able to
  const inner = pre.appendChild(document.createElement("code"));
  inner.textContent = lines.slice(1, closed ? -1 : undefined).join("\n");
  return pre;
}

/** A line deeper than the first marker belongs to the item above it. */
function list(tag, marker, lines) {
  const depth = marker.exec(lines[0])[1].length;
  const items = [];
  for (const line of lines) {
    const found = marker.exec(line);
    if (found && found[1].length <= depth) items.push([line.slice(found[0].length)]);
    else items.at(-1).push(line.replace(new RegExp(`^\\s{0,${depth + 2}}`), ""));
  }
  const element = document.createElement(tag);
  element.append(...items.map((item) => withItem(item)));
  return element;
}

function withItem([first, ...rest]) {
  const item = withText("li", first);
  item.append(...split(rest).map(render));
  return item;
}

function withBlocks(tag, lines) {
  const element = document.createElement(tag);
  element.append(...split(lines).map(render));
  return element;
}

function withText(tag, text) {
  const element = document.createElement(tag);
  element.append(...inline(text));
  return element;
}

function inline(text) {
  const nodes = [];
  let at = 0;
  for (const found of text.matchAll(INLINE)) {
    nodes.push(text.slice(at, found.index));
    const [whole, , verbatim, strong, emphasis] = found;
    if (verbatim !== undefined) {
      const element = document.createElement("code");
      element.textContent = verbatim;
      nodes.push(element);
    } else {
      nodes.push(withText(strong !== undefined ? "strong" : "em", strong ?? emphasis));
    }
    at = found.index + whole.length;
  }
  nodes.push(text.slice(at));
  return nodes.filter((node) => node !== "");
}
