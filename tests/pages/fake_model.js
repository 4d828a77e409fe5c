/** What a page is given of its widget, as far as a store needs it. */
export class FakeModel {
  /** @param {Record<string, any>} [state] */
  constructor(state = {}) {
    this.state = state;
    /** @type {any[]} */
    this.sent = [];
    /** @type {Record<string, ((message: any) => void)[]>} */
    this.handlers = {};
  }

  get(name) {
    return this.state[name];
  }

  set(name, value) {
    this.state[name] = value;
  }

  send(message) {
    this.sent.push(message);
  }

  on(name, handler) {
    (this.handlers[name] ??= []).push(handler);
  }

  off() {}

  save_changes() {}

  /** A message of the kernel. */
  deliver(message) {
    for (const handler of this.handlers["msg:custom"] ?? []) handler(message);
  }
}
