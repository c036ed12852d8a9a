// The page itself: its effects, its knobs, its sound.

const PLAY_SIGN = "M7 4v16l13-8z";
const STOP_SIGN = "M5.5 5.5h13v13h-13z";
const ADDRESS_WAIT = 250;
const CODE_LIMITS = { least: -LARGEST, most: LARGEST };
const $ = (id) => document.getElementById(id);

class App {
  constructor(given) {
    this.given = given.map(({ name, about, code }) => {
      return { name, about, effect: decodeEffect(code) };
    });
    this.loop = true;
    this.bypass = false;
    this.turns = 0;
    this.history = new Steps();
    this.player = new Player({
      report: (heard) => this.report(heard), ended: () => this.stop(),
    });
    this.makeEffects();
    this.makeKnobs();
    this.makeKernel();
    this.overview = new Overview($("overview"), (share) => this.seek(share));
    this.pictures = ["before", "after"].map((id) => new Spectrogram($(id)));
    this.listen();
    this.choose(this.given[0]);
    this.fromAddress();
    this.loadDemo("loop");
    this.showPlaying();
    requestAnimationFrame(() => this.draw());
  }

  // --- the knobs ------------------------------------------------------------------

  settings() {
    return { ...this.effect, ...this.knobs, bypass: this.bypass };
  }

  // `origin` is the effect that Reset restores. Without `knobs` they stay as they are.
  choose(origin, effect = origin.effect, knobs = this.knobs ?? { ...PLAIN }) {
    this.origin = origin;
    this.effect = { ...effect, kernel: [...effect.kernel] };
    this.knobs = { ...knobs };
    this.show();
    this.changed();
  }

  turn(changes) {
    Object.assign(this.knobs, changes);
    this.changed();
  }

  edit(changes) {
    Object.assign(this.effect, changes);
    this.changed();
  }

  changed() {
    const { knobs, effect } = this;
    knobs.size = allowedSize(knobs.size, effect.spacing);
    this.showSize();
    const edited = encodeEffect(this.effect) !== encodeEffect(this.origin.effect);
    $("reset").disabled = !edited;
    $("about").textContent = edited ? "edited by hand" : this.origin.about;
    this.edited = edited;
    this.showLatency();
    this.settle();
    this.attempt(this.retune());
  }

  // Passes the settings to the sound that plays. At another sample rate the sound
  // starts again at the same position.
  retune() {
    const { playing } = this.player, { sampleRate } = this.effect;
    const other = playing && playing.settings.sampleRate !== sampleRate;
    if (other) return this.start(this.player.position());
    return this.player.set(this.settings());
  }

