// Marks the player while it is older than the tab's controls. The tab calls `changed` when
// a control changes, `sent` when the values of all controls are sent, and `done` or
// `refused` when the answer is there.
window.cak = (() => {
  let asked = 1, sent = 0, done = 0, refused = 0; // numbers of changes; 1 is the start
  let open = 0; // answers that are awaited
  const show = () => {
    const player = document.querySelector("#player");
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
      // Gradio forgets a change that waited for the end of a refused one.
      if (!open && asked > sent) document.querySelector("#render").click();
    },
  };
})();
