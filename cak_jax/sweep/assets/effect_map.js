// A point plays its sound from the start and stops the one before it.
let playing = null;
document.querySelectorAll("[data-sound]").forEach(point => {
  const play = () => {
    if (playing) playing.pause();
    playing = document.getElementById(point.dataset.sound);
    playing.currentTime = 0;
    playing.play();
    document.getElementById("playing").textContent = point.dataset.name;
  };
  point.addEventListener("click", play);
  point.addEventListener("keydown", event => {
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); play(); }
  });
});
