// Server-sent events over fetch, wherever the network cuts them.

/** The stream ended without its `[DONE]`: what arrived stands, the rest never comes. */
export class CutShort extends Error {
  constructor() {
    super("The connection was cut before the answer was complete.");
  }
}

/** Each `data:` of the UI message stream as an object, until `[DONE]`; comments are passed over. */
export async function* parts(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    let rest = "";
    let data = [];
    for (;;) {
      const { done, value } = await reader.read();
      if (done) throw new CutShort();
      // A CR at the very end may be the first half of a CRLF: it waits for the next chunk.
      const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop();
      for (const line of lines) {
        if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
        if (line !== "" || data.length === 0) continue;
        const event = data.join("\n");
        data = [];
        if (event === "[DONE]") return;
        yield JSON.parse(event);
      }
    }
  } catch (error) {
    // A connection that breaks in the middle is a TypeError in every browser.
    throw error instanceof TypeError || error instanceof SyntaxError ? new CutShort() : error;
  } finally {
    reader.cancel().catch(() => undefined); // it may be broken already
  }
}
