"use strict";
const $ = id => document.getElementById(id);
const ENDED = "cak rate has ended. Start it again in the terminal, then reload this page.";
// The largest number of sounds that are kept in memory.
const KEPT = 8;
// What the server said last; whether a request is under way.
let state = null, busy = false;
// Promises of the addresses of sounds by number; the players of the cards, in order.
const fetched = new Map();
let players = [];

class Refusal extends Error {}

async function ask(path, message) {
  const options = message === undefined ? {} : {
    method: "POST",
    headers: {"content-type": "application/json"},
    body: JSON.stringify({run: state.run, revision: state.revision, ...message}),
  };
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Refusal(ENDED);
  }
  if (answer.ok) return answer;
  const refusal = new Refusal((await answer.json()).detail);
  refusal.status = answer.status;
  throw refusal;
}

// Show the question that a request returns. A refusal is shown with the list as it is.
async function go(path, message) {
  if (busy) return;
  busy = true;
  document.body.setAttribute("aria-busy", "true");
  try {
    await show(await (await ask(path, message)).json());
    $("message").textContent = "";
  } catch (error) {
    await refused(error);
  }
  busy = false;
  document.body.removeAttribute("aria-busy");
  listen();
  prefetch();
}

async function refused(error) {
  if (!(error instanceof Refusal)) throw error;
  $("message").textContent = error.message;
  // 409: the list was changed elsewhere. 422: a file cannot be played.
  for (let tries = 0; [409, 422].includes(error.status) && tries < 1000; tries++) {
    try {
      await show(await (await ask("/state")).json());
      return;
    } catch (next) {
      error = next;
      $("message").textContent = error.message;
      if (error.status === 409) return;
    }
  }
}

const load = async number =>
  URL.createObjectURL(await (await ask(`/sound/${number}`)).blob());

function address(number) {
  const shown = state.sounds.map(sound => sound.number);
  for (const old of [...fetched.keys()].slice(0, -KEPT)) {
    if (shown.includes(old) || old === number) continue;
    fetched.get(old).then(URL.revokeObjectURL, () => {});
    fetched.delete(old);
  }
  if (!fetched.has(number)) {
    fetched.set(number, load(number));
    fetched.get(number).catch(() => fetched.delete(number));
  }
  return fetched.get(number);
}

async function prefetch() {
  const number = state?.upcoming;
  if (number === null || number === undefined || fetched.has(number)) return;
  try {
    await address(number);
  } catch (error) {
    // 422: it is left out. Everything else is said when its turn comes.
    if (error.status === 422) $("message").textContent = error.message;
  }
}

async function show(next) {
  stop();
  state = next;
  const {pairs, sounds, done, total} = state;
  $("question").textContent = state.question || (pairs ? "Which has more?" : "How much?");
  document.title = $("question").textContent;
  $("progress").textContent = progress();
  $("bar").max = Math.max(1, total);
  $("bar").value = Math.min(done, total);
  $("about").textContent = `Each answer is written to ${state.table} at once. You may `
    + "close this page and go on later.";
  players = [];
  $("sounds").replaceChildren(...sounds.map(card));
  drawAnswers();
  $("ends").hidden = pairs || !sounds.length;
  $("back").disabled = !state.back;
  $("forward").disabled = !state.forward;
  $("replay").disabled = $("skip").disabled = !sounds.length;
  for (const [index, sound] of sounds.entries())
    players[index].src = await address(sound.number);
}

function progress() {
  const {pairs, sounds, done, total, enough} = state;
  if (!sounds.length)
    return `${done} of ${total}: all done. You may close this page and end cak rate.`;
  if (!pairs && total > enough) return `${done} of ${total}; some ${enough} are enough`;
  if (!pairs) return `${done} of ${total}`;
  if (done < total) return `${done} of ${total} comparisons`;
  return `${done} comparisons, ${total} are enough. You may stop here or go on.`;
}

