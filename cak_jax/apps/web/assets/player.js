// The player: one sound at a time, through the effect.

const MATCH_SECONDS = 1;
const CROSSFADE_SECONDS = 0.03;
const ANALYSED = 4096;

class Player {
  // Calls `report` with peaks, and `ended` when a sound is over.
  constructor({ report, ended }) {
    Object.assign(this, { report, ended, playing: null });
  }

  async open(rate) {
    if (this.context?.sampleRate !== rate) {
      await this.context?.close();
      try {
        this.context = new AudioContext({ sampleRate: rate });
      } catch {
        throw new Error(`This browser cannot play at ${rate} Hz.`);
      }
      this.before = this.analyser();
      this.after = this.analyser();
    }
    await this.context.resume();
  }

  analyser() {
    const options = { fftSize: ANALYSED, smoothingTimeConstant: 0 };
    return new AnalyserNode(this.context, options);
  }

  // `sound` is `{ planes }` or `{ stream }`, `from` a share of its length.
  async play(sound, settings, { loop, from = 0 }) {
    this.stop();
    const turn = (this.turn = {});
    await this.open(settings.sampleRate);
    const source = this.source(sound, loop);
    const channels = sound.planes?.length ?? 2;
    const voice = await this.voice(source, settings, channels);
    // Another sound may have been started meanwhile.
    if (this.turn !== turn) return this.drop(voice);
    this.playing = { source, channels, voice, sound, settings, asked: settings, from };
    this.began = this.context.currentTime;
    // No fade-in: the attack at the beginning of a sound must be kept.
    voice.gain.gain.value = 1;
    if (!sound.planes) return;
    source.start(0, from * source.buffer.duration);
    source.onended = () => {
      const { settings: last } = this.playing ?? { settings };
      const late = latencyOf(last) / last.sampleRate;
      setTimeout(() => this.turn === turn && this.ended(), 1000 * (late + 0.1));
    };
  }

  source({ planes, stream }, loop) {
    if (planes) {
      const buffer = bufferOf(this.context, planes);
      return new AudioBufferSourceNode(this.context, { buffer, loop });
    }
    try {
      return this.context.createMediaStreamSource(stream);
    } catch {
      throw new Error(
        `This browser does not take the microphone at ${this.context.sampleRate} Hz.`);
    }
  }

  async voice(source, settings, channels) {
    const { context } = this;
    const node = await makeNode(context, settings, channels, {
      frames: Infinity, matchSeconds: MATCH_SECONDS, ceiling: true,
    });
    const gain = new GainNode(context, { gain: 0 });
    source.connect(node);
    node.connect(gain, 0).connect(context.destination);
    gain.connect(this.after);
    node.connect(this.before, 1);
    node.port.onmessage = ({ data }) => this.report(data);
    return { source, node, gain };
  }

  // Takes new settings of the same sample rate while a sound plays. For another
  // transform a new voice takes over.
  async set(settings) {
    const { playing } = this;
    if (!playing) return;
    playing.asked = settings;
    if (playing.changing) return;
    const before = playing.settings;
    playing.settings = settings;
    const same = apart(settings)[0] === apart(before)[0]
      && settings.nFft === before.nFft && settings.hop === before.hop;
    if (same) return playing.voice.node.port.postMessage(settings);
    playing.changing = true;
    const voice = await this.voice(playing.source, settings, playing.channels);
    playing.changing = false;
    if (this.playing !== playing) return this.drop(voice);
    const wait = latencyOf(settings) / settings.sampleRate;
    this.fade(playing.voice, 0, wait);
    this.fade(voice, 1, wait);
    setTimeout(this.drop, 1000 * (wait + 2 * CROSSFADE_SECONDS) + 50, playing.voice);
    playing.voice = voice;
    // Knobs may have been turned meanwhile.
    if (playing.asked !== settings) await this.set(playing.asked);
  }

  setLoop(loop) {
    const { playing } = this;
    if (!playing?.sound.planes) return;
    // Rounds of a loop that have ended do not count.
    const late = latencyOf(playing.settings) / playing.settings.sampleRate;
    playing.from = this.position();
    this.began = this.context.currentTime - late;
    playing.source.loop = loop;
  }

  fade({ gain }, goal, wait) {
    const start = this.context.currentTime + wait;
    gain.gain.setValueAtTime(1 - goal, start);
    gain.gain.linearRampToValueAtTime(goal, start + CROSSFADE_SECONDS);
  }

  drop({ source, node, gain }) {
    source.disconnect(node);
    node.port.postMessage("over");
    node.disconnect();
    gain.disconnect();
  }

  stop() {
    this.turn = null;
    const { playing } = this;
    if (!playing) return;
    this.playing = null;
    this.fade(playing.voice, 0, 0);
    setTimeout(() => {
      if (playing.sound.planes) playing.source.stop();
      this.drop(playing.voice);
    }, 1000 * CROSSFADE_SECONDS + 20);
  }

  // Returns the position that is audible now, as a share of the length.
  position() {
    const { playing, context } = this;
    if (!playing?.sound.planes) return 0;
    const { sampleRate } = context;
    const length = playing.sound.planes[0].length / sampleRate;
    const late = latencyOf(playing.settings) / sampleRate;
    const heard = Math.max(0, context.currentTime - this.began - late);
    const place = playing.from + heard / length;
    return playing.source.loop ? place % 1 : Math.min(1, place);
  }
}