  // Writes the address and judges the kernel once nothing has been turned for a while.
  settle() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => {
      this.toAddress();
      this.attempt(this.guard());
    }, ADDRESS_WAIT);
  }

  toAddress() {
    const { effect, knobs, origin } = this;
    this.address = writeAddress({ effect, knobs, name: origin.name });
    this.history.note(this.address);
    this.showHistory();
    history.replaceState(null, "", this.address);
  }

  fromAddress(address = location.hash) {
    if (address.length < 2 || address === this.address) return;
    try {
      const { effect, name, knobs } = readAddress(address);
      const code = encodeEffect(effect);
      const known = this.given.find((g) => g.name === name)
        ?? this.given.find((g) => encodeEffect(g.effect) === code);
      const same = known && known.effect.nFft === effect.nFft;
      this.choose(same ? known : this.stranger(name, effect), effect, knobs);
    } catch (error) {
      this.complain(error);
    }
  }

  // Adds an effect that came with the address to those that can be chosen.
  stranger(name, effect) {
    const made = { name, about: "from the address", effect };
    this.given.push(made);
    this.makeEffects();
    return made;
  }

  // --- the sound ------------------------------------------------------------------

  loadDemo(name) {
    return this.take(DEMOS[name][0], {
      decode: async (rate) => demoSound(name, rate), demo: name,
    });
  }

  async playDemo(name) {
    const was = this.running;
    if (was) this.stop();
    await this.loadDemo(name);
    if (was) await this.start();
  }

  // A sound is decoded again for an effect of another sample rate.
  take(title, sound) {
    this.title = title;
    this.sound = sound;
    $("sound-name").textContent = title;
    $("demos").value = sound.demo ?? "";
    this.settle();
    this.ready = this.prepare();
    return this.ready;
  }

  async prepare(rate = this.effect.sampleRate) {
    const { sound } = this;
    if (!sound.stream && sound.rate !== rate) {
      sound.planes = await sound.decode(rate);
      sound.rate = rate;
    }
    if (this.sound === sound) this.overview.set(sound.planes ?? null, rate);
  }

  async start(from = 0) {
    this.running = true;
    this.showPlaying();
    await this.ready;
    const settings = this.settings();
    await this.prepare(settings.sampleRate);
    if (!this.running) return;
    await this.player.play(this.sound, settings, { loop: this.loop, from });
    // Knobs may have been turned while the sound was decoded.
    await this.retune();
  }

  stop() {
    this.running = false;
    this.player.stop();
    this.closeMicrophone();
    this.showPlaying();
  }

  closeMicrophone() {
    if (!this.sound?.stream) return;
    this.sound.stream.getTracks().forEach((track) => track.stop());
    this.take(this.before.title, this.before.sound);
  }

  toggle() {
    if (this.running) this.stop();
    else this.attempt(this.start());
  }

  seek(share) {
    if (this.sound.planes) this.attempt(this.start(share));
  }

  async openFile(file) {
    this.say(`Reading ${file.name} ...`);
    const rate = this.effect.sampleRate;
    const { planes, channels, notes } = await decodeFile(file, rate);
    const was = this.running;
    if (was) this.stop();
    const decode = async (wanted) => (await decodeFile(file, wanted)).planes;
    await this.take(file.name, { planes, rate, decode });
    const found = notes.length ? [`"${file.name}" ${notes.join("; ")}.`] : [];
    if (channels > 2) found.push(`${channels} channels are mixed down to two.`);
    this.say(found.join(" "));
    await this.start();
  }

  async openMicrophone() {
    if (this.sound.stream) return this.stop();
    const stream = await openMicrophone();
    if (this.running) this.stop();
    this.before = { title: this.title, sound: this.sound };
    await this.take("microphone", { stream });
    this.say("Use headphones: a microphone that hears the loudspeaker howls.");
    await this.start();
  }

  async download() {
    if (!this.sound.planes) throw new Error("The microphone plays; open a file first.");
    $("download").disabled = true;
    try {
      const settings = this.settings();
      await this.prepare();
      const { planes, gain, held, less } = await renderWhole(
        this.sound.planes, settings,
        (share) => this.say(`Rendering: ${10 * Math.round(10 * share)} %`));
      const name = this.fileName();
      save(name, encodeWav(planes, settings.sampleRate));
      const peaks = held < 1 ? `, peaks held by up to ${decibels(held)}` : "";
      const clipping = less < 1 ? `, and ${decibels(less)} against clipping` : "";
      this.say(`${name}: loudness matched by ${decibels(gain)}${peaks}${clipping}.`);
    } finally {
      $("download").disabled = false;
    }
  }

  fileName() {
    const stem = this.sound.demo ?? this.title.replace(/\.[^.]*$/, "");
    const turned = String(Math.round(100 * this.knobs.amount)).padStart(3, "0");
    const plain = (text) => text.replace(/[^\p{L}\p{N}._-]+/gu, "_");
    const name = this.origin.name + (this.edited ? "-edited" : "");
    return `${plain(stem)}__${plain(name)}_a${turned}.wav`;
  }

  // --- messages -------------------------------------------------------------------

  say(text) {
    $("message").textContent = text;
    $("message").classList.remove("fault");
  }

  complain(error) {
    $("message").textContent = error.message ?? String(error);
    $("message").classList.add("fault");
  }

  async attempt(work) {
    try {
      await work;
    } catch (error) {
      this.complain(error);
      if (this.running && !this.player.playing) this.stop();
    }
  }
}

function save(name, data) {
  const address = URL.createObjectURL(new Blob([data], { type: "audio/wav" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}

function decibels(gain) {
  const value = gain > 0 ? (20 * Math.log10(gain)).toFixed(1) : "-\u221e";
  return `${value.replace("-", "\u2212")} dB`;
}
