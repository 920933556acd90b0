// What was said, in order: exchanges (a request and its answer) and remarks. Holds redacted text only, and draws nothing.

const LIMIT = 80;

class Journal extends EventTarget {
  entries = [];
  #next = 1;

  /** Note a request as it leaves; finish it with `answered`. */
  asked(exchange) {
    return this.#add({ kind: "exchange", count: 1, status: null, ...exchange });
  }

  /** Complete an exchange. One that repeats the entry before it is folded into that one and counted. */
  answered(entry, answer) {
    Object.assign(entry, answer);
    const before = this.entries[this.entries.indexOf(entry) - 1];
    if (entry.folds && before?.folds === entry.folds && before.status === entry.status) {
      before.count += 1;
      before.ms = entry.ms;
      this.entries.splice(this.entries.indexOf(entry), 1);
      this.#tell("dropped", entry);
      this.#tell("changed", before);
    } else {
      this.#tell("changed", entry);
    }
  }

  /** Note something that was no request. Tone: "good", "warn", "bad" or "". */
  remark(text, tone = "") {
    return this.#add({ kind: "remark", text, tone });
  }

  clear() {
    this.entries = this.entries.filter((entry) => entry.kind === "exchange" && entry.status === null);
    this.#tell("cleared", null);
  }

  #add(entry) {
    const kept = { id: this.#next++, ...entry };
    this.entries.push(kept);
    if (this.entries.length > LIMIT) this.#tell("dropped", this.entries.shift());
    this.#tell("added", kept);
    return kept;
  }

  #tell(type, entry) {
    this.dispatchEvent(new CustomEvent(type, { detail: entry }));
  }
}

export const journal = new Journal();
