// The sounds of a clip play together and one of them is heard, so that a switch changes
// the sound at the same place in time. Without this script there is a player for each.

const context = new AudioContext();
const FADE = 0.008; // seconds from one sound to another, so that no click is heard
let stopOther = () => {};

const decode = (audio) => {
  const bytes = Uint8Array.from(atob(audio.src.split(",")[1]), (c) => c.charCodeAt(0));
  return context.decodeAudioData(bytes.buffer);
};

const listen = (root) => {
  const audios = [...root.querySelectorAll("audio")];
  const switches = [...root.querySelectorAll("[data-sound]")];
  const play = root.querySelector("[data-play]");
  const bar = root.querySelector("input");
  const time = root.querySelector("output");
  let sounds = null; // promise of the decoded sounds, made at the first play
  let playing = null; // { sources, gains, began } while it plays
  let chosen = switches.findIndex((button) => button.ariaPressed === "true");
  let place = 0; // seconds, where it stands while it does not play
  let length = 0;

  const now = () => {
    if (!playing) return place;
    return Math.max(0, context.currentTime - playing.began) % length;
  };

  const show = () => {
    play.textContent = playing ? "❚❚ pause" : "▶ play";
    switches.forEach((button, number) => { button.ariaPressed = String(number === chosen); });
    if (!length) return;
    bar.value = now() / length;
    time.textContent = `${now().toFixed(1)} / ${length.toFixed(1)} s`;
  };

  const stop = () => {
    place = now();
    for (const source of playing?.sources ?? []) source.stop();
    playing = null;
    show();
  };

  const start = async () => {
    stopOther();
    stopOther = stop;
    sounds ??= Promise.all(audios.map(decode));
    const [buffers] = await Promise.all([sounds, context.resume()]);
    if (playing || stopOther !== stop) return;
    length = Math.min(...buffers.map((buffer) => buffer.duration));
    const at = context.currentTime + 0.02;
    playing = { sources: [], gains: [], began: at - place };
    for (const [number, buffer] of buffers.entries()) {
      const source = new AudioBufferSourceNode(context, { buffer, loop: true, loopEnd: length });
      const gain = new GainNode(context, { gain: Number(number === chosen) });
      source.connect(gain).connect(context.destination);
      source.start(at, place);
      playing.sources.push(source);
      playing.gains.push(gain);
    }
    requestAnimationFrame(follow);
  };

  const follow = () => {
    show();
    if (playing) requestAnimationFrame(follow);
  };

  switches.forEach((button, number) => button.addEventListener("click", () => {
    chosen = number;
    playing?.gains.forEach(({ gain }, other) => {
      gain.setTargetAtTime(Number(other === chosen), context.currentTime, FADE / 3);
    });
    if (!playing) start();
    show();
  }));
  play.addEventListener("click", () => (playing ? stop() : start()));
  bar.addEventListener("input", () => {
    const goes = Boolean(playing);
    if (goes) stop();
    if (length) place = bar.value * length;
    if (goes) start();
    show();
  });
  root.classList.add("switched");
  show();
};

document.querySelectorAll(".listen").forEach(listen);
