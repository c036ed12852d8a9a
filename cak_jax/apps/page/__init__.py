"""The page of `cak app`: play with effects and train one, in the browser.

- `server`: builds the page from its tabs and serves it.
- `play_tab`, `train_tab`: controls, displays and event handlers of a tab. Nothing but
  these, `server` and `site` imports Gradio.
- `site`: limits and folders of the server, and how errors are shown.
- `request_filter`: refuses requests before Gradio sees them.
- `request_checks`: checks every value that visitors send; `data.sound_zip`, every zip.
- `rendering`: from checked values to sounds and pictures.
- `training_process`: a training in a process of its own, watched by its run folder's
  `status.json` and `metrics.jsonl`.
- `training_words`: how a training stands, in words.
- `assets/`: the page's HTML, CSS and JavaScript.

Anyone may send anything to the server. A new value from the browser needs a check in
`request_checks` and a case in `tests/apps/page/test_hostile_requests.py`; messages to
visitors name no path of this machine. A new route of Gradio stays closed until
`request_filter` names it. The parameter names of `PlayHandlers.render` are the page's
interface for programs (`tests/support/app_server.py`).
"""
