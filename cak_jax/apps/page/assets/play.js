// Marks a player while it is older than its controls. A tab calls `changed` when a control
// changes, `sent` when the values of all controls are sent, and `done` or `refused` when
// the answer is there.
//   selector: of the player.
//   asked: number of changes at the start; 1 where the start itself is rendered.
//   again: called where Gradio has forgotten a change: one that waited for the end of a
//     refused one.
const track = (selector, asked, again) => {
  let sent = 0, done = 0, refused = 0; // numbers of changes
  let open = 0; // answers that are awaited
  const show = () => {
    const player = document.querySelector(selector);
    if (!player) return;
    if (asked === done) player.dataset.state = "current";
    else player.dataset.state = refused === asked ? "refused" : "working";
  };
  return {
    changed: () => { asked += 1; show(); },
    sent: (...values) => { sent = asked; open += 1; show(); return values; },
    done: () => { open -= 1; if (!open) done = sent; show(); },
    refused: () => {
      open -= 1;
      if (!open) refused = sent;
      show();
      if (!open && asked > sent) again();
    },
  };
};
window.cak = {
  play: track("#player", 1, () => document.querySelector("#render").click()),
  hear: track("#hear", 0, () => {}),
};

// A typed decimal comma counts as a point. A browser whose language has no decimal comma
// would drop it, and 0,5 would become 5.
document.addEventListener("beforeinput", (event) => {
  const { target, data } = event;
  if (data !== "," || target.type !== "number") return;
  event.preventDefault();
  let taken = ""; // what the browser's language lets in
  target.addEventListener("input", (input) => { taken = input.data; }, { once: true });
  document.execCommand("insertText", false, ",");
  if (!taken) document.execCommand("insertText", false, ".");
});
