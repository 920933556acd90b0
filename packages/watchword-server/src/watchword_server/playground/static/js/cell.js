// A value that can be watched: all the state management this page needs.

export class Cell {
  #value;
  #watchers = new Set();

  constructor(value) {
    this.#value = value;
  }

  get value() {
    return this.#value;
  }

  set(value) {
    const before = this.#value;
    this.#value = value;
    for (const watcher of this.#watchers) watcher(value, before);
  }

  /** Merge into a value that is a plain object. */
  patch(part) {
    this.set({ ...this.#value, ...part });
  }

  /** Call `watcher(value, before)` now and at every change. */
  watch(watcher) {
    this.#watchers.add(watcher);
    watcher(this.#value, this.#value);
  }
}