function card(sound, index) {
  const made = $("card").content.cloneNode(true).firstElementChild;
  const ordinal = state.pairs ? ["First sound", "Second sound"][index] : "The sound";
  made.setAttribute("aria-label", ordinal);
  made.querySelector(".name").textContent =
    state.pairs ? `${index + 1}: ${sound.name}` : sound.name;
  const player = new Audio(), button = made.querySelector("button");
  const turn = on => {
    made.classList.toggle("on", on);
    button.setAttribute("aria-label", `${on ? "Stop" : "Play"}: ${ordinal}`);
  };
  turn(false);
  player.addEventListener("play", () => turn(true));
  player.addEventListener("pause", () => turn(false));
  player.addEventListener("timeupdate", () => {
    const share = player.currentTime / player.duration || 0;
    made.querySelector("i").style.width = `${100 * share}%`;
  });
  button.addEventListener("click", () => {
    const playing = !player.paused;
    stop();
    if (!playing) start(player);
  });
  players.push(player);
  return made;
}

function drawAnswers() {
  const {pairs, sounds} = state, group = $("answers");
  const choices = pairs
    ? [[1, "First has more"], [0, "Equal"], [2, "Second has more"]]
    : [...Array(10).keys()].map(value => [value, ""]);
  group.className = pairs ? "pairs" : "";
  group.hidden = !sounds.length;
  // The buttons stay, so that the keyboard's focus stays.
  if (group.childElementCount !== choices.length) {
    group.replaceChildren(...choices.map(([value, words]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.value = value;
      button.setAttribute("aria-keyshortcuts", value);
      button.setAttribute("aria-label", words || label(value));
      const key = document.createElement(words ? "kbd" : "span");
      key.textContent = value;
      button.append(key, words && ` ${words}`);
      button.addEventListener("click", () => answer(value));
      return button;
    }));
  }
  for (const button of group.children) {
    const chosen = state.answer !== "" && Number(state.answer) === Number(button.dataset.value);
    button.setAttribute("aria-pressed", chosen);
  }
}

const label = value => `Rate ${value}${{0: ", least", 9: ", most"}[value] || ""}`;

function start(player, next) {
  player.currentTime = 0;
  player.onended = () => next && start(next);
  // A browser may wait for a first key or click before it plays.
  player.play().catch(error => {
    if (error.name === "NotAllowedError" && !$("message").textContent)
      $("message").textContent = "Press space to hear it.";
  });
}

function stop() {
  for (const player of players) {
    player.onended = null;
    player.pause();
  }
}

// Play the sound, or the two after one another.
function listen() {
  stop();
  if (players.length && players.every(player => player.src)) start(players[0], players[1]);
}

function replay() {
  if ($("message").textContent === "Press space to hear it.") $("message").textContent = "";
  listen();
}

function answer(value) {
  if (state?.sounds.length) go("/answer", {...shown(), value});
}

const shown = () =>
  ({place: state.place, sounds: state.sounds.map(sound => sound.number)});
const skip = () => state?.sounds.length && go("/skip", shown());
const back = () => state?.back && go(`/state?before=${state.place}`);
const forward = () => state?.forward && go(`/state?after=${state.place}`);

document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  if (event.key === " ") {
    // A button that the keyboard has reached is pressed by space, as everywhere.
    if (document.activeElement.matches("button:focus-visible")) return;
    event.preventDefault();
    return replay();
  }
  const known = state?.pairs ? "120" : "0123456789";
  if (event.key.length === 1 && known.includes(event.key)) return answer(Number(event.key));
  const action = {ArrowLeft: back, ArrowRight: forward, u: skip, U: skip}[event.key];
  if (action) {
    event.preventDefault();
    action();
  }
});
// After a click with the mouse, space plays again and presses no button.
document.addEventListener("click", event => {
  if (event.detail) document.activeElement.blur();
});
for (const [id, action] of Object.entries({back, replay, skip, forward}))
  $(id).addEventListener("click", action);
go("/state");
