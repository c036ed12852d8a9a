// A knob that follows a vertical drag, the wheel and the keys.

const SWEEP = 135;
const DRAG_PIXELS = 220;
const FINE = 0.15;
const SVG = "http://www.w3.org/2000/svg";

class Dial {
  // A double click and Delete set the value `plain`. The arc begins at `origin`. `show`
  // returns the text of a value; `change` is called with each new value.
  constructor(host, { label, low, high, step, plain, origin = low, show, change }) {
    Object.assign(this, { host, low, high, step, plain, origin, show, change });
    this.large = host.classList.contains("large");
    this.draw();
    host.tabIndex = 0;
    host.setAttribute("role", "slider");
    host.setAttribute("aria-label", label);
    host.setAttribute("aria-valuemin", low);
    host.setAttribute("aria-valuemax", high);
    this.listen();
    this.set(plain);
  }

  // Shows a value without a call of `change`.
  set(value) {
    const steps = Math.round((value - this.low) / this.step);
    const near = Number((this.low + steps * this.step).toFixed(6));
    this.value = Math.min(this.high, Math.max(this.low, near));
    const text = this.show(this.value);
    this.host.setAttribute("aria-valuenow", this.value);
    this.host.setAttribute("aria-valuetext", text);
    this.text.textContent = text;
    const angle = this.angle(this.value);
    this.pointer.setAttribute("transform", `rotate(${angle})`);
    const ends = [this.angle(this.origin), angle].sort((a, b) => a - b);
    this.arc.setAttribute("d", arcPath(this.radius, ...ends));
  }

  turn(value) {
    const before = this.value;
    this.set(value);
    if (this.value !== before) this.change(this.value);
  }

  angle(value) {
    return (2 * (value - this.low) / (this.high - this.low) - 1) * SWEEP;
  }

  draw() {
    this.radius = 42;
    const picture = shape("svg", { viewBox: "-50 -50 100 100", "aria-hidden": "true" });
    const track = arcPath(this.radius, -SWEEP, SWEEP);
    this.arc = shape("path", { class: "arc" });
    this.pointer = shape("g", {});
    const tip = this.large ? [-30, -25] : [-30, -22];
    this.pointer.append(shape("line", { class: "pointer", y1: tip[0], y2: tip[1] }));
    picture.append(
      shape("path", { class: "track", d: track }), this.arc,
      shape("circle", { class: "rim", r: 35 }),
      shape("circle", { class: "cap", r: 32 }),
      this.pointer);
    if (this.large) picture.append(...ticks());
    this.text = document.createElement("span");
    this.text.className = "value";
    this.host.append(picture, this.text);
  }

  listen() {
    const { host } = this;
    host.addEventListener("pointerdown", (event) => this.grip(event));
    host.addEventListener("pointermove", (event) => this.pull(event));
    host.addEventListener("keydown", (event) => this.press(event));
    host.addEventListener("dblclick", () => this.turn(this.plain));
    // Over a small knob the wheel scrolls the page, unless the knob has the focus.
    host.addEventListener("wheel", (event) => {
      if (!this.large && document.activeElement !== host) return;
      event.preventDefault();
      const notches = Math.sign(-event.deltaY || event.deltaX);
      this.turn(this.value + notches * this.stride(event));
    }, { passive: false });
  }

  grip(event) {
    if (event.button) return;
    event.preventDefault();
    this.host.focus();
    this.host.setPointerCapture(event.pointerId);
    this.held = this.value;
    this.hand = [event.clientX, event.clientY];
  }

  pull(event) {
    if (!this.host.hasPointerCapture(event.pointerId)) return;
    const [x, y] = this.hand;
    const share = (event.clientX - x + y - event.clientY) / DRAG_PIXELS;
    this.hand = [event.clientX, event.clientY];
    this.held += share * (event.shiftKey ? FINE : 1) * (this.high - this.low);
    // A drag beyond either end does not count.
    this.held = Math.min(this.high, Math.max(this.low, this.held));
    this.turn(this.held);
  }

  stride(event) {
    const whole = this.step >= 1;
    return this.step * (whole || event.shiftKey ? 1 : 2);
  }

  press(event) {
    const { value, low, high } = this, stride = this.stride(event);
    const goals = {
      ArrowUp: value + stride, ArrowRight: value + stride,
      ArrowDown: value - stride, ArrowLeft: value - stride,
      PageUp: value + (high - low) / 10, PageDown: value - (high - low) / 10,
      Home: low, End: high, Delete: this.plain, Backspace: this.plain,
    };
    const goal = goals[event.key];
    if (goal === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.turn(goal);
  }
}

function shape(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// Returns an arc from one angle to another, in degrees clockwise from the top.
function arcPath(radius, from, to) {
  const at = (degrees) => {
    const angle = (degrees * Math.PI) / 180;
    return `${radius * Math.sin(angle)} ${-radius * Math.cos(angle)}`;
  };
  return `M ${at(from)} A ${radius} ${radius} 0 ${to - from > 180 ? 1 : 0} 1 ${at(to)}`;
}

function ticks() {
  return Array.from({ length: 11 }, (_, i) => shape("line", {
    class: "tick", y1: -49, y2: i % 5 ? -47.5 : -46,
    transform: `rotate(${(2 * i / 10 - 1) * SWEEP})`,
  }));
}
