// A number that is typed or dragged up and down; and the kernel of nine such numbers.

const DRAG_STEP = 0.01;
const DRAG_BEGINS = 4;
const HEIGHTS = ["lower", "same", "higher"];
const TIMES = ["before", "now", "after"];

class Field {
  // Calls `change` with each new number, and `complain` about a text that is no number.
  constructor(input, { label, least, most, change, complain }) {
    Object.assign(this, { input, label, least, most, change, complain });
    input.type = "text";
    input.autocomplete = "off";
    input.setAttribute("aria-label", label);
    input.title = `${label}: type a number, or drag up and down`;
    this.listen();
  }

  set(value) {
    this.value = value;
    this.input.value = shown(value);
  }

  enter(value) {
    value = Math.min(this.most, Math.max(this.least, value));
    // Rounded to float32, as in the text code.
    this.set(Math.fround(Number(value.toPrecision(7))));
    this.change(this.value);
  }

  read() {
    const text = this.input.value.trim().replace(",", ".").replaceAll("\u2212", "-");
    if (text === shown(this.value).replaceAll("\u2212", "-")) return;
    const value = text === "" ? NaN : Number(text);
    if (value >= this.least && value <= this.most) return this.enter(value);
    this.set(this.value);
    this.complain(
      `${this.label}: "${text}" is no number from ${this.least} to ${this.most}.`);
  }

  listen() {
    const { input } = this;
    input.addEventListener("change", () => this.read());
    input.addEventListener("focus", () => input.select());
    input.addEventListener("keydown", (event) => this.press(event));
    // The field takes the focus when a click ends, because a drag begins like a click.
    input.addEventListener("mousedown", (event) => {
      if (document.activeElement !== input) event.preventDefault();
    });
    input.addEventListener("dragstart", (event) => event.preventDefault());
    input.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      input.setPointerCapture(event.pointerId);
      this.from = { y: event.clientY, value: this.value };
      this.dragging = false;
    });
    input.addEventListener("pointermove", (event) => this.pull(event));
    input.addEventListener("pointercancel", () => { this.from = null; });
    input.addEventListener("pointerup", () => {
      if (this.from && !this.dragging) input.focus();
      this.from = null;
    });
  }

  pull(event) {
    if (!this.from || !event.buttons) return;
    const moved = this.from.y - event.clientY;
    if (!this.dragging && Math.abs(moved) < DRAG_BEGINS) return;
    this.dragging = true;
    this.input.blur();
    event.preventDefault();
    const step = DRAG_STEP * Math.max(1, Math.abs(this.from.value) / 2);
    this.enter(Number((this.from.value + moved * step).toFixed(3)));
  }

  press(event) {
    const way = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (event.key === "Enter") this.read();
    if (event.key === "Escape") this.set(this.value);
    if (!way) return;
    event.preventDefault();
    this.read();
    const step = event.shiftKey ? DRAG_STEP : 5 * DRAG_STEP;
    this.enter(Number((this.value + way * step).toFixed(4)));
  }
}

// The kernel in the directions of a spectrogram: time to the right, pitch upwards.
class Cells {
  constructor(host, change, complain, limits) {
    this.fields = [];
    for (const i of [2, 1, 0]) {
      for (const j of [0, 1, 2]) {
        const input = document.createElement("input");
        host.append(input);
        this.fields[3 * i + j] = new Field(input, {
          ...limits, complain,
          label: `kernel, ${HEIGHTS[i]} pitch, ${TIMES[j]}`,
          change: () => { this.colour(); change(this.values()); },
        });
      }
    }
  }

  values() {
    return this.fields.map((field) => field.value);
  }

  set(kernel) {
    kernel.forEach((value, place) => this.fields[place].set(value));
    this.colour();
  }

  // Positive numbers are orange, negative ones blue; the largest has the full colour.
  colour() {
    const most = Math.max(1e-9, ...this.values().map(Math.abs));
    for (const { input, value } of this.fields) {
      const share = Math.abs(value) / most;
      input.style.setProperty("--share", `${Math.round(100 * share)}%`);
      input.classList.toggle("negative", value < 0);
      input.classList.toggle("strong", share > 0.6);
    }
  }
}

function shown(value) {
  const size = Math.abs(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.005 || !size ? 2 : 4;
  const text = value.toFixed(digits);
  const lost = size > 0 && Number(text) === 0;
  return (lost ? value.toExponential(0) : text).replaceAll("-", "\u2212");
}
