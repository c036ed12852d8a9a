// The states of the page, as addresses, for Undo and Redo.

const MOST_STATES = 500;

class Steps {
  constructor() {
    this.past = [];
    this.future = [];
  }

  // Takes the present state; one that is the present already changes nothing.
  note(address) {
    if (address === this.past[this.past.length - 1]) return;
    this.past.push(address);
    if (this.past.length > MOST_STATES) this.past.shift();
    this.future = [];
  }

  // Returns the state before, or the one that was undone; undefined for none.
  back() {
    if (this.past.length < 2) return undefined;
    this.future.push(this.past.pop());
    return this.past[this.past.length - 1];
  }

  forward() {
    const address = this.future.pop();
    if (address) this.past.push(address);
    return address;
  }
}

Object.assign(App.prototype, {
  undo() {
    this.toAddress();
    this.travel(this.history.back());
  },

  redo() {
    this.travel(this.history.forward());
  },

  travel(address) {
    if (address) this.fromAddress(address);
    this.showHistory();
  },

  showHistory() {
    $("undo").disabled = this.history.past.length < 2;
    $("redo").disabled = !this.history.future.length;
  },
});
