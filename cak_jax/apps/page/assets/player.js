// Dry and wet play together and one of them is mute, so that A and B are heard at the
// same place of the sound. Runs once; what is inside `element` is replaced with every
// rendering, so that events are looked for here.

let wet = true;
let place = 0;
let playing = false;

const sounds = () => [...element.querySelectorAll("audio")];

const show = () => {
  for (const sound of sounds()) {
    sound.muted = (sound.dataset.kind === "wet") !== wet;
  }
  const [first] = sounds();
  const play = element.querySelector("[data-do=play]");
  if (!first || !play) return;
  play.textContent = first.paused ? "▶ play" : "❚❚ pause";
  for (const button of element.querySelectorAll("[data-do=dry], [data-do=wet]")) {
    button.setAttribute("aria-pressed", String((button.dataset.do === "wet") === wet));
  }
};

const tick = () => {
  const [first] = sounds();
  const bar = element.querySelector("input");
  if (!first || !bar || !first.duration) return;
  place = first.currentTime;
  playing = !first.paused;
  bar.value = place / first.duration;
  const heard = element.querySelector("[data-show=time]");
  heard.textContent = `${place.toFixed(1)} / ${first.duration.toFixed(1)} s`;
};

const seek = (seconds) => {
  for (const sound of sounds()) sound.currentTime = seconds;
};

const choose = (which) => {
  wet = which;
  const [first, second] = sounds();
  // They drift apart by some milliseconds in a minute.
  if (first && Math.abs(first.currentTime - second.currentTime) > 0.03) {
    second.currentTime = first.currentTime;
  }
  show();
};

const toggle = async () => {
  const all = sounds();
  if (!all.length) return;
  if (!all[0].paused) {
    for (const sound of all) sound.pause();
  } else {
    if (all[0].ended) seek(0);
    await Promise.allSettled(all.map((sound) => sound.play()));
  }
  show();
};

element.addEventListener("click", (event) => {
  const what = event.target.closest("[data-do]")?.dataset.do;
  if (what === "play") toggle();
  if (what === "dry" || what === "wet") choose(what === "wet");
});
element.addEventListener("input", (event) => {
  const [first] = sounds();
  if (event.target.matches("input") && first?.duration) {
    seek(event.target.value * first.duration);
  }
});
element.addEventListener("keydown", (event) => {
  if (event.key === "b" && event.target.closest(".player")) choose(!wet);
});
// The events of media do not bubble: they are caught on their way down.
for (const name of ["timeupdate", "play", "pause", "ended", "loadedmetadata"]) {
  element.addEventListener(name, () => { tick(); show(); }, true);
}

// A new rendering goes on where the one before stood.
watch("value", () => {
  const stood = place, goes = playing;
  const [first] = sounds();
  if (!first) return;
  first.addEventListener("loadedmetadata", () => {
    if (stood < first.duration - 0.1) seek(stood);
    if (goes) toggle();
    tick();
  }, { once: true });
  show();
});
show();
