"""The exported page: one HTML file that runs effects in the browser.

    build_page  fills the page with effects
    assets/     the page (`index.html`, `style.css`) and its program (`*.js`)

`build_page.PAGE` and `build_page.AUDIO_THREAD` list the scripts in the order in which
the browser reads them; `core.js` holds the effect itself. The look can be changed
freely. Tests hold that the page sounds as `cak apply` does (`tests/apps/web`, in
Chromium), loads nothing, and has no other script or style than its own
(`tests/commands/test_export_web.py`).
"""
