// The controls of the page, and what they show. Part of `App`.

const DIAL_HELP = {
  amount: "How much of the effect: 0 is the sound itself, 1 all of the pattern",
  mix: "Between the sound itself (0) and the effect (1)",
  tilt: "Above 0 the effect works more on high notes, below 0 more on low ones",
  "size-time": "Stretches the kernel in time: its cells look so many frames before and "
    + "after, for slower, more smeared changes. It adds latency",
  "size-pitch": "Stretches the kernel in pitch: its cells look so many bins higher and "
    + "lower, for changes that are broader in the spectrum",
};

Object.assign(App.prototype, {
  makeEffects() {
    $("effects").replaceChildren(...this.given.map((given) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = given.name;
      button.addEventListener("click", () => this.choose(given));
      return button;
    }));
  },

  makeKnobs() {
    const two = (value) => value.toFixed(2).replace("-", "\u2212");
    const whole = (value) => String(value);
    const make = (id, label, range, plain, show, change) => {
      const [low, high, step] = range, origin = low < 0 ? 0 : low;
      $(id).title = DIAL_HELP[id];
      return new Dial($(id), { label, low, high, step, plain, origin, show, change });
    };
    const share = [0, 1, 0.01], cells = [1, LARGEST_SIZE, 1];
    const size = () => [this.dials.h.value, this.dials.v.value];
    this.dials = {
      amount: make("amount", "Amount", share, PLAIN.amount, two,
        (amount) => this.turn({ amount })),
      mix: make("mix", "Mix", share, 1, two, (mix) => this.turn({ mix })),
      tilt: make("tilt", "Tilt", [-1, 1, 0.02], 0, two, (tilt) => this.turn({ tilt })),
      h: make("size-time", "Size in time", cells, 1, whole,
        () => this.turn({ size: size() })),
      v: make("size-pitch", "Size in pitch", cells, 1, whole,
        () => this.turn({ size: size() })),
    };
  },

  makeKernel() {
    const complain = (text) => this.complain(text);
    this.cells = new Cells(
      $("cells"), (kernel) => this.edit({ kernel }), complain, CODE_LIMITS);
    this.numbers = Object.fromEntries(["bias", "scale"].map((key) => {
      const change = (value) => this.edit({ [key]: value });
      return [key, new Field($(key), { ...CODE_LIMITS, label: key, change, complain })];
    }));
  },

  listen() {
    const click = (id, act) => $(id).addEventListener("click", act);
    click("play", () => this.toggle());
    click("loop", () => this.setLoop(!this.loop));
    click("bypass", () => this.setBypass(!this.bypass));
    click("open", () => $("file").click());
    click("microphone", () => this.attempt(this.openMicrophone()));
    click("download", () => this.attempt(this.download()));
    click("reset", () => this.choose(this.origin));
    click("undo", () => this.undo());
    click("redo", () => this.redo());
    click("surprise", () => this.attempt(this.surprise()));
    click("flip-time", () => this.flip("time"));
    click("flip-pitch", () => this.flip("frequency"));
    click("copy-link", () => this.attempt(this.copy(this.link(), "link")));
    click("copy-command", () => this.attempt(this.copy(this.command(), "command")));
    $("demos").append(...Object.keys(DEMOS).map((name) => new Option(name)));
    $("demos").addEventListener("change", () => {
      this.attempt(this.playDemo($("demos").value));
    });
    $("file").addEventListener("change", () => {
      const [file] = $("file").files;
      $("file").value = "";
      if (file) this.attempt(this.openFile(file));
    });
    window.addEventListener("hashchange", () => this.fromAddress());
    window.addEventListener("keydown", (event) => this.press(event));
    this.listenToDrops();
    this.listenToMidi();
    const colours = STOPS.map((stop) => `rgb(${stop.join(" ")})`);
    $("levels").style.background = `linear-gradient(90deg, ${colours.join(", ")})`;
    $("formats").textContent = readableFormats();
    $("open").title = `Opens ${readableFormats()}`;
  },

  listenToMidi() {
    const midi = new MidiKnob({
      turn: (share) => this.dials.amount.turn(share),
      show: () => {
        const waits = "MIDI: turn a knob", knob = `MIDI: knob ${midi.knob}`;
        $("midi").textContent = midi.learning ? waits : midi.knob ? knob : "MIDI";
        $("midi").setAttribute("aria-pressed", midi.learning);
        if (!midi.learning) this.say("");
      },
    });
    const learn = async () => this.say(await midi.learn());
    $("midi").addEventListener("click", () => this.attempt(learn()));
    $("midi").hidden = !navigator.requestMIDIAccess;
  },

  listenToDrops() {
    const over = (shown) => (event) => {
      event.preventDefault();
      // A move from one element of the page to another does not leave the page.
      $("drop").hidden = !shown && !event.relatedTarget;
      if (shown) $("drop").hidden = false;
    };
    window.addEventListener("dragover", over(true));
    window.addEventListener("dragleave", over(false));
    window.addEventListener("drop", (event) => {
      event.preventDefault();
      $("drop").hidden = true;
      const [file] = event.dataTransfer.files;
      this.attempt(file ? this.openFile(file) : Promise.reject(
        new Error("That was no file: drop a sound file.")));
    });
  },

  press(event) {
    const typing = event.target.matches("input, button, select, summary");
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z" && !typing) {
      event.preventDefault();
      if (event.shiftKey) this.redo();
      else this.undo();
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.key === " " && !typing) {
      event.preventDefault();
      this.toggle();
    }
    if (event.target.matches("input, select")) return;
    if (event.key === "b") this.setBypass(!this.bypass);
    // The keys 0 to 9 set the knob to 0.0 to 0.9, as in `cak live`.
    if (/^[0-9]$/.test(event.key)) this.dials.amount.turn(Number(event.key) / 10);
  },

  setLoop(loop) {
    this.loop = loop;
    $("loop").setAttribute("aria-pressed", loop);
    this.player.setLoop(loop);
  },

  setBypass(bypass) {
    this.bypass = bypass;
    $("bypass").setAttribute("aria-pressed", bypass);
    this.attempt(this.player.set(this.settings()));
  },

  // Each direction has a button of its own.
  flip(way) {
    const ways = new Set({ none: [], both: ["time", "frequency"] }[this.knobs.flip]
      ?? [this.knobs.flip]);
    if (!ways.delete(way)) ways.add(way);
    const flip = ways.size === 2 ? "both" : [...ways][0] ?? "none";
    this.turn({ flip });
    this.showFlip();
  },

  show() {
    const { amount, mix, tilt } = this.knobs;
    this.dials.amount.set(amount);
    this.dials.mix.set(mix);
    this.dials.tilt.set(tilt);
    this.cells.set(this.effect.kernel);
    this.numbers.bias.set(this.effect.bias);
    this.numbers.scale.set(this.effect.scale);
    this.showFlip();
    this.pictures.forEach((picture) => picture.label(this.effect.sampleRate));
    [...$("effects").children].forEach((button, place) => {
      button.setAttribute("aria-pressed", this.given[place] === this.origin);
    });
  },

  showSize() {
    const { size } = this.knobs;
    this.dials.h.set(size[0]);
    this.dials.v.set(size[1]);
  },

  showFlip() {
    const { flip } = this.knobs;
    $("flip-time").setAttribute("aria-pressed", ["time", "both"].includes(flip));
    $("flip-pitch").setAttribute("aria-pressed", ["frequency", "both"].includes(flip));
  },

  showLatency() {
    const settings = this.settings();
    const samples = latencyOf(settings) + new Ceiling(1, settings.sampleRate).delay;
    const time = ((1000 * samples) / settings.sampleRate).toFixed(1);
    $("latency").textContent = `${time} ms, ${samples} samples`;
  },

  showPlaying() {
    const running = Boolean(this.running);
    $("play").setAttribute("aria-label", running ? "Stop" : "Play");
    $("play-sign").setAttribute("d", running ? STOP_SIGN : PLAY_SIGN);
    $("microphone").setAttribute("aria-pressed", Boolean(this.sound?.stream));
    if (running) return;
    $("peak").textContent = $("device").textContent = "\u2013";
  },

  report({ peak, limited }) {
    const held = limited ? ", held at \u22121 dB" : "";
    $("peak").textContent = decibels(peak) + held;
    // Unknown until a device is open, and in some browsers always.
    const { baseLatency = 0, outputLatency = 0 } = this.player.context;
    const seconds = baseLatency + outputLatency;
    $("device").textContent = seconds ? `${Math.round(1000 * seconds)} ms` : "\u2013";
  },

  draw() {
    requestAnimationFrame(() => this.draw());
    const share = this.player.position();
    this.overview.draw(share);
    this.showTime(share);
    if (!this.player.playing) return;
    this.pictures[0].draw(this.player.before);
    this.pictures[1].draw(this.player.after);
  },

  showTime(share) {
    const { seconds } = this.overview;
    const clock = (t) => {
      const rest = String(Math.floor(t % 60)).padStart(2, "0");
      return `${Math.floor(t / 60)}:${rest}`;
    };
    const text = seconds ? `${clock(share * seconds)} / ${clock(seconds)}` : "";
    if ($("sound-time").textContent !== text) $("sound-time").textContent = text;
  },

  link() {
    this.toAddress();
    return location.href;
  },

  // Returns the command that renders the same with the package.
  command() {
    const { amount, mix, tilt, size, flip } = this.knobs;
    const words = ["cak apply", `--effect=${encodeEffect(this.effect)}`];
    words.push(`--amount=${amount}`);
    if (mix !== 1) words.push(`--mix=${mix}`);
    if (tilt !== 0) words.push(`--tilt=${tilt}`);
    if (Math.max(...size) > 1) words.push(`--size=${size.join("x")}`);
    if (flip !== "none") words.push(`--flip=${flip}`);
    return [...words, "YOUR.wav"].join(" ");
  },

  async copy(text, what) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      throw new Error(`This browser does not copy by itself; the ${what} is: ${text}`);
    }
    this.say(`The ${what} is copied.`);
  },
});

const app = new App(JSON.parse($("given").textContent));
